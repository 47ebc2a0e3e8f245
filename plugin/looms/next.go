package looms

import (
	"io"
	"regexp"
	"strings"

	"github.com/docker/cli/cli-plugins/hooks"
	"github.com/docker/cli/cli/hints"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// tellNext says after up what one usually does next, as the docker command says it: on a terminal only, and not where
// DOCKER_CLI_HINTS is false.
func tellNext(env *command.Environment, r *loom.Result) {
	if env.Docker.Err().IsTerminal() && hints.Enabled() {
		nextSteps(env.Docker.Err(), env.Root, r)
	}
}

func nextSteps(w io.Writer, commands *cobra.Command, r *loom.Result) {
	id := r.Loom
	if !plainWord.MatchString(id) {
		id = output.ShellQuote(id)
	}
	url, service := "", ""
	for _, p := range r.Ports {
		if p.URL != "" && (url == "" || p.Service == "web") {
			url, service = p.URL, p.Service
		}
	}
	for _, s := range r.Services {
		if service == "" && s.State == "running" {
			service = s.Name
		}
	}
	var steps [][2]string
	if url != "" {
		steps = append(steps, [2]string{"Open " + url + " in the browser", "open " + id})
	}
	steps = append(steps, [2]string{"Follow the logs", "logs " + id + " -f"})
	if service != "" {
		steps = append(steps, [2]string{"Run a command inside", "exec " + id + " " + service + " sh"})
	}
	steps = append(steps, [2]string{"Take it down again", "down " + id})
	var lines []string
	for _, step := range steps {
		name, _, _ := strings.Cut(step[1], " ")
		if c, _, err := commands.Find([]string{name}); err == nil && c != commands {
			lines = append(lines, step[0]+" → docker loom "+step[1])
		}
	}
	hooks.PrintNextSteps(w, lines)
}

// plainWord is what every shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/@:+-]+$`)

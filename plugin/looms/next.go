package looms

import (
	"io"
	"strings"

	"github.com/docker/cli/cli-plugins/hooks"
	"github.com/docker/cli/cli/hints"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// tellNext says after up what one usually does next, as the docker command says it: on a terminal only, and not where
// DOCKER_CLI_HINTS is false.
func tellNext(env *command.Environment, r *loom.Result) {
	if env.Docker.Err().IsTerminal() && hints.Enabled() {
		nextSteps(env.Docker.Err(), env.Root, r, projectToName(env, r))
	}
}

// projectToName is the folder of the result's project if a command in the current folder has to name it, "" otherwise.
func projectToName(env *command.Environment, r *loom.Result) string {
	if env.Project != "" {
		return env.Project
	}
	var names []loom.ProjectName
	own := loom.ProjectName{}
	for _, p := range r.Projects {
		names = append(names, p.ProjectName)
		if p.Project == r.Project {
			own = p.ProjectName
		}
	}
	if command.IsTold(command.Folder(), r.WorkTree, names, own) {
		return ""
	}
	return own.Folder
}

// nextSteps prints commands that act on the result's project; folder is as [projectToName] gives it.
func nextSteps(w io.Writer, commands *cobra.Command, r *loom.Result, folder string) {
	id := find.ShellWord(r.Loom)
	project := id
	if folder != "" {
		project += " " + find.ProjectFlag(folder)
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
		steps = append(steps, [2]string{"Open " + url + " in the browser", "open " + project})
	}
	steps = append(steps, [2]string{"Follow the logs", "logs " + project + " -f"})
	if service != "" {
		steps = append(steps, [2]string{"Run a command inside", "exec " + project + " " + service + " sh"})
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

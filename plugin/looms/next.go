package looms

import (
	"context"
	"io"
	"strings"

	"github.com/docker/cli/cli-plugins/hooks"
	"github.com/docker/cli/cli/hints"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// tellNext says after up what one usually does next, as the docker command says it: on a terminal only, and not where
// DOCKER_CLI_HINTS is false.
func tellNext(ctx context.Context, env *command.Environment, l *loom.Looms, r *loom.Result) {
	if !env.Docker.Err().IsTerminal() || !hints.Enabled() {
		return
	}
	nextSteps(env.Docker.Err(), env.Root, nextStep{
		result: r, loom: l.InUse.Words([]string{r.Loom})[0], folder: projectToName(env, r),
		hasShell: func(container string) bool {
			_, _, code, err := l.Engine.ExecOutput(ctx, container, engine.Process{Cmd: []string{"sh", "-c", ":"}})
			return err == nil && code == 0
		},
	})
}

// nextStep is what the commands after up are made of.
type nextStep struct {
	result *loom.Result
	// loom is how one types its id in this folder, folder is as [projectToName] gives it.
	loom, folder string
	// hasShell reports whether a container has a shell.
	hasShell func(container string) bool
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

// nextSteps prints commands that act on the result's project.
func nextSteps(w io.Writer, commands *cobra.Command, n nextStep) {
	project := n.loom
	if n.folder != "" {
		project += " " + find.ProjectFlag(n.folder)
	}
	var steps [][2]string
	service := ""
	if web := n.web(); len(web) > 0 {
		port := web[0]
		service = port.Service
		step := "open " + project
		if len(web) > 1 {
			step += " " + inside.WordFor(port, web)
		}
		steps = append(steps, [2]string{"Open " + port.URL + " in the browser", step})
	}
	steps = append(steps, [2]string{"Follow the logs", "logs " + project + " -f"})
	if service = n.withShell(service); service != "" {
		steps = append(steps, [2]string{"Run a command inside", "exec " + project + " " + find.ShellWord(service) + " -- sh"})
	}
	steps = append(steps, [2]string{"Take it down again", "down " + n.loom})
	var lines []string
	for _, step := range steps {
		name, _, _ := strings.Cut(step[1], " ")
		if c, _, err := commands.Find([]string{name}); err == nil && c != commands {
			lines = append(lines, step[0]+" → docker loom "+step[1])
		}
	}
	hooks.PrintNextSteps(w, lines)
}

// web are the ports that a browser reaches, those of a service called web first.
func (n nextStep) web() []loom.Port {
	var first, others []loom.Port
	for _, p := range n.result.Ports {
		switch {
		case p.URL == "":
		case p.Service == "web":
			first = append(first, p)
		default:
			others = append(others, p)
		}
	}
	return append(first, others...)
}

// withShell is a service that runs and has a shell: the wanted one, if it has; "" if none has.
func (n nextStep) withShell(wanted string) string {
	found := ""
	for _, s := range n.result.Services {
		if s.State != "running" || found != "" && s.Name != wanted || !n.hasShell(s.Container) {
			continue
		}
		found = s.Name
	}
	return found
}

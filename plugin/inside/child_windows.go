package inside

import (
	"os"
	"os/exec"
	"os/signal"

	"github.com/docker-loom/docker-loom/plugin/command"
)

func notifyChild(c chan<- os.Signal) (stop func()) {
	signal.Notify(c, os.Interrupt)
	return func() { signal.Stop(c) }
}

func ownGroup(*exec.Cmd) {}

// pass does nothing: the console gives all its programs Ctrl-C.
func pass(*os.Process, os.Signal, bool) {}

// hasTerminal reports whether the console is the program's too.
func hasTerminal(env *command.Environment) bool {
	return env.Docker.In().IsTerminal() || env.Docker.Out().IsTerminal()
}

func terminate(p *os.Process) { _ = p.Kill() }

func exitCode(state *os.ProcessState) int { return state.ExitCode() }

// cutEnv parts a variable's name, which is the same in any case, from its value. Some names begin with =.

//go:build !windows

package inside

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/docker-loom/docker-loom/plugin/command"
)

func notifyChild(c chan<- os.Signal) (stop func()) {
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	return func() { signal.Stop(c) }
}

// ownGroup keeps signals to our process group away from the program, so that it gets them from us only.
func ownGroup(child *exec.Cmd) { child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// pass passes a signal on, unless the terminal has sent it to the program too.
func pass(p *os.Process, sig os.Signal, terminal bool) {
	if terminal && sig != syscall.SIGTERM {
		return
	}
	_ = p.Signal(sig) // it may have ended meanwhile
}

// hasTerminal reports whether the process has a terminal, whatever its streams are: a program may ask there for a
// password, and must then be in the terminal's own group.
func hasTerminal(*command.Environment) bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

// exitCode is a shell's: 128 and the signal for a program that a signal ended.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

//go:build !windows

package git

import (
	"os/exec"
	"syscall"
)

// apart keeps signals to our process group away from cmd.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate ends cmd in a way that leaves it time to remove its locks.
func terminate(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }

package worktree

import (
	"os/exec"
	"syscall"
)

// attach has cmd end when we do, even where we are killed. Linux ties it to the thread that starts cmd.
func attach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

package worktree

import (
	"os/exec"
	"runtime"
	"syscall"
)

// attach has cmd end when we do, even where we are killed. Linux ties it to the thread that starts cmd, which is kept
// until release is called. Upon SIGTERM git worktree add would take back what it has made while a child of its own
// still writes there; what SIGKILL leaves, the next command clears.
func attach(cmd *exec.Cmd) (release func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

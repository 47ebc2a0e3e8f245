package worktree

import (
	"os/exec"
	"runtime"
	"syscall"
)

// attach has cmd end when we do, even where we are killed. Linux ties it to the thread that starts cmd, which is kept
// until release is called.
func attach(cmd *exec.Cmd) (release func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

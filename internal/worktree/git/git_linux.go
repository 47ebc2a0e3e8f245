package git

import (
	"os/exec"
	"runtime"
	"syscall"
)

// attach makes cmd end with this process, even if that is killed. Linux ties cmd to the thread that starts it, so the
// thread is kept until release is called. The signal is SIGKILL: after SIGTERM git worktree add would remove what it
// has made while its own child still writes there. The next docker loom command removes what a killed git left.
func attach(cmd *exec.Cmd) (release func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

package git

import (
	"os/exec"
	"syscall"
)

// apart keeps Ctrl-C away from cmd.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }

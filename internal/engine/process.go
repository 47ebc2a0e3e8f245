package engine

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/engine/exec"
)

// What a command in a container is asked for with, and fails with.
type (
	// Process is a command to run in a running container.
	Process = exec.Process
	// Terminal is the user's.
	Terminal = exec.Terminal
	// SignalError says that a command was to end and that nobody could tell it: it may go on in its container.
	SignalError = exec.SignalError
	// OutputError says that what a command wrote could not be written on. The command was told to end.
	OutputError = exec.OutputError
)

// ErrDetached says that the user typed the keys that leave a command running.
var ErrDetached = exec.ErrDetached

// Marker is the variable by which a command is found again inside its container.
const Marker = exec.Marker

// Exec runs a command in a running container and returns its exit code: 126 if it cannot be run, 127 if it is not
// found; the engine then writes why to the command's stdout.
//
// When ctx ends the command is interrupted, and killed when it has not ended within its grace; the error is then ctx's
// own, or a [*SignalError]. A command whose output cannot be written on is told to end in the same way, by SIGTERM, and
// the error is an [*OutputError]; not so with a terminal, which says by SIGHUP that it is gone.
func (e *Engine) Exec(ctx context.Context, id string, p Process) (int, error) {
	return exec.Run(ctx, e.api, id, p)
}

// ExecOutput runs a command without input and returns what it wrote to stdout and stderr, for commands whose output is
// small.
func (e *Engine) ExecOutput(ctx context.Context, id string, p Process) (stdout, stderr []byte, code int, err error) {
	return exec.Output(ctx, e.api, id, p)
}

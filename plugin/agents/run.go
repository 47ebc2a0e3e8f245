package agents

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// RunInSandbox runs the command with the process's own streams, and ends with its exit code.
func RunInSandbox(ctx context.Context, env *command.Environment, o command.StreamOptions, id string, req loom.AgentRequest) error {
	var args []string
	if id != "" {
		args = []string{id}
	}
	l, where, err := env.Begin(args)
	if errors.As(err, new(*loom.IDError)) {
		return err
	}
	if err != nil {
		return &loom.NotRunError{Err: err}
	}
	req.Where = where
	p := &req.Process
	// Until the command runs Ctrl-C ends what makes the sandbox; from then on it is the command's.
	stop := func() {}
	req.Begin = func(ctx context.Context) context.Context {
		if p.Detach {
			return ctx
		}
		o.Join(env, p)
		ctx, p.Signals, stop = command.PassSignals(ctx)
		return ctx
	}
	named := len(p.Cmd) > 0
	code, err := l.Agent(ctx, &req)
	stop()
	if err == nil && code == notFound && !named {
		fmt.Fprintln(env.Docker.Err(), "hint: where the image lacks it, --image or container.agent.image names another image, container.agent.command another command")
	}
	return env.Ended(code, err)
}

// notFound is the exit code of a command that is not there.
const notFound = 127

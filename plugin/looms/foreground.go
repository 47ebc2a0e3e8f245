package looms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/docker/cli/cli"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// follow shows the logs until the first Ctrl-C, which stops the loom; the second kills it.
func follow(ctx context.Context, env *command.Environment, l *loom.Looms, where loom.Where) error {
	again := make(chan os.Signal, 2)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	known, err := l.Finder().Resolve(ctx, where, loom.Reading)
	if err != nil {
		return err
	}
	// What the containers say while they stop is wanted too.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	logs := make(chan error, 1)
	go func() {
		logs <- command.Containers(l).Logs(lasting, known, stack.LogOptions{
			Follow: true, Stdout: env.Docker.Out(), Stderr: env.Docker.Err(), NoColor: !env.Docker.Out().IsTerminal(),
		})
	}()
	select {
	case err := <-logs:
		return err
	case <-ctx.Done():
	}
	// The signal that ended ctx is in the channel too, unless the docker command alone was told to end.
	select {
	case <-again:
	case <-time.After(200 * time.Millisecond):
	}
	fmt.Fprintln(env.Docker.Err(), "stopping; Ctrl-C again kills")
	done := make(chan error, 1)
	go func() { done <- l.Stop(lasting, known, 0) }()
	select {
	case err = <-done:
	case <-again:
		if err = l.Stack.Kill(lasting, known.Known.Project); err != nil {
			break
		}
		// The engine answers before the containers have ended; the stop that waits for them then ends too.
		select {
		case err = <-done:
		case <-time.After(10 * time.Second):
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return cli.StatusError{StatusCode: 130}
}

package looms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/docker/cli/cli"
	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// follow shows the logs of projects until the first Ctrl-C, which stops them; the second kills them.
func follow(ctx context.Context, env *command.Environment, l *loom.Looms, up []*loom.Target) error {
	again := make(chan os.Signal, 2)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	// What the containers say while they stop is wanted too.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	logs := make(chan error, 1)
	go func() { logs <- logsOf(lasting, env, l, up) }()
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
	go func() { done <- stopEach(lasting, l, up) }()
	var err error
	select {
	case err = <-done:
	case <-again:
		if err = killEach(lasting, l, up); err != nil {
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

// logsOf follows the logs of projects at once.
func logsOf(ctx context.Context, env *command.Environment, l *loom.Looms, up []*loom.Target) error {
	var all errgroup.Group
	for _, t := range up {
		all.Go(func() error {
			return command.Containers(l).Logs(ctx, t, stack.LogOptions{
				Follow: true, Stdout: env.Docker.Out(), Stderr: env.Docker.Err(), NoColor: !env.Docker.Out().IsTerminal(),
			})
		})
	}
	return all.Wait()
}

// stopEach stops projects, the last first.
func stopEach(ctx context.Context, l *loom.Looms, up []*loom.Target) error {
	for _, t := range slices.Backward(up) {
		if err := l.Stop(ctx, t, 0); err != nil {
			return err
		}
	}
	return nil
}

func killEach(ctx context.Context, l *loom.Looms, up []*loom.Target) error {
	for _, t := range up {
		if err := l.Stack.Kill(ctx, t.Known.Project); err != nil {
			return err
		}
	}
	return nil
}

// targetsOf are the projects that came up, each for itself.
func targetsOf(
	ctx context.Context, l *loom.Looms, where loom.Where, plans []*loom.Plan,
) ([]*loom.Target, error) {
	where.ID, where.WholeLoom = plans[0].ID, true
	whole, err := l.Finder().Resolve(ctx, where, loom.Reading)
	if err != nil {
		return nil, err
	}
	var up []*loom.Target
	for _, k := range whole.Projects {
		if slices.ContainsFunc(plans, func(p *loom.Plan) bool { return p.Entry.Project == k.Project }) {
			t := whole.Of(k)
			t.Part = true
			up = append(up, t)
		}
	}
	return up, nil
}

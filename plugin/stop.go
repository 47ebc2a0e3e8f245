package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/loom"
)

func newStopCommand(env *environment) *cobra.Command {
	var timeout int
	var all bool
	cmd := &cobra.Command{
		Use:     "stop [OPTIONS] [ID...]",
		Short:   "Stop the containers of looms",
		Example: "  docker loom stop 123\n  docker loom stop --all",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usageError{cmd, errors.New("--all takes no ids")}
			}
			return each(cmd.Context(), env, args, all, func(l *loom.Looms, t *loom.Target) error {
				return l.Stop(cmd.Context(), t, time.Duration(timeout)*time.Second)
			}, "stopped")
		},
	}
	cmd.Flags().IntVarP(&timeout, "timeout", "t", 0, "Specify a shutdown timeout in seconds")
	cmd.Flags().BoolVar(&all, "all", false, "All looms of this repository")
	return cmd
}

func newStartCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "start [ID...]",
		Short:   "Start the stopped containers of looms",
		Example: "  docker loom start 123",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return each(cmd.Context(), env, args, false, func(l *loom.Looms, t *loom.Target) error { return l.Start(cmd.Context(), t) }, "started")
		},
	}
}

// each does one thing to every loom that is named. One that fails must not keep the others from it.
func each(ctx context.Context, env *environment, args []string, all bool, do func(*loom.Looms, *loom.Target) error, done string) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	targets, err := env.targets(ctx, l, args, all, false)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range targets {
		if err := do(l, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		fmt.Fprintf(env.docker.Out(), "loom %s %s\n", t.ID, done)
	}
	return errors.Join(errs...)
}

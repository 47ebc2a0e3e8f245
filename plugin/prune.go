package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/loom"
)

type pruneOptions struct {
	dryRun, yes bool
	format      string
}

func newPruneCommand(env *environment) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "End what belongs to no loom or to a work tree that is gone",
		Long: `End what belongs to no loom or to a work tree that is gone, with its containers, networks, volumes and leases. A loom
that is merely down is never touched. What is removed is found by docker loom's own labels, never by its name.`,
		Example: "  docker loom prune --dry-run\n  docker loom prune --yes",
		Args:    maxArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPrune(cmd.Context(), env, o) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
	addFormat(cmd.Flags(), &o.format)
	return cmd
}

func runPrune(ctx context.Context, env *environment, o pruneOptions) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	list, err := l.Prunable(ctx)
	if err != nil {
		return err
	}
	remains := []*loom.Remains{}
	targets := make([]*loom.Target, 0, len(list))
	for _, p := range list {
		fmt.Fprintf(env.docker.Err(), "loom %s: %s\n", p.Name(), p.Why)
		plan, err := l.Down(ctx, p.Target, loom.DownRequest{Volumes: true, DryRun: true})
		if err != nil {
			return err
		}
		for _, what := range plan.Removed {
			fmt.Fprintf(env.docker.Err(), "  remove %s\n", what)
		}
		remains = append(remains, plan)
		targets = append(targets, p.Target)
	}
	if len(list) > 0 && !o.dryRun {
		if !o.yes {
			if err := env.ask("end these"); err != nil {
				return err
			}
		}
		var errs []error
		for _, t := range targets {
			if _, err := l.Down(ctx, t, loom.DownRequest{Volumes: true}); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", t.Name(), err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return write(env.docker.Out(), o.format, remains, func(w io.Writer) {
		switch {
		case len(remains) == 0:
			fmt.Fprintln(w, "nothing to prune")
		case !o.dryRun:
			fmt.Fprintf(w, "%d loom(s) ended\n", len(remains))
		}
	})
}

package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type pruneOptions struct {
	dryRun, force, merged bool
	format                string
}

func newPruneCommand(env *command.Environment) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "End what belongs to no loom or to a work tree that is gone",
		Long: `End what belongs to no loom or to a work tree that is gone, with its containers, networks, volumes and leases.
A loom that is merely down is never touched. Only what bears docker loom's labels is removed; what else is in the same
Compose project is named and stays.

With --merged also the looms whose branch is merged into the main branch (a squash merge counts), with the work tree
that docker loom made and the branch. One in which work would be lost, as docker loom rm sees it, stays.`,
		Example: "  docker loom prune --dry-run\n  docker loom prune --merged\n  docker loom prune --force",
		Args:    command.MaxArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPrune(cmd.Context(), env, o) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	cmd.Flags().BoolVar(&o.merged, "merged", false, "End looms whose branch is merged, with work tree and branch, too")
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "Do not prompt for confirmation")
	cmd.Flags().BoolVarP(&o.force, "yes", "y", false, "The same as --force")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runPrune(ctx context.Context, env *command.Environment, o pruneOptions) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	list, err := inventory.FindPrunable(ctx, l)
	if err != nil {
		return err
	}
	if o.merged {
		merged, err := inventory.FindMerged(ctx, l)
		if err != nil {
			return err
		}
		list = append(list, merged...)
	}
	remains := []*loom.Remains{}
	var ends []inventory.Prunable
	for _, p := range list {
		plan, err := planEnd(ctx, env, l, p)
		if err != nil {
			return err
		}
		if plan == nil {
			continue
		}
		for _, what := range plan.Removed {
			fmt.Fprintf(env.Docker.Err(), "  remove %s\n", what)
		}
		for _, what := range plan.Left {
			fmt.Fprintf(env.Docker.Err(), "  leave %s\n", what)
		}
		remains = append(remains, plan)
		ends = append(ends, p)
	}
	if len(ends) > 0 && !o.dryRun {
		if !o.force {
			if err := env.Ask("end these", "--force"); err != nil {
				return err
			}
		}
		var errs []error
		for _, p := range ends {
			if err := end(ctx, l, p); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.Name(), err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return output.Write(env.Docker.Out(), o.format, remains, func(w io.Writer) {
		switch {
		case len(remains) == 0:
			fmt.Fprintln(w, "nothing to prune")
		case !o.dryRun:
			fmt.Fprintf(w, "%d loom(s) ended\n", len(remains))
		}
	})
}

// ofMerged is how a loom whose branch is merged is ended.
func ofMerged(dryRun bool) loom.RmRequest {
	return loom.RmRequest{RemoveOptions: tree.RemoveOptions{Branch: true, DryRun: dryRun}, Labelled: true}
}

// planEnd says why a loom is to be ended, and gives what would go; nil where it must stay.
func planEnd(
	ctx context.Context, env *command.Environment, l *loom.Looms, p inventory.Prunable,
) (*loom.Remains, error) {
	fmt.Fprintf(env.Docker.Err(), "loom %s: %s\n", p.Name(), p.Why)
	if !p.Merged {
		return l.Down(ctx, p.Target, loom.DownRequest{Volumes: true, Labelled: true, DryRun: true})
	}
	r, err := l.Rm(ctx, p.Target, ofMerged(true))
	if err != nil {
		return nil, err
	}
	if r.State == loom.RemovalRefused {
		for _, risk := range r.Refused {
			fmt.Fprintf(env.Docker.Err(), "  stays: %s\n", risk)
		}
		return nil, nil
	}
	return &loom.Remains{
		Loom: p.ID, Project: p.Known.Project, Volumes: []string{}, Ports: []string{}, Removed: r.Removed,
		Left: r.Warnings, Projects: names(p.Target),
	}, nil
}

// names are those of all projects of a loom.
func names(t *loom.Target) []loom.ProjectName {
	list := []loom.ProjectName{}
	for _, k := range t.Projects {
		list = append(list, report.NameOf(k))
	}
	return list
}

func end(ctx context.Context, l *loom.Looms, p inventory.Prunable) error {
	if !p.Merged {
		return inventory.EndGone(ctx, l, p.Target)
	}
	r, err := l.Rm(ctx, p.Target, ofMerged(false))
	if err == nil && r.State == loom.RemovalRefused {
		return fmt.Errorf("it has changed meanwhile: %s", strings.Join(r.Refused, "; "))
	}
	return err
}

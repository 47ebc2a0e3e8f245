package looms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/cli/cli"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type rmOptions struct {
	force, worktree, branch bool
	dryRun, quiet           bool
	timeout                 time.Duration
	format                  string
}

func newRmCommand(env *command.Environment) *cobra.Command {
	var o rmOptions
	cmd := &cobra.Command{
		Use:   "rm [OPTIONS] [ID...]",
		Short: "End looms and remove the work trees that were made for them",
		Long: `End looms, with their volumes and leases, and remove the work trees that docker loom made for them. First it
looks whether anything would be lost: uncommitted or untracked files, commits that nobody else has, a rebase that is
not finished, a protected branch. Then it says so and touches nothing; --force goes ahead. The branch stays unless
--delete-branch is given. Where the settings have container.keepAlive, the loom is only stopped.`,
		Example: "  docker loom rm 123\n  docker loom rm 123 124 --delete-branch\n  docker loom rm 123 --dry-run",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return runRm(cmd.Context(), env, o, args) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.force, "force", "f", false, "Go ahead although work would be lost")
	flags.BoolVar(&o.worktree, "delete-worktree", false, "Remove the work tree even if docker loom did not make it")
	flags.BoolVar(&o.branch, "delete-branch", false, "Delete the branch, too")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress and no hints")
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	output.AddFormat(flags, &o.format)
	return cmd
}

func runRm(ctx context.Context, env *command.Environment, o rmOptions, args []string) error {
	where, err := env.Where(nil)
	if err != nil {
		return err
	}
	for _, id := range args {
		if _, err := loom.ParseID(id); err != nil {
			return err
		}
	}
	l, err := env.Looms()
	if err != nil {
		return err
	}
	if o.quiet {
		stack.SetProgress("quiet")
	}
	targets, err := l.Finder().FindEach(ctx, where.Source, args, loom.Removing)
	if err != nil {
		return err
	}
	removals := []*loom.Removal{}
	var errs []error
	refused := false
	for _, t := range targets {
		r, err := l.Rm(ctx, t, loom.RmRequest{
			RemoveOptions: tree.RemoveOptions{Force: o.force, WorkTree: o.worktree, Branch: o.branch, DryRun: o.dryRun},
			Timeout:       o.timeout,
		})
		if err != nil {
			// One that cannot be removed must not keep the others.
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		refused = refused || r.State == loom.RemovalRefused
		removals = append(removals, r)
		for _, w := range r.Warnings {
			fmt.Fprintf(env.Docker.Err(), "warning: loom %s: %s\n", r.Loom, w)
		}
	}
	err = output.Write(env.Docker.Out(), o.format, removals, func(w io.Writer) { tellRm(w, o, removals) })
	if err != nil {
		return err
	}
	if refused {
		tellRefused(env.Docker.Err(), o, removals)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if refused {
		return cli.StatusError{StatusCode: 1}
	}
	return nil
}

func tellRm(w io.Writer, o rmOptions, removals []*loom.Removal) {
	for _, r := range removals {
		switch {
		case r.State == loom.RemovalRefused:
			continue
		case r.State == loom.RemovalStopped && o.dryRun:
			fmt.Fprintf(w, "loom %s would be stopped\n", r.Loom)
		case r.State == loom.RemovalStopped:
			fmt.Fprintf(w, "loom %s stopped\n", r.Loom)
		case o.dryRun:
			fmt.Fprintf(w, "loom %s would be removed\n", r.Loom)
			for _, what := range r.Removed {
				fmt.Fprintf(w, "  remove %s\n", what)
			}
		default:
			fmt.Fprintf(w, "loom %s removed\n", r.Loom)
		}
		for _, what := range r.Kept {
			fmt.Fprintf(w, "  kept %s\n", what)
		}
	}
}

// tellRefused says what would be lost, and how to go ahead.
func tellRefused(w io.Writer, o rmOptions, removals []*loom.Removal) {
	var ids []string
	for _, r := range removals {
		if r.State != loom.RemovalRefused {
			continue
		}
		ids = append(ids, r.Loom)
		fmt.Fprintf(w, "error: loom %s was not touched:\n", r.Loom)
		for _, risk := range r.Refused {
			fmt.Fprintf(w, "  %s\n", risk)
		}
	}
	if !o.quiet && !o.force {
		fmt.Fprintf(w, "hint: commit and push what is to be kept, or lose it with docker loom rm %s --force\n",
			strings.Join(ids, " "))
	}
}

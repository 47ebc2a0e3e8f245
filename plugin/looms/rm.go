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

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type rmOptions struct {
	force, worktree, branch bool
	ignored, dryRun, quiet  bool
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
not finished, a protected branch, a repository in an ignored folder. Then it says so and touches nothing; --force goes
ahead. The branch stays unless --delete-branch is given. Where the settings have container.keepAlive, the loom is only
stopped.

Files that git ignores are named with their number and size. If nothing but these would be lost, rm asks;
--delete-ignored says yes. Copies of the main work tree's files, what docker loom generated, and folders that a tool
makes again do not count: node_modules beside a package.json, __pycache__, Python's virtual environments, and folders
with a CACHEDIR.TAG.`,
		Example: "  docker loom rm 123\n  docker loom rm 123 124 --delete-branch\n  docker loom rm 123 --dry-run",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return runRm(cmd.Context(), env, o, args) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.force, "force", "f", false, "Go ahead although work would be lost")
	flags.BoolVar(&o.worktree, "delete-worktree", false, "Remove the work tree even if docker loom did not make it")
	flags.BoolVar(&o.branch, "delete-branch", false, "Delete the branch, too")
	flags.BoolVar(&o.ignored, "delete-ignored", false, "Do not ask although files that git ignores would be lost")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress and no hints")
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	output.AddFormat(flags, &o.format)
	return cmd
}

// WholeLoomError says that rm ends whole looms, and one project was named.
type WholeLoomError struct {
	ids     []string
	project string
}

// Error names the project.
func (e *WholeLoomError) Error() string {
	return "rm ends a loom with all its projects and its work tree, not --project " + e.project + " alone"
}

// NextStep says how one project is ended.
func (e *WholeLoomError) NextStep() string {
	words := append([]string{"docker loom down"}, e.ids...)
	return strings.Join(append(words, find.ProjectFlag(e.project), "--volumes ends that project"), " ")
}

func runRm(ctx context.Context, env *command.Environment, o rmOptions, args []string) error {
	if env.Project != "" {
		return &WholeLoomError{ids: args, project: env.Project}
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
	targets, err := env.Each(ctx, l, args, command.Search{Purpose: loom.Removing, Ended: o.force})
	if err != nil {
		return err
	}
	removals := []*loom.Removal{}
	var errs []error
	refused := false
	for _, t := range targets {
		r, err := rm(ctx, env, l, t, o)
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
		tellRefused(env.Docker.Err(), o, removals, l.InUse.Words)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if refused {
		return cli.StatusError{StatusCode: 1}
	}
	return nil
}

// rm ends one loom. If only ignored files would be lost, it asks, where there is a terminal.
func rm(
	ctx context.Context, env *command.Environment, l *loom.Looms, t *loom.Target, o rmOptions,
) (*loom.Removal, error) {
	req := loom.RmRequest{Timeout: o.timeout, RemoveOptions: tree.RemoveOptions{
		Force: o.force, Ignored: o.ignored, WorkTree: o.worktree, Branch: o.branch, DryRun: o.dryRun,
	}}
	r, err := l.Rm(ctx, t, req)
	if err != nil || !losesOnlyIgnored(r) || o.dryRun || o.format != "" || !env.Docker.In().IsTerminal() {
		return r, err
	}
	fmt.Fprintf(env.Docker.Err(), "loom %s has %s\n", r.Loom, r.Ignored)
	if err := env.Ask("remove them with its work tree", "--delete-ignored"); err != nil {
		return nil, err
	}
	req.Ignored = true
	return l.Rm(ctx, t, req)
}

func losesOnlyIgnored(r *loom.Removal) bool {
	return r.State == loom.RemovalRefused && len(r.Refused) == 1 && r.Refused[0] == r.Ignored
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
func tellRefused(w io.Writer, o rmOptions, removals []*loom.Removal, words func([]string) []string) {
	var ids []string
	flag := "--delete-ignored"
	for _, r := range removals {
		if r.State != loom.RemovalRefused {
			continue
		}
		ids = append(ids, r.Loom)
		if !losesOnlyIgnored(r) {
			flag = "--force"
		}
		fmt.Fprintf(w, "error: loom %s was not touched:\n", r.Loom)
		for _, risk := range r.Refused {
			fmt.Fprintf(w, "  %s\n", risk)
		}
	}
	if !o.quiet && !o.force {
		fmt.Fprintf(w, "hint: commit and push what is to be kept, or lose it with docker loom rm %s %s\n",
			strings.Join(words(ids), " "), flag)
	}
}

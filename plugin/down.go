package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
)

type downOptions struct {
	volumes, all, allRepositories bool
	yes, dryRun, quiet            bool
	timeout                       int
	format                        string
}

func newDownCommand(env *environment) *cobra.Command {
	var o downOptions
	cmd := &cobra.Command{
		Use:   "down [OPTIONS] [ID...]",
		Short: "Remove the containers, networks and files of looms; with --volumes end them",
		Long: `Remove the containers, networks, anonymous volumes, built images and generated files of looms. Named volumes and port
leases stay, so that up brings the same loom back; --volumes removes these too and ends the loom.`,
		Example: "  docker loom down 123\n  docker loom down 123 124 --volumes\n  docker loom down --all",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.all || o.allRepositories) && len(args) > 0 {
				return usageError{cmd, errors.New("--all takes no ids")}
			}
			return runDown(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.volumes, "volumes", "v", false, "End the looms: remove named volumes and leases too")
	flags.BoolVar(&o.all, "all", false, "All looms of this repository")
	flags.BoolVar(&o.allRepositories, "all-repositories", false, "All looms of all repositories")
	flags.BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would go and change nothing")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Show no progress and no hints")
	flags.IntVarP(&o.timeout, "timeout", "t", 0, "Specify a shutdown timeout in seconds")
	addFormat(flags, &o.format)
	return cmd
}

func runDown(ctx context.Context, env *environment, o downOptions, args []string) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	if o.quiet {
		stack.SetProgress("quiet")
	}
	targets, err := env.targets(ctx, l, args, o.all, o.allRepositories)
	if err != nil {
		return err
	}
	if o.allRepositories && !o.yes && !o.dryRun && len(targets) > 0 {
		for _, t := range targets {
			fmt.Fprintf(env.docker.Err(), "  %s (%s)\n", t.Name(), t.WorkTree)
		}
		question := "take all of these down"
		if o.volumes {
			question = "end all of these with their volumes"
		}
		if err := env.ask(question); err != nil {
			return err
		}
	}
	remains := []*loom.Remains{}
	var errs []error
	for _, t := range targets {
		r, err := l.Down(ctx, t, loom.DownRequest{Volumes: o.volumes, Timeout: time.Duration(o.timeout) * time.Second, DryRun: o.dryRun})
		if err != nil {
			// One loom that cannot go down must not keep the others up.
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		remains = append(remains, r)
	}
	if err := write(env.docker.Out(), o.format, remains, func(w io.Writer) { tellDown(w, o, remains) }); err != nil {
		return err
	}
	if !o.quiet && !o.dryRun && o.format == "" {
		hintKept(env.docker.Err(), remains)
	}
	return errors.Join(errs...)
}

func tellDown(w io.Writer, o downOptions, remains []*loom.Remains) {
	for _, r := range remains {
		switch {
		case o.dryRun:
			fmt.Fprintf(w, "loom %s would go down\n", r.Loom)
			for _, what := range r.Removed {
				fmt.Fprintf(w, "  remove %s\n", what)
			}
		case o.volumes:
			fmt.Fprintf(w, "loom %s ended\n", r.Loom)
		default:
			fmt.Fprintf(w, "loom %s is down\n", r.Loom)
		}
		for _, v := range r.Volumes {
			fmt.Fprintf(w, "  kept volume %s\n", v)
		}
		if len(r.Ports) > 0 {
			fmt.Fprintf(w, "  kept ports %s\n", strings.Join(r.Ports, ", "))
		}
	}
}

// hintKept says which command ends what was kept.
func hintKept(w io.Writer, remains []*loom.Remains) {
	var ids []string
	for _, r := range remains {
		if len(r.Volumes)+len(r.Ports) > 0 {
			ids = append(ids, r.Loom)
		}
	}
	if len(ids) > 0 {
		fmt.Fprintf(w, "hint: docker loom down %s --volumes ends what was kept\n", strings.Join(ids, " "))
	}
}

// targets are the looms that a command names.
func (env *environment) targets(ctx context.Context, l *loom.Looms, ids []string, all, everywhere bool) ([]*loom.Target, error) {
	where, err := env.where(nil)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		// Nothing in quotes, as of an unset variable, does not mean the loom of this folder.
		if strings.TrimSpace(id) == "" {
			return nil, &loom.IDError{Typed: id}
		}
	}
	if everywhere {
		return l.Everywhere(ctx, where.Source)
	}
	if !all {
		return l.FindEach(ctx, where.Source, ids, loom.Ending)
	}
	targets, err := l.FindAll(ctx, where.Source)
	if err == nil && len(targets) == 0 {
		fmt.Fprintln(env.docker.Err(), "no looms here")
	}
	return targets, err
}

// ask wants a yes for what the lines before it list. Without a terminal the answer is no.
func (env *environment) ask(question string) error {
	if !env.docker.In().IsTerminal() {
		return errors.New("there is no terminal to ask at: --yes goes ahead")
	}
	fmt.Fprintf(env.docker.Err(), "%s? [y/N] ", question)
	answer, err := bufio.NewReader(env.docker.In()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

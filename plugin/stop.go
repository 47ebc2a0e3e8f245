package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/idle"
	"github.com/docker-loom/docker-loom/internal/loom"
)

type stopOptions struct {
	timeout              int
	all, allRepositories bool
	idle                 time.Duration
	watch, dryRun        bool
	interval             time.Duration
	ignore               []string
	format               string
}

// moved is one loom of what stop and start --format json print.
type moved struct {
	Loom    string `json:"loom"`
	Project string `json:"project"`
	// State is stopped, started or, with --idle, running where it was left so.
	State string `json:"state"`
	// Why it was stopped for idleness, or was not.
	Why string `json:"why,omitempty"`
}

func newStopCommand(env *environment) *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use:   "stop [OPTIONS] [ID...]",
		Short: "Stop the containers of looms",
		Long: `Stop the containers of looms. docker loom up brings a stopped loom back with the same ports and data.

With --idle only looms are stopped in which nothing happened for a time; without an ID, of all looms of this repository.
Something happens in a loom while
  exec        a process runs that was put into a container with exec (healthchecks do not count)
  attach      a terminal is attached to a container
  connection  a TCP connection to a published port is open, and for a minute after it
  command     a docker loom command works on it
Processes that run in the background of a container do not count. docker loom ls --format json shows what counts, and
docker loom hold keeps a loom running.`,
		Example: "  docker loom stop 123\n  docker loom stop --all\n  docker loom stop --idle 30m\n  docker loom stop --idle 2h --watch --ignore connection",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			if cmd.Flags().Changed("idle") {
				return runStopIdle(cmd.Context(), env, o, args)
			}
			return runStop(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&o.timeout, "timeout", "t", 0, "Specify a shutdown timeout in seconds")
	flags.BoolVar(&o.all, "all", false, "All looms of this repository")
	flags.BoolVar(&o.allRepositories, "all-repositories", false, "All looms of all repositories")
	flags.DurationVar(&o.idle, "idle", 0, "Only looms in which nothing happened for this time, as in 30m")
	flags.BoolVar(&o.watch, "watch", false, "With --idle: look again and again, until Ctrl-C")
	flags.DurationVar(&o.interval, "interval", 30*time.Second, "With --watch: how often to look")
	flags.StringSliceVar(&o.ignore, "ignore", nil, "With --idle: do not count this source (exec, attach, connection, command)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "With --idle: show what would be stopped and stop nothing")
	addFormat(flags, &o.format)
	return cmd
}

func (o *stopOptions) check(cmd *cobra.Command, args []string) error {
	flags := cmd.Flags()
	if (o.all || o.allRepositories) && len(args) > 0 {
		return usageError{cmd, errors.New("--all takes no ids")}
	}
	if !flags.Changed("idle") {
		for _, name := range []string{"watch", "interval", "ignore", "dry-run"} {
			if flags.Changed(name) {
				return usageError{cmd, fmt.Errorf("--%s goes with --idle", name)}
			}
		}
		return nil
	}
	if o.idle <= 0 {
		return usageError{cmd, fmt.Errorf("--idle %s: it must be more than nothing", o.idle)}
	}
	if o.interval <= 0 {
		return usageError{cmd, fmt.Errorf("--interval %s: it must be more than nothing", o.interval)}
	}
	if o.watch && o.format != "" {
		return usageError{cmd, errors.New("--watch takes no --format")}
	}
	if o.watch && o.dryRun {
		return usageError{cmd, errors.New("--watch takes no --dry-run")}
	}
	for _, source := range o.ignore {
		if !slices.Contains(idle.Sources, source) {
			return usageError{cmd, fmt.Errorf("--ignore %s: it is %s", source, strings.Join(idle.Sources, ", "))}
		}
	}
	return nil
}

func runStop(ctx context.Context, env *environment, o stopOptions, args []string) error {
	return each(ctx, env, args, o.all, o.allRepositories, o.format, func(l *loom.Looms, t *loom.Target) error {
		return l.Stop(ctx, t, time.Duration(o.timeout)*time.Second)
	}, "stopped")
}

func runStopIdle(ctx context.Context, env *environment, o stopOptions, args []string) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	// To look for idle looms is no use of them.
	l.Unnoticed = true
	req := idle.Request{After: o.idle, Ignore: o.ignore, Timeout: time.Duration(o.timeout) * time.Second, DryRun: o.dryRun}
	targets := func() ([]*loom.Target, error) {
		where, err := env.where(nil)
		if err != nil {
			return nil, err
		}
		if o.allRepositories {
			return l.Everywhere(ctx, where.Source)
		}
		if len(args) == 0 {
			return l.FindAll(ctx, where.Source)
		}
		return l.FindEach(ctx, where.Source, args, loom.Ending)
	}
	if o.watch {
		told := func(verdicts []idle.Verdict, err error) {
			if err == nil {
				err = tellIdle(env, o, verdicts)
			}
			if err != nil {
				fmt.Fprintln(env.docker.Err(), "warning: "+err.Error())
			}
		}
		return idle.Watcher{Looms: l, Interval: o.interval, Targets: targets, Tell: told}.Watch(ctx, req)
	}
	list, err := targets()
	if err != nil {
		return err
	}
	verdicts, err := idle.Stop(ctx, l, list, req)
	if err != nil {
		return err
	}
	if len(verdicts) == 0 {
		fmt.Fprintln(env.docker.Err(), "no loom is running")
	}
	return tellIdle(env, o, verdicts)
}

// tellIdle tells what was stopped and, unless it watches, why the others were not.
func tellIdle(env *environment, o stopOptions, verdicts []idle.Verdict) error {
	doc := []moved{}
	var errs []error
	for _, v := range verdicts {
		switch {
		case v.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", v.ID, v.Err))
			continue
		case v.Idle:
			doc = append(doc, moved{v.ID, v.Known.Project, "stopped", v.Why})
			continue
		}
		doc = append(doc, moved{v.ID, v.Known.Project, "running", v.Why})
		if !o.watch && o.format == "" {
			fmt.Fprintf(env.docker.Err(), "loom %s left running: %s\n", v.ID, v.Why)
		}
	}
	err := write(env.docker.Out(), o.format, doc, func(w io.Writer) {
		how := "stopped"
		if o.dryRun {
			how = "would be stopped"
		}
		for _, m := range doc {
			if m.State == "stopped" {
				fmt.Fprintf(w, "loom %s %s: %s\n", m.Loom, how, m.Why)
			}
		}
	})
	return errors.Join(append(errs, err)...)
}

func newStartCommand(env *environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "start [OPTIONS] [ID...]",
		Short:   "Start the stopped containers of looms",
		Example: "  docker loom start 123",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return each(cmd.Context(), env, args, false, false, format, func(l *loom.Looms, t *loom.Target) error { return l.Start(cmd.Context(), t) }, "started")
		},
	}
	addFormat(cmd.Flags(), &format)
	return cmd
}

// each does one thing to every loom that is named. One that fails must not keep the others from it.
func each(ctx context.Context, env *environment, args []string, all, everywhere bool, format string, do func(*loom.Looms, *loom.Target) error, done string) error {
	l, err := env.looms()
	if err != nil {
		return err
	}
	targets, err := env.targets(ctx, l, args, all, everywhere)
	if err != nil {
		return err
	}
	doc := []moved{}
	var errs []error
	for _, t := range targets {
		if err := do(l, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.ID, err))
			continue
		}
		if format == "" {
			fmt.Fprintf(env.docker.Out(), "loom %s %s\n", t.ID, done)
		}
		doc = append(doc, moved{Loom: t.ID, Project: t.Known.Project, State: done})
	}
	if format != "" {
		errs = append(errs, write(env.docker.Out(), format, doc, func(w io.Writer) {
			for _, m := range doc {
				fmt.Fprintf(w, "loom %s %s\n", m.Loom, m.State)
			}
		}))
	}
	return errors.Join(errs...)
}

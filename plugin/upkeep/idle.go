package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/idle"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// Moved is one loom in what stop, start and idle print as JSON.
type Moved struct {
	Loom    string `json:"loom"`
	Project string `json:"project"`
	// State is stopped or started; with idle also running, or idle for a loom that would be stopped.
	State string `json:"state"`
	// Why it was stopped for idleness, or was not.
	Why string `json:"why,omitempty"`
}

// IdleOptions say which looms are idle, and what is done to them.
type IdleOptions struct {
	After, Timeout  time.Duration
	Stop, Watch     bool
	Interval        time.Duration
	Ignore          []string
	AllRepositories bool
	Format          string
	// Stopped is the word for an idle loom: stopped, would be stopped, is idle.
	Stopped string
}

// Flags adds the flags that say what counts as idle, and how often to look.
func (o *IdleOptions) Flags(flags *pflag.FlagSet, prefix string) {
	o.Interval = 30 * time.Second
	flags.BoolVar(&o.Watch, "watch", false, prefix+"Look again and again, until Ctrl-C")
	command.DurationVar(flags, &o.Interval, "interval", "", "With --watch: how often to look")
	flags.StringSliceVar(&o.Ignore, "ignore", nil,
		prefix+"Do not count this source (exec, attach, connection, command)")
}

// Check reports what contradicts itself.
func (o *IdleOptions) Check() error {
	if o.Interval <= 0 {
		return fmt.Errorf("--interval must be longer than 0, not %s", o.Interval)
	}
	if o.Watch && o.Format != "" {
		return errors.New("--watch takes no --format")
	}
	for _, source := range o.Ignore {
		if err := command.OneOf("ignore", source, idle.Sources...); err != nil {
			return err
		}
	}
	return nil
}

func newIdleCommand(env *command.Environment) *cobra.Command {
	o := IdleOptions{After: 30 * time.Minute}
	cmd := &cobra.Command{
		Use:   "idle [OPTIONS] [ID...]",
		Short: "Show or stop the looms in which nothing happens",
		Long: `Show which running looms are idle: in which nothing happened for a time. With --stop they are stopped. Without
an ID it is all looms of this repository. What counts as use is told by docker loom stop --help; docker loom hold keeps
a loom running.

docker loom stop --idle 30m is the same as docker loom idle --after 30m --stop.`,
		Example: "  docker loom idle\n  docker loom idle --after 2h --stop\n  docker loom idle --stop --watch",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return command.WrongUsage(cmd, err)
			}
			if o.After <= 0 {
				return command.Usagef(cmd, "--after must be longer than 0, not %s", o.After)
			}
			if o.AllRepositories && len(args) > 0 {
				return command.Usagef(cmd, "--all-repositories takes no ids")
			}
			o.Stopped = "is idle"
			if o.Stop {
				o.Stopped = "stopped"
			}
			return RunIdle(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	command.DurationVar(flags, &o.After, "after", "", "How long nothing happened in an idle loom")
	flags.BoolVar(&o.Stop, "stop", false, "Stop the idle looms")
	flags.BoolVar(&o.AllRepositories, "all-repositories", false, "All looms of all repositories")
	command.DurationVar(flags, &o.Timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	o.Flags(flags, "")
	output.AddFormat(flags, &o.Format)
	return cmd
}

// RunIdle tells which looms are idle, and stops them if that is wanted.
func RunIdle(ctx context.Context, env *command.Environment, o IdleOptions, args []string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	// A look for idle looms does not count as use of them.
	l.InUse.Unnoticed = true
	req := idle.Request{After: o.After, Ignore: o.Ignore, Timeout: o.Timeout, DryRun: !o.Stop}
	targets := func() ([]*loom.Target, error) {
		where, err := env.Where(nil)
		if err != nil {
			return nil, err
		}
		if o.AllRepositories {
			return l.Finder().Everywhere(ctx, where.Source)
		}
		if len(args) == 0 {
			return l.Finder().FindAll(ctx, where)
		}
		return l.Finder().FindEach(ctx, where, args, loom.Ending)
	}
	if o.Watch {
		told := func(verdicts []idle.Verdict, err error) {
			if err == nil {
				err = writeVerdicts(env, o, verdicts)
			}
			if err != nil {
				fmt.Fprintln(env.Docker.Err(), "warning: "+err.Error())
			}
		}
		return idle.Watcher{Looms: l, Interval: o.Interval, Targets: targets, Tell: told}.Watch(ctx, req)
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
		fmt.Fprintln(env.Docker.Err(), "no loom is running")
	}
	return writeVerdicts(env, o, verdicts)
}

// writeVerdicts tells which looms are idle and, unless it watches, why the others are not.
func writeVerdicts(env *command.Environment, o IdleOptions, verdicts []idle.Verdict) error {
	doc := []Moved{}
	var errs []error
	for _, v := range verdicts {
		m := Moved{Loom: v.ID, Project: v.Known.Project, State: "running", Why: v.Why}
		switch {
		case v.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", v.ID, v.Err))
			continue
		case v.Idle && o.Stopped == "is idle":
			m.State = "idle"
		case v.Idle:
			m.State = "stopped"
		case !o.Watch && o.Format == "":
			fmt.Fprintf(env.Docker.Err(), "loom %s left running: %s\n", v.ID, v.Why)
		}
		doc = append(doc, m)
	}
	err := output.Write(env.Docker.Out(), o.Format, doc, func(w io.Writer) {
		for _, m := range doc {
			if m.State != "running" {
				fmt.Fprintf(w, "loom %s %s: %s\n", m.Loom, o.Stopped, m.Why)
			}
		}
	})
	return errors.Join(append(errs, err)...)
}

package looms

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type stopOptions struct {
	timeout              time.Duration
	all, allRepositories bool
	idle                 time.Duration
	watch, dryRun        bool
	interval             time.Duration
	ignore               []string
	format               string
}

func newStopCommand(env *command.Environment) *cobra.Command {
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
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	flags.BoolVar(&o.all, "all", false, "All looms of this repository")
	flags.BoolVar(&o.allRepositories, "all-repositories", false, "All looms of all repositories")
	command.DurationVar(flags, &o.idle, "idle", "", "Only looms in which nothing happened for this time, as in 30m")
	flags.BoolVar(&o.watch, "watch", false, "With --idle: look again and again, until Ctrl-C")
	o.interval = 30 * time.Second
	command.DurationVar(flags, &o.interval, "interval", "", "With --watch: how often to look")
	flags.StringSliceVar(&o.ignore, "ignore", nil, "With --idle: do not count this source (exec, attach, connection, command)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "With --idle: show what would be stopped and stop nothing")
	output.AddFormat(flags, &o.format)
	return cmd
}

func (o *stopOptions) check(cmd *cobra.Command, args []string) error {
	flags := cmd.Flags()
	if (o.all || o.allRepositories) && len(args) > 0 {
		return command.Usagef(cmd, "--all takes no ids")
	}
	if !flags.Changed("idle") {
		for _, name := range []string{"watch", "interval", "ignore", "dry-run"} {
			if flags.Changed(name) {
				return command.Usagef(cmd, "--%s goes with --idle", name)
			}
		}
		return nil
	}
	if o.idle <= 0 {
		return command.Usagef(cmd, "--idle must be longer than 0, not %s", o.idle)
	}
	if o.interval <= 0 {
		return command.Usagef(cmd, "--interval must be longer than 0, not %s", o.interval)
	}
	if o.watch && o.format != "" {
		return command.Usagef(cmd, "--watch takes no --format")
	}
	if o.watch && o.dryRun {
		return command.Usagef(cmd, "--watch takes no --dry-run")
	}
	for _, source := range o.ignore {
		if err := command.OneOf("ignore", source, loom.Sources...); err != nil {
			return command.WrongUsage(cmd, err)
		}
	}
	return nil
}

func runStop(ctx context.Context, env *command.Environment, o stopOptions, args []string) error {
	return each(ctx, env, args, o.all, o.allRepositories, o.format, func(l *loom.Looms, t *loom.Target) error {
		return l.Stop(ctx, t, o.timeout)
	}, "stopped")
}

func newStartCommand(env *command.Environment) *cobra.Command {
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
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

package looms

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
	"github.com/docker-loom/docker-loom/plugin/upkeep"
)

type stopOptions struct {
	all, dryRun bool
	idle        upkeep.IdleOptions
}

func newStopCommand(env *command.Environment) *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use:   "stop [OPTIONS] [ID...]",
		Short: "Stop the containers of looms",
		Long: `Stop the containers of looms. docker loom up brings a stopped loom back with the same ports and data. A loom
stops with all its projects; --project FOLDER stops one of them.

With --idle only looms are stopped in which nothing happened for a time; without an ID, of all looms of this repository.
Something happens in a loom while
  exec        a process runs that was put into a container with exec (healthchecks do not count)
  attach      a terminal is attached to a container
  connection  a TCP connection to a published port is open, and for a minute after it
  command     a docker loom command works on it
Processes that run in the background of a container do not count. docker loom ls --format json shows what counts, and
docker loom hold keeps a loom running.`,
		Example: `  docker loom stop 123
  docker loom stop --all
  docker loom stop --idle 30m
  docker loom stop --idle 2h --watch --ignore connection`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			if cmd.Flags().Changed("idle") {
				return upkeep.RunIdle(cmd.Context(), env, o.idle, args)
			}
			return runStop(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	command.DurationVar(flags, &o.idle.Timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	flags.BoolVar(&o.all, "all", false, "All looms of this repository")
	flags.BoolVar(&o.idle.AllRepositories, "all-repositories", false, "All looms of all repositories")
	command.DurationVar(flags, &o.idle.After, "idle", "", "Only looms in which nothing happened for this time, as in 30m")
	o.idle.Flags(flags, "With --idle: ")
	flags.BoolVar(&o.dryRun, "dry-run", false, "With --idle: show what would be stopped and stop nothing")
	output.AddFormat(flags, &o.idle.Format)
	return cmd
}

func (o *stopOptions) check(cmd *cobra.Command, args []string) error {
	flags := cmd.Flags()
	if (o.all || o.idle.AllRepositories) && len(args) > 0 {
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
	if o.idle.After <= 0 {
		return command.Usagef(cmd, "--idle must be longer than 0, not %s", o.idle.After)
	}
	if o.idle.Watch && o.dryRun {
		return command.Usagef(cmd, "--watch takes no --dry-run")
	}
	if err := o.idle.Check(); err != nil {
		return command.WrongUsage(cmd, err)
	}
	o.idle.Stop, o.idle.Stopped = !o.dryRun, "stopped"
	if o.dryRun {
		o.idle.Stopped = "would be stopped"
	}
	return nil
}

func runStop(ctx context.Context, env *command.Environment, o stopOptions, args []string) error {
	scope := command.Scope{Repository: o.all, Everything: o.idle.AllRepositories}
	return each(ctx, env, args, eachOptions{scope, o.idle.Format, "stopped"},
		func(l *loom.Looms, t *loom.Target) error { return l.Stop(ctx, t, o.idle.Timeout) })
}

func newStartCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "start [OPTIONS] [ID...]",
		Short:   "Start the stopped containers of looms",
		Example: "  docker loom start 123",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return each(cmd.Context(), env, args, eachOptions{format: format, done: "started"},
				func(l *loom.Looms, t *loom.Target) error { return l.Start(cmd.Context(), t) })
		},
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

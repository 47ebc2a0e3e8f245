package inside

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

type restartOptions struct {
	change  changeOptions
	noDeps  bool
	timeout time.Duration
	timed   bool // --timeout was given: 0 then means at once
}

func newRestartCommand(env *command.Environment) *cobra.Command {
	var o restartOptions
	cmd := &cobra.Command{
		Use:   "restart [OPTIONS] [ID] [SERVICE...]",
		Short: "Restart the containers of a loom",
		Long: `Restart the containers of a loom, or of some of its services. Changes of the compose files are not taken: up does that.

` + idOrService,
		Example: "  docker loom restart 123\n  docker loom restart 123 web\n  docker loom restart web -t 0",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.timed = cmd.Flags().Changed("timeout")
			return runRestart(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.noDeps, "no-deps", false, "Don't restart dependent services")
	command.DurationVar(flags, &o.timeout, "timeout", "t", "Shutdown timeout, in seconds or as in 2m")
	o.change.flags(flags)
	return cmd
}

func runRestart(ctx context.Context, env *command.Environment, o restartOptions, args []string) error {
	l, t, services, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	req := stack.RestartOptions{Services: services, NoDeps: o.noDeps}
	if o.timed {
		req.Timeout = &o.timeout
	}
	a, err := l.Restart(ctx, t, req, o.change.dryRun)
	if err != nil {
		return err
	}
	return tellActed(env, o.change, a, services, "restarted")
}

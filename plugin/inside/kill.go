package inside

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

func newKillCommand(env *command.Environment) *cobra.Command {
	var o changeOptions
	var signal string
	cmd := &cobra.Command{
		Use:   "kill [OPTIONS] [ID] [SERVICE...]",
		Short: "Kill the running containers of a loom, or send them a signal",
		Long: `Kill the running containers of a loom or of some of its services, or send them a signal.

` + idOrService,
		Example: "  docker loom kill 123\n  docker loom kill 123 web --signal SIGHUP",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			done := "killed"
			if cmd.Flags().Changed("signal") {
				done = "signalled with " + signal
			}
			return act(cmd.Context(), env, o, args, done, func(ctx context.Context, l *loom.Looms, t *loom.Target, services []string) (*loom.Acted, error) {
				return l.Kill(ctx, t, services, signal, o.dryRun)
			})
		},
	}
	cmd.Flags().StringVarP(&signal, "signal", "s", "SIGKILL", "SIGNAL to send to the container")
	o.flags(cmd.Flags())
	return cmd
}

func newPauseCommand(env *command.Environment) *cobra.Command {
	return pauseCommand(env, "pause", "Pause the running containers of a loom", "paused", false)
}

func newUnpauseCommand(env *command.Environment) *cobra.Command {
	return pauseCommand(env, "unpause", "Let the paused containers of a loom go on", "unpaused", true)
}

func pauseCommand(env *command.Environment, name, short, done string, resume bool) *cobra.Command {
	var o changeOptions
	cmd := &cobra.Command{
		Use:     name + " [OPTIONS] [ID] [SERVICE...]",
		Short:   short,
		Long:    short + ", or of some of its services.\n\n" + idOrService,
		Example: "  docker loom " + name + " 123\n  docker loom " + name + " 123 db",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return act(cmd.Context(), env, o, args, done, func(ctx context.Context, l *loom.Looms, t *loom.Target, services []string) (*loom.Acted, error) {
				return l.Pause(ctx, t, services, resume, o.dryRun)
			})
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

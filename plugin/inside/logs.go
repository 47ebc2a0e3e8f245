package inside

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
)

func newLogsCommand(env *command.Environment) *cobra.Command {
	var o stack.LogOptions
	cmd := &cobra.Command{
		Use:   "logs [OPTIONS] [ID] [SERVICE...]",
		Short: "View the output of a loom's containers",
		Long: `View the output of a loom's containers, all of them or those of some services. Without services those that the
compose files give attach: false are left out.

` + idOrService,
		Example: "  docker loom logs 123\n  docker loom logs 123 web -f --tail 50\n  docker loom logs web --since 10m",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return runLogs(cmd.Context(), env, o, args) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.Follow, "follow", "f", false, "Follow log output")
	flags.IntVar(&o.Index, "index", 0, "Index of the container if service has multiple replicas")
	flags.BoolVarP(&o.Timestamps, "timestamps", "t", false, "Show timestamps")
	flags.StringVarP(&o.Tail, "tail", "n", "all", "Number of lines to show from the end of the logs for each container")
	flags.StringVar(&o.Since, "since", "",
		"Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)")
	flags.StringVar(&o.Until, "until", "",
		"Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)")
	flags.BoolVar(&o.NoColor, "no-color", false, "Produce monochrome output")
	flags.BoolVar(&o.NoPrefix, "no-log-prefix", false, "Don't print prefix in logs")
	return cmd
}

func runLogs(ctx context.Context, env *command.Environment, o stack.LogOptions, args []string) error {
	l, t, services, err := env.Named(ctx, args)
	if err != nil {
		return err
	}
	if o.Index > 0 && len(services) != 1 {
		return command.Usagef(nil, "--index needs one service")
	}
	o.Services = services
	o.Stdout, o.Stderr = env.Docker.Out(), env.Docker.Err()
	o.NoColor = o.NoColor || os.Getenv("NO_COLOR") != "" || !env.Docker.Out().IsTerminal()
	return command.Containers(l).Logs(ctx, t, o)
}

package inside

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type statsOptions struct {
	allRepositories, noStream bool
	format                    string
}

func newStatsCommand(env *command.Environment) *cobra.Command {
	var o statsOptions
	cmd := &cobra.Command{
		Use:   "stats [OPTIONS] [ID] [SERVICE...]",
		Short: "Show the CPU, memory, network and disk use of looms",
		Long: `Show the CPU, memory, network and disk use of the running containers of all looms of this repository, of one
loom, or of some of its services. On a terminal the table is renewed every second until Ctrl-C; elsewhere, with
--no-stream and with --format json it is shown once.

The first argument is a loom if there is a loom of that name, otherwise a service of this folder's loom.`,
		Example: `  docker loom stats
  docker loom stats 123 --no-stream
  docker loom stats --all-repositories --format 'table {{.Name}}\t{{.Service}}\t{{.CPUPerc}}'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.allRepositories && len(args) > 0 {
				return command.Usagef(cmd, "--all-repositories takes neither ids nor services")
			}
			return runStats(cmd.Context(), env, o, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.allRepositories, "all-repositories", false, "All looms of all repositories")
	flags.BoolVar(&o.noStream, "no-stream", false, "Disable streaming stats and only pull the first result")
	output.AddFormat(flags, &o.format)
	return cmd
}

func runStats(ctx context.Context, env *command.Environment, o statsOptions, args []string) error {
	l, scope, err := statsScope(ctx, env, o, args)
	if err != nil {
		return err
	}
	// The share of CPU is known at the second reading.
	meter := l.Engine.Meter()
	if _, err := inventory.ReadUsage(ctx, l, meter, scope); err != nil {
		return err
	}
	once := o.noStream || !env.Docker.Out().IsTerminal() || o.format == formatter.JSONFormatKey
	wait := 500 * time.Millisecond
	screen := output.NewScreen(env.Docker.Out())
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		list, err := inventory.ReadUsage(ctx, l, meter, scope)
		if err != nil {
			return err
		}
		if once {
			return tellUsage(env, o.format, scope, list)
		}
		var b bytes.Buffer
		if err := usageTable(&b, o.format, scope, list, screen.Width()); err != nil {
			return err
		}
		screen.Show(b.String())
		wait = time.Second
	}
}

// statsScope finds out which containers are meant: without arguments those of the whole repository.
func statsScope(
	ctx context.Context, env *command.Environment, o statsOptions, args []string,
) (*loom.Looms, inventory.Scope, error) {
	if len(args) > 0 {
		l, t, services, err := env.NamedWhole(ctx, args)
		if err == nil && len(services) > 0 {
			t = t.Of(t.Known)
			t.Part = true
		}
		return l, inventory.Scope{Target: t, Services: services}, err
	}
	l, where, err := env.Begin(nil)
	if err != nil || o.allRepositories {
		return l, inventory.Scope{}, err
	}
	repository, err := l.Finder().RepositoryPath(ctx, where.Source)
	return l, inventory.Scope{Repository: repository}, err
}

func tellUsage(env *command.Environment, format string, scope inventory.Scope, list []inventory.Usage) error {
	if format == formatter.JSONFormatKey {
		return output.Write(env.Docker.Out(), format, list, nil)
	}
	if len(list) == 0 {
		switch {
		case scope.Target != nil:
			fmt.Fprintf(env.Docker.Err(), "nothing of loom %s runs\n", scope.Target.ID)
		case scope.Repository != "":
			fmt.Fprintln(env.Docker.Err(), "no loom of this repository runs; --all-repositories shows those of others")
		default:
			fmt.Fprintln(env.Docker.Err(), "no loom runs")
		}
	}
	return usageTable(env.Docker.Out(), format, scope, list, 0)
}

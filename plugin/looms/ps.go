package looms

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newPsCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "ps [OPTIONS] [ID]",
		Short: "Show the services of a loom: state, health, published ports",
		Long: `Show the services of a loom: state, health, published ports. If the loom has several projects, it is the
services of all of them, unless --project names one.`,
		Example: "  docker loom ps 123\n  docker loom ps 123 --project apps/web\n  docker loom ps 123 --format json",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runPs(cmd.Context(), env, format, args) },
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

func runPs(ctx context.Context, env *command.Environment, format string, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	result, err := inventory.Ps(ctx, l, where)
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), format, result, func(w io.Writer) { output.ResultTable(w, result) })
}

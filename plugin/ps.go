package plugin

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

func newPsCommand(env *environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "ps [OPTIONS] [ID]",
		Short:   "Show the services of a loom: state, health, published ports",
		Example: "  docker loom ps 123\n  docker loom ps 123 --format json",
		Args:    maxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runPs(cmd.Context(), env, format, args) },
	}
	addFormat(cmd.Flags(), &format)
	return cmd
}

func runPs(ctx context.Context, env *environment, format string, args []string) error {
	l, where, err := env.begin(args)
	if err != nil {
		return err
	}
	result, err := l.Ps(ctx, where)
	if err != nil {
		return err
	}
	return write(env.docker.Out(), format, result, func(w io.Writer) { resultTable(w, result) })
}

package looms

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type prepareOptions struct {
	create    createOptions
	filesOnly bool
}

func newPrepareCommand(env *command.Environment) *cobra.Command {
	var o prepareOptions
	cmd := &cobra.Command{
		Use:     "prepare [OPTIONS] [ID]",
		Aliases: []string{"create"},
		Short:   "Lease ports, write files, build and create the containers of a loom without starting them",
		Long: `Lease ports, write files, build and create the containers of a loom without starting them. An editor, or plain
docker compose up, then starts exactly those.`,
		Example: "  docker loom prepare 123\n  docker compose up -d",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.create.check(cmd); err != nil {
				return err
			}
			tree, err := o.create.tree.request(cmd, args)
			if err != nil {
				return err
			}
			return runPrepare(cmd.Context(), env, o, tree, args)
		},
	}
	o.create.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.filesOnly, "files-only", false, "Lease ports and write files, and stop there")
	return cmd
}

func runPrepare(
	ctx context.Context, env *command.Environment, o prepareOptions, tree tree.Options, args []string,
) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	req := o.create.request(where)
	req.CreateOnly, req.FilesOnly, req.Tree = true, o.filesOnly, tree
	plans, result, err := l.UpTogether(ctx, req)
	if err != nil {
		return err
	}
	if o.create.dryRun {
		return tellPlans(env, plans, o.create.format, planSteps)
	}
	output.Findings(env.Docker.Err(), env, result.Loom, result.Findings, false)
	return output.Write(env.Docker.Out(), o.create.format, result, func(w io.Writer) {
		if o.filesOnly {
			for _, plan := range plans {
				for _, f := range plan.Files {
					fmt.Fprintln(w, f.Path)
				}
			}
			return
		}
		output.ResultTable(w, result)
	})
}

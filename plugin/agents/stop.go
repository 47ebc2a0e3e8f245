package agents

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type stopOptions struct {
	agent  string
	all    bool
	format string
}

func newStopCommand(env *command.Environment) *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use:     "stop [OPTIONS] [ID]",
		Short:   "Stop a loom's sandbox",
		Long:    "Stop a loom's sandbox and what runs in it. Its home stays; docker loom agent run starts it again.",
		Example: "  docker loom agent stop 123\n  docker loom agent stop 123 --agent reviewer",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runStop(cmd.Context(), env, o, args) },
	}
	agentFlag(cmd.Flags(), &o.agent)
	cmd.Flags().BoolVar(&o.all, "all", false, "Stop all sandboxes of the loom")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runStop(ctx context.Context, env *command.Environment, o stopOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	agents := agent.New(l)
	stop := func() ([]agent.Sandbox, error) { return agents.Stop(ctx, where, o.agent) }
	if o.all {
		stop = func() ([]agent.Sandbox, error) { return agents.StopAll(ctx, where) }
	}
	stopped, err := stop()
	if err != nil {
		return err
	}
	return writeEach(env, o.format, stopped, "stopped")
}

// writeEach says what was done to each sandbox.
func writeEach(env *command.Environment, format string, list []agent.Sandbox, done string) error {
	return output.Write(env.Docker.Out(), format, list, func(w io.Writer) {
		for _, s := range list {
			fmt.Fprintf(w, "%s of loom %s %s\n", s.Agent, s.Loom, done)
		}
	})
}

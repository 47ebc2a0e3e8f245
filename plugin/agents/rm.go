package agents

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type rmOptions struct {
	agent               string
	all, force, volumes bool
	format              string
}

func newRmCommand(env *command.Environment) *cobra.Command {
	var o rmOptions
	cmd := &cobra.Command{
		Use:     "rm [OPTIONS] [ID]",
		Aliases: []string{"remove"},
		Short:   "Remove a loom's sandbox",
		Long: `Remove a loom's sandbox and its proxy. The sandbox's home stays, with what the agent remembers, unless
--volumes is given. docker loom agent run creates the sandbox again.`,
		Example: "  docker loom agent rm 123\n  docker loom agent rm 123 --force --volumes",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runRm(cmd.Context(), env, o, args) },
	}
	flags := cmd.Flags()
	agentFlag(flags, &o.agent)
	flags.BoolVar(&o.all, "all", false, "Remove all sandboxes of the loom")
	flags.BoolVarP(&o.force, "force", "f", false, "Remove a sandbox that is running")
	flags.BoolVarP(&o.volumes, "volumes", "v", false, "Remove the sandbox's home too")
	output.AddFormat(flags, &o.format)
	return cmd
}

func runRm(ctx context.Context, env *command.Environment, o rmOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	removed, err := agent.New(l).Remove(ctx, agent.RemoveRequest{
		Where: where, Agent: o.agent, All: o.all, Force: o.force, Volumes: o.volumes,
	})
	if err != nil {
		return err
	}
	return writeEach(env, o.format, removed, "removed")
}

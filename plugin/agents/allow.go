package agents

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type allowOptions struct {
	agent  string
	save   bool
	format string
}

func newAllowCommand(env *command.Environment) *cobra.Command {
	var o allowOptions
	cmd := &cobra.Command{
		Use:   "allow [OPTIONS] [ID] HOST...",
		Short: "Let a running sandbox reach more hosts",
		Long: `Let a loom's sandbox reach more hosts, and the loom's services too if they reach hosts through a proxy. It
holds at once and until the sandbox is recreated; with --save it holds for all looms, in your own settings. A HOST is a
name, *.name for all names below it, or an address, with a port or for 80 and 443.

The first of several arguments is a loom if there is a loom of that name. Without an ID it is the loom of this folder.`,
		Example: `  docker loom agent allow example.com
  docker loom agent allow 123 '*.example.com:8443'
  docker loom agent allow example.com --save`,
		Args: command.MinArgs(1, "a HOST"),
		RunE: func(cmd *cobra.Command, args []string) error { return runAllow(cmd.Context(), env, o, args) },
	}
	agentFlag(cmd.Flags(), &o.agent)
	cmd.Flags().BoolVar(&o.save, "save", false, "Write them into your settings too")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runAllow(ctx context.Context, env *command.Environment, o allowOptions, args []string) error {
	l, where, err := env.Begin(nil)
	if err != nil {
		return err
	}
	where.WholeLoom = true
	if len(args) > 1 {
		where.ID = args[0]
		_, err := l.Finder().Resolve(ctx, where, loom.Reading)
		switch {
		case errors.As(err, new(*loom.UnknownError)), errors.As(err, new(*loom.IDError)):
			where.ID = ""
		case err != nil:
			return err
		default:
			args = args[1:]
		}
	}
	a, err := agent.New(l).Allow(ctx, agent.AllowRequest{Where: where, Agent: o.agent, Hosts: args, Save: o.save})
	if err != nil {
		return err
	}
	return output.Write(env.Docker.Out(), o.format, a, func(w io.Writer) { writeAllowed(w, a) })
}

func writeAllowed(w io.Writer, a *agent.Allowed) {
	switch {
	case a.Written:
		fmt.Fprintln(w, a.Settings+": written")
	case a.Settings != "":
		fmt.Fprintln(w, a.Settings+": nothing to change")
	}
	if a.Sandbox {
		fmt.Fprintln(w, "the sandbox of loom "+a.Loom+" reaches them")
	}
	if a.Services {
		fmt.Fprintln(w, "the services of loom "+a.Loom+" reach them")
	}
}

package agents

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type agentAllowOptions struct {
	agentWhere
	save   bool
	format string
}

func tellAllowed(w io.Writer, a *loom.Allowed) {
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

func newAgentAllowCommand(env *command.Environment) *cobra.Command {
	var o agentAllowOptions
	cmd := &cobra.Command{
		Use:   "allow [OPTIONS] HOST...",
		Short: "Let a sandbox that runs reach more hosts",
		Long: `Let the sandbox of this folder's loom reach more hosts, and its services too where they leave through a proxy, at once
and until the sandbox is made anew; with --save for all looms, in your own settings. A HOST is a name, *.name for all names below it, or an
address, with a port or for 80 and 443.`,
		Example: "  docker loom agent allow example.com\n  docker loom agent allow '*.example.com:8443' --loom 123\n  docker loom agent allow example.com --save",
		Args:    command.MinArgs(1, "a HOST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, where, err := o.begin(env, cmd, nil)
			if err != nil {
				return err
			}
			a, err := l.AllowHosts(cmd.Context(), loom.AllowRequest{Where: where, Agent: o.agent, Hosts: args, Save: o.save})
			if err != nil {
				return err
			}
			return output.Write(env.Docker.Out(), o.format, a, func(w io.Writer) { tellAllowed(w, a) })
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.save, "save", false, "Write them into your settings too")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

package agents

import (
	"fmt"
	"io"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newAgentListCommand(env *command.Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List the sandboxes of all looms",
		Example: "  docker loom agent ls\n  docker loom agent ls --format json",
		Args:    command.MaxArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := env.Looms()
			if err != nil {
				return err
			}
			list, err := l.Agents(cmd.Context())
			if err != nil {
				return err
			}
			return agentContext(env.Docker.Out(), format, list)
		},
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

// agentContext prints sandboxes as docker's own lists are printed.
func agentContext(w io.Writer, format string, list []loom.Sandbox) error {
	switch format {
	case "", formatter.TableFormatKey:
		rows := [][]string{{"LOOM", "AGENT", "STATE", "IMAGE", "EGRESS", "SINCE"}}
		for _, s := range list {
			since := ""
			if s.Since != nil {
				since = units.HumanDuration(time.Since(*s.Since)) + " ago"
			}
			rows = append(rows, []string{s.Name(), s.Agent, s.State, s.Image, s.Egress, since})
		}
		output.Columns(w, rows)
		return nil
	}
	return output.Write(w, format, list, nil)
}

func newAgentStopCommand(env *command.Environment) *cobra.Command {
	var at agentWhere
	var all bool
	var format string
	cmd := &cobra.Command{
		Use:     "stop [OPTIONS] [ID]",
		Short:   "Stop a loom's sandbox",
		Long:    "Stop a loom's sandbox and what runs in it. Its home stays; docker loom agent starts it again.",
		Example: "  docker loom agent stop 123\n  docker loom agent stop 123 --as reviewer",
		Args:    command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, where, err := at.begin(env, cmd, args)
			if err != nil {
				return err
			}
			stopped, err := l.StopAgent(cmd.Context(), where, at.agent, all)
			if err != nil {
				return err
			}
			return output.Write(env.Docker.Out(), format, stopped, func(w io.Writer) {
				for _, s := range stopped {
					fmt.Fprintf(w, "%s of loom %s stopped\n", s.Agent, s.Loom)
				}
			})
		},
	}
	at.flags(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "Stop all sandboxes of the loom")
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

package agents

import (
	"io"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

func newListCommand(env *command.Environment) *cobra.Command {
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
			list, err := agent.New(l).List(cmd.Context())
			if err != nil {
				return err
			}
			return writeList(env.Docker.Out(), format, list)
		},
	}
	output.AddFormat(cmd.Flags(), &format)
	return cmd
}

// writeList prints sandboxes as docker prints its own lists.
func writeList(w io.Writer, format string, list []agent.Sandbox) error {
	if format != "" && format != formatter.TableFormatKey {
		return output.Write(w, format, list, nil)
	}
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

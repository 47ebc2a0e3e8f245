package agents

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type agentLogOptions struct {
	agentWhere
	follow, denied bool
	tail           string
	format         string
}

func newAgentLogCommand(env *command.Environment) *cobra.Command {
	var o agentLogOptions
	cmd := &cobra.Command{
		Use:     "log [OPTIONS] [ID]",
		Aliases: []string{"logs"},
		Short:   "Show what a sandbox's proxy decided",
		Long: `Show what the agent asked the proxy for, and what became of it: host and port, no paths, no headers, no bodies. Each
start of a sandbox begins with requests of docker loom's own, which must be denied: not-listed.docker-loom.invalid,
169.254.169.254 and 127.0.0.1. What the loom's services asked for is in docker loom logs ID loom-egress.`,
		Example: "  docker loom agent log 123\n  docker loom agent log 123 -f --denied",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runAgentLog(cmd, env, &o, args) },
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "Follow the log")
	cmd.Flags().BoolVar(&o.denied, "denied", false, "Show only what was not let through")
	cmd.Flags().StringVarP(&o.tail, "tail", "n", "all", "Number of lines to show from the end of the log")
	output.AddFormat(cmd.Flags(), &o.format)
	return cmd
}

func runAgentLog(cmd *cobra.Command, env *command.Environment, o *agentLogOptions, args []string) error {
	l, where, err := o.begin(env, cmd, args)
	if err != nil {
		return err
	}
	req := loom.AgentLogRequest{Where: where, Agent: o.agent, Follow: o.follow, Denied: o.denied, Tail: o.tail}
	out := env.Docker.Out()
	switch {
	case o.format == "" || o.format == formatter.TableFormatKey:
		row := func(cells ...string) {
			fmt.Fprintf(out, "%-20s  %-8s  %-44s  %s\n", cells[0], cells[1], cells[2], cells[3])
		}
		first := true
		return l.AgentLog(cmd.Context(), req, func(d loom.EgressDecision) error {
			if first {
				row("TIME", "VERDICT", "HOST", "REASON")
				first = false
			}
			row(d.Time.Local().Format(time.DateTime), string(d.Verdict), fmt.Sprintf("%s:%d", d.Host, d.Port), d.Reason)
			return nil
		})
	case o.format == formatter.JSONFormatKey && !o.follow:
		list := []loom.EgressDecision{}
		err := l.AgentLog(cmd.Context(), req, func(d loom.EgressDecision) error { list = append(list, d); return nil })
		if err != nil {
			return err
		}
		return output.Write(out, o.format, list, nil)
	case o.format == formatter.JSONFormatKey:
		return l.AgentLog(cmd.Context(), req, func(d loom.EgressDecision) error { return jsonLine(out, d) })
	}
	return l.AgentLog(cmd.Context(), req, func(d loom.EgressDecision) error { return output.Write(out, o.format, d, nil) })
}

// jsonLine writes a document on one line.
func jsonLine(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

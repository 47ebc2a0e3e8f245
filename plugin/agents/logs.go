package agents

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

type logsOptions struct {
	agent                  string
	follow, egress, denied bool
	timestamps             bool
	tail                   string
	format                 string
}

func newLogsCommand(env *command.Environment) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:     "logs [OPTIONS] [ID]",
		Aliases: []string{"log"},
		Short:   "Show what an agent printed in the background, or what it reached",
		Long: `Show what the commands print that docker loom agent run -d started.

With --egress it shows what the agent asked the proxy for, and what the proxy decided: host and port, no paths, no
headers, no bodies; with --denied only what was refused. Each start of a sandbox begins with requests of docker loom's
own, which must be denied: not-listed.docker-loom.invalid, 169.254.169.254 and 127.0.0.1. What the loom's services
asked for is in docker loom logs ID loom-egress.`,
		Example: `  docker loom agent logs 123 -f
  docker loom agent logs 123 --denied
  docker loom agent logs 123 --egress --format json`,
		Args: command.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.format != "" && !o.egress && !o.denied {
				return command.Usagef(cmd, "--format needs --egress")
			}
			if o.egress || o.denied {
				return runDecisions(cmd.Context(), env, &o, args)
			}
			return runLogs(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	agentFlag(flags, &o.agent)
	flags.BoolVarP(&o.follow, "follow", "f", false, "Follow log output")
	flags.BoolVarP(&o.timestamps, "timestamps", "t", false, "Show timestamps")
	flags.StringVarP(&o.tail, "tail", "n", "all", "Number of lines to show from the end of the log")
	flags.BoolVar(&o.egress, "egress", false, "Show what the sandbox's proxy decided")
	flags.BoolVar(&o.denied, "denied", false, "Show only what the proxy refused")
	output.AddFormat(flags, &o.format)
	return cmd
}

func runLogs(ctx context.Context, env *command.Environment, o *logsOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	t, service, err := agent.New(l).Output(ctx, where, o.agent)
	if err != nil {
		return err
	}
	return command.Containers(l).Logs(ctx, t, stack.LogOptions{
		Services: []string{service},
		Follow:   o.follow, Timestamps: o.timestamps, Tail: o.tail, NoColor: true, NoPrefix: true,
		Stdout: env.Docker.Out(), Stderr: env.Docker.Err(),
	})
}

func newAttachCommand(env *command.Environment) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "attach [OPTIONS] [ID]",
		Short: "Watch what an agent prints in the background",
		Long: `Watch what the commands print that docker loom agent run -d started: the last lines, then each new one. Ctrl-C
ends the watching; the commands continue. They read no input.`,
		Example: "  docker loom agent attach 123\n  docker loom agent attach 123 --agent reviewer",
		Args:    command.MaxArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runAttach(cmd.Context(), env, name, args) },
	}
	agentFlag(cmd.Flags(), &name)
	return cmd
}

func runAttach(ctx context.Context, env *command.Environment, name string, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	t, service, err := agent.New(l).RunningOutput(ctx, where, name)
	if err != nil {
		return err
	}
	return command.Containers(l).Logs(ctx, t, stack.LogOptions{
		Services: []string{service}, Follow: true,
		Tail: "10", NoColor: true, NoPrefix: true, Stdout: env.Docker.Out(), Stderr: env.Docker.Err(),
	})
}

func runDecisions(ctx context.Context, env *command.Environment, o *logsOptions, args []string) error {
	l, where, err := env.Begin(args)
	if err != nil {
		return err
	}
	req := agent.LogRequest{Where: where, Agent: o.agent, Follow: o.follow, Denied: o.denied, Tail: o.tail}
	out := env.Docker.Out()
	switch {
	case o.format == "" || o.format == formatter.TableFormatKey:
		return agent.New(l).Log(ctx, req, decisionRows(out))
	case o.format == formatter.JSONFormatKey && !o.follow:
		list := []agent.Decision{}
		err := agent.New(l).Log(ctx, req, func(d agent.Decision) error { list = append(list, d); return nil })
		if err != nil {
			return err
		}
		return output.Write(out, o.format, list, nil)
	case o.format == formatter.JSONFormatKey:
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		return agent.New(l).Log(ctx, req, func(d agent.Decision) error { return lines.Encode(d) })
	}
	return agent.New(l).Log(ctx, req, func(d agent.Decision) error { return output.Write(out, o.format, d, nil) })
}

// decisionRows prints a row for each decision, and a header before the first. The widths are fixed: rows come one by
// one.
func decisionRows(w io.Writer) func(agent.Decision) error {
	row := func(cells ...any) { fmt.Fprintf(w, "%-20s  %-8s  %-44s  %s\n", cells...) }
	first := true
	return func(d agent.Decision) error {
		if first {
			row("TIME", "VERDICT", "HOST", "REASON")
			first = false
		}
		row(d.Time.Local().Format(time.DateTime), d.Verdict, fmt.Sprintf("%s:%d", d.Host, d.Port), d.Reason)
		return nil
	}
}

package agents

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// newAgentCommand returns docker loom agent: a group of commands, and by itself the short form of agent run.
func newAgentCommand(env *command.Environment) *cobra.Command {
	cmd := newRunCommand(env)
	cmd.Use = "agent [OPTIONS] [ID] [-- COMMAND [ARG...]]"
	cmd.Short = "Run coding agents in a loom's sandbox"
	cmd.Long = "Run and manage coding agents. docker loom agent [ID] is short for docker loom agent run [ID]. A loom\n" +
		"that is called like one of the commands below needs the long form.\n\n" + cmd.Long
	cmd.Example = strings.ReplaceAll(cmd.Example, "agent run", "agent")
	own := []*cobra.Command{
		newRunCommand(env), newListCommand(env), newLogsCommand(env), newAttachCommand(env),
		newStopCommand(env), newRmCommand(env), newAllowCommand(env),
	}
	if !dashComesFirst(env.Args, own) {
		cmd.AddCommand(own...)
	}
	return cmd
}

// dashComesFirst reports whether the arguments are those of agent -- COMMAND. Cobra would take a word of COMMAND for
// the
// name of a docker loom command, as in agent -- npm stop.
func dashComesFirst(args []string, own []*cobra.Command) bool {
	at, dash := slices.Index(args, "agent"), slices.Index(args, "--")
	if at < 0 || dash < at {
		return false
	}
	return !slices.ContainsFunc(args[at+1:dash], func(word string) bool {
		return slices.ContainsFunc(own, func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) })
	})
}

// agentFlag adds --agent, by which all commands name a sandbox.
func agentFlag(flags *pflag.FlagSet, name *string) {
	flags.StringVar(name, "agent", "", "Name of the agent (default: "+agent.DefaultName+")")
}

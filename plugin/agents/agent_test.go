package agents

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// TestACommandOfTheSandboxIsNotTakenForAgentsOwn: what stands behind -- names no command of docker loom.
func TestACommandOfTheSandboxIsNotTakenForAgentsOwn(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"agent":                     "agent: id=",
		"agent 123":                 "agent: id=123",
		"agent run 123":             "run: id=123",
		"agent -- ls":               "agent: id= ls",
		"agent -- npm stop":         "agent: id= npm stop",
		"agent 123 -- stop":         "agent: id=123 stop",
		"agent --agent x -- a stop": "agent: id= a stop",
		"agent --agent ls -- true":  "agent: id= true",
		"agent run stop -- true":    "run: id=stop true",
		"agent run -- npm stop":     "run: id= npm stop",
		"agent stop":                "stop",
		"agent logs 123":            "logs",
		"agent log 123":             "logs",
	} {
		args := strings.Fields(line)
		root := &cobra.Command{Use: "loom", TraverseChildren: true}
		root.AddCommand(newAgentCommand(&command.Environment{Args: args}))
		cmd, rest, err := root.Traverse(args)
		assert.NilError(t, err, line)
		got := cmd.Name()
		if got == "agent" || got == "run" {
			assert.NilError(t, cmd.ParseFlags(rest), line)
			id, words, err := splitDash(cmd.Flags(), cmd.Flags().Args())
			assert.NilError(t, err, line)
			got = strings.TrimSpace(got + ": id=" + id + " " + strings.Join(words, " "))
		}
		assert.Equal(t, got, want, line)
	}
}

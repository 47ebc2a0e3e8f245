// Package agents has the commands for coding agents: sandboxes and the images that they run in.
package agents

import (
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// Commands returns the commands of this group.
func Commands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{newAgentCommand(env), newImageCommand(env)}
}

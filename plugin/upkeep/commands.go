// Package upkeep has the commands that are used over time: what idles, is held, or can go.
package upkeep

import (
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// Commands returns the commands of this group.
func Commands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{newIdleCommand(env), newHoldCommand(env), newTrustCommand(env), newPruneCommand(env)}
}

// Package looms has the commands on whole looms: make, list, stop, remove them.
package looms

import (
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// Commands returns the commands of this group.
func Commands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{
		newUpCommand(env), newPrepareCommand(env), newDownCommand(env), newListCommand(env), newPsCommand(env),
		newStopCommand(env), newStartCommand(env), newRmCommand(env), newConfigCommand(env),
	}
}

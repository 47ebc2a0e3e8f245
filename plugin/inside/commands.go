// Package inside has the commands that work inside one loom: on its services, containers, images and ports.
package inside

import (
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// Commands returns the commands of this group.
func Commands(env *command.Environment) []*cobra.Command {
	list := []*cobra.Command{
		newExecCommand(env), newShellCommand(env), newCodeCommand(env), newLogsCommand(env), newRunCommand(env),
		newEnvCommand(env), newPortCommand(env), newOpenCommand(env), newTopCommand(env), newStatsCommand(env),
		newCopyCommand(env), newBuildCommand(env), newPullCommand(env), newComposeCommand(env),
	}
	return append(append(list, newChangeCommands(env)...), newComposedCommands(env)...)
}

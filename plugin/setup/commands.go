// Package setup has the commands for a project and a machine: ports, features, diagnosis, versions.
package setup

import (
	"github.com/spf13/cobra"

	"github.com/docker-loom/docker-loom/plugin/command"
)

// Commands returns the commands of this group.
func Commands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{newInitCommand(env), newDoctorCommand(env), newFeaturesCommand(env), newVersionCommand(env)}
}

package compile

import (
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/types"
)

// wrap is the entrypoint of every dev container: it says that it is up, ends at once on SIGTERM, runs the entrypoints
// of the features, then the original command if there is one, and stays.
func wrap(entrypoints, original []string) types.ShellCommand {
	lines := []string{"echo Container started", `trap "exit 0" 15`}
	lines = append(lines, entrypoints...)
	lines = append(lines, `exec "$@"`, "while sleep 1 & wait $!; do :; done")
	return append(types.ShellCommand{"/bin/sh", "-c", strings.Join(lines, "\n"), "-"}, original...)
}

// entrypoint wraps the service's command. Where overrideCommand says nothing, an image's is overridden and a service's
// kept. What the service says of its own is taken before what its image says; a service with an entrypoint of its own
// has no use for the image's CMD, as in Compose.
func (c *compiler) entrypoint() {
	override := c.in.Config.Kind != devcontainer.KindCompose
	if c.Merged.OverrideCommand != nil {
		override = *c.Merged.OverrideCommand
	}
	s := &c.Service
	if override {
		s.Entrypoint, s.Command = wrap(c.Merged.Entrypoints, nil), nil
		return
	}
	original, command := []string(s.Entrypoint), s.Command
	if s.Entrypoint == nil {
		original = c.in.Image.Entrypoint
		if command == nil {
			command = c.in.Image.Cmd
		}
	}
	s.Entrypoint, s.Command = wrap(c.Merged.Entrypoints, original), nil
	if len(command) > 0 {
		s.Command = command
	}
}

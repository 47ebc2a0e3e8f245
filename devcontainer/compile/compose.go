package compile

import (
	"fmt"
	"slices"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// compose extends the service that the devcontainer.json names.
func (c *compiler) compose() error {
	name := c.in.Config.Compose.Service
	s, ok := c.in.Project.AllServices()[name]
	if !ok {
		return fmt.Errorf("service %q is not in the compose files", name)
	}
	c.Service = s
	c.WorkspaceFolder = c.in.Config.ContainerFolder(c.in.Git.Root).Folder
	if len(c.in.Config.Compose.RunServices) > 0 {
		c.RunServices = slices.Clone(c.in.Config.Compose.RunServices)
		if !slices.Contains(c.RunServices, name) {
			c.RunServices = append(c.RunServices, name)
		}
	}
	for _, ignored := range []struct {
		key string
		is  bool
	}{
		{"runArgs", len(c.in.Config.RunArgs) > 0},
		{"appPort", len(c.in.Config.AppPort) > 0},
		{"workspaceMount", c.in.Config.WorkspaceMount != nil},
	} {
		if ignored.is {
			c.find(finding.Warning, ignored.key+" has no effect together with dockerComposeFile", "say it in the compose file")
		}
	}
	if err := c.common(); err != nil {
		return err
	}
	c.entrypoint()
	return nil
}

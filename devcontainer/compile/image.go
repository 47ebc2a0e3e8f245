package compile

import (
	"fmt"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// image makes a service of an image or Dockerfile dev container. Later arguments win, as in docker run: first what the
// properties say, then runArgs, then what the specification has the last word on.
func (c *compiler) image() error {
	c.Service = types.ServiceConfig{Name: devcontainer.Service}
	if c.in.Config.Kind == devcontainer.KindDockerfile {
		if err := c.build(); err != nil {
			return err
		}
	} else {
		c.Service.Image = c.in.Config.Image
	}
	if err := c.workspace(); err != nil {
		return err
	}
	if err := c.common(); err != nil {
		return err
	}
	if err := c.runArgs(); err != nil {
		return err
	}
	c.entrypoint()
	return nil
}

// workspace mounts the work tree.
func (c *compiler) workspace() error {
	w := c.in.Config.ContainerFolder(c.in.Git.Root)
	c.WorkspaceFolder = w.Folder
	if w.Mount == nil || *w.Mount == "" {
		return nil
	}
	v, err := c.parseMount(*w.Mount)
	if err != nil {
		return fmt.Errorf("workspaceMount: %w", err)
	}
	if c.in.Config.WorkspaceMount != nil && c.in.Config.WorkspaceFolder == "" {
		c.find(finding.Warning, "workspaceMount without workspaceFolder: "+c.WorkspaceFolder+
			" is opened, which may not be there", "name the folder in workspaceFolder")
	}
	c.add(v)
	return nil
}

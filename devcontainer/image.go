package devcontainer

import (
	"path"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/finding"
)

// image makes a service of an image or Dockerfile dev container. Later arguments win, as in docker run: first what the
// properties say, then runArgs, then what the specification has the last word on.
func (c *compiler) image() error {
	c.Service = types.ServiceConfig{Name: Service}
	if c.in.Config.Kind == KindDockerfile {
		c.build()
	} else {
		c.Service.Image = c.in.Config.Image
	}
	if err := c.workspace(); err != nil {
		return err
	}
	if err := c.common(); err != nil {
		return err
	}
	c.entrypoint()
	return nil
}

// build is the build of a Dockerfile dev container.
func (c *compiler) build() {
	b, dir := c.in.Config.Build, filepath.Dir(c.in.Config.Path)
	file := absolute(dir, b.Dockerfile)
	build := &types.BuildConfig{
		Context: filepath.Dir(file), Dockerfile: file, Target: b.Target, CacheFrom: b.CacheFrom,
	}
	if b.Context != "" {
		build.Context = absolute(dir, b.Context)
	}
	if rel, err := filepath.Rel(build.Context, file); err == nil && filepath.IsLocal(rel) {
		build.Dockerfile = filepath.ToSlash(rel)
	}
	for name, value := range b.Args {
		if build.Args == nil {
			build.Args = types.MappingWithEquals{}
		}
		build.Args[name] = &value
	}
	c.Service.Build = build
}

func absolute(dir, file string) string {
	file = filepath.FromSlash(file)
	if filepath.IsAbs(file) {
		return filepath.Clean(file)
	}
	return filepath.Join(dir, file)
}

// workspace mounts the work tree.
func (c *compiler) workspace() error {
	folder := "/workspaces/" + filepath.Base(c.in.Git.Root)
	c.WorkspaceFolder = c.in.Config.WorkspaceFolder
	if c.WorkspaceFolder == "" {
		c.WorkspaceFolder = folder
		if rel, err := filepath.Rel(c.in.Git.Root, c.in.Config.Workspace); err == nil && filepath.IsLocal(rel) {
			c.WorkspaceFolder = path.Join(folder, filepath.ToSlash(rel))
		}
	}
	if c.in.Config.WorkspaceMount == nil {
		c.add(types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: c.in.Git.Root, Target: folder})
		return nil
	}
	if *c.in.Config.WorkspaceMount == "" {
		return nil
	}
	v, err := c.parseMount(*c.in.Config.WorkspaceMount)
	if err != nil {
		return err
	}
	if v.Type == types.VolumeTypeBind && c.in.Config.WorkspaceFolder == "" {
		c.find(finding.Warning, "workspaceMount without workspaceFolder: "+c.WorkspaceFolder+" is opened, which may not be there", "name the folder in workspaceFolder")
	}
	c.add(v)
	return nil
}

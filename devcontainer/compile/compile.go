// Package compile makes a dev container a service of a Compose project: the second half of what the reference CLI does
// with a devcontainer.json that was read and merged (containers.dev, "Dev Container metadata reference" and
// "Lifecycle"). It does not ask the engine, and reads only the files that runArgs names (--env-file, --label-file).
package compile

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
)

// Input is all that Compile has to know. It asks nobody.
type Input struct {
	// Config is the devcontainer.json with its variables replaced, but those of the container.
	Config *devcontainer.Config
	// Merged is Config together with the metadata of image and features, with the same variables replaced.
	Merged *devcontainer.Merged
	// Label is the value of the metadata label: all entries, no variable replaced. "" is an empty list.
	Label string
	// Image is what the dev container's own image tells, without any step on top of it.
	Image devcontainer.ImageInfo
	// Installed is the image that has the features on top of the dev container's own, with what Image tells; "" without
	// features.
	Installed string
	// BaseTag is the tag under which the image is built if a step (UID update) goes on top of a build.
	BaseTag string
	// Project is the Compose project that the dev container is in: of KindCompose the user's as loaded; of the other kinds
	// one that it joins, or none. It is not changed.
	Project *types.Project
	// BaseName is the name of that project without a loom, as runArgs knows its networks (shop_default).
	BaseName string
	// Platform is the image's in place of the one that the files say; "" changes nothing.
	Platform string
	// Git is the git work tree that the workspace is in. Without git it has only Root, the workspace.
	Git mounts.Repository
	// Host is the machine of the engine.
	Host Host
	// MayRead is asked before a file that runArgs name is read, by its path; nil for any file.
	MayRead func(path string) error
}

// Host is what the machine of the engine has; zero values are not known. UID and GID are those of the user.
type Host struct {
	UID, GID        int
	OS              string
	CPUs            int
	Memory, Storage int64
	// GPU says that the engine can give containers a GPU.
	GPU bool
}

// Compiled is what Compose has to be told so that the dev container comes out as the specification wants it.
type Compiled struct {
	// Service is the whole dev container. Of KindCompose it is the user's service with what is added to it.
	Service types.ServiceConfig
	// Others are services of the project that forwardPorts publishes ports of, whole.
	Others types.Services
	// Volumes are those to be added to the project. Their names are as the reference CLI has them: as written for an image
	// or Dockerfile, after the project for Compose.
	Volumes types.Volumes
	// MustExist are the sources of binds that are said as docker run --mount says them: the engine refuses a missing
	// source, where Compose would make an empty folder of root's on the host.
	MustExist []string
	// Networks are those that runArgs names; they are not of the project, and so external.
	Networks types.Networks
	// Base makes the image that docker loom's own step builds on, under its own tag or Input.BaseTag; nil if there is no
	// such step. It has to be pulled or built before Service is.
	Base *types.ServiceConfig
	// UID is the step that gives the remote user the host user's ids; Service.Build has it if it is needed.
	UID UIDStep
	// Merged is Input's.
	Merged *devcontainer.Merged
	// Label is the metadata label as the container has it.
	Label string
	// ContainerUser is who the container runs as, RemoteUser who hooks, shells and editors run as.
	ContainerUser, RemoteUser string
	// WorkspaceFolder is the folder in the container that is opened.
	WorkspaceFolder string
	// RunServices are the services to start; empty is all.
	RunServices []string
	// Forwards are the forwarded ports that are published now, those of appPort too.
	Forwards []Forward
}

// Forward is a port that the devcontainer.json asks for.
type Forward struct {
	// Service is the one whose entry of ports publishes it: the owner of the network.
	Service string
	// Port is the port in the container, Host the name in forwardPorts ("" for the dev container's own).
	Port int
	Host string
}

// compiler collects what comes of an Input.
type compiler struct {
	in Input
	Compiled
	findings []finding.Finding
}

// Compile plans the dev container. The findings name what Compose cannot express, and what the machine has less of than
// hostRequirements want. Compile changes nothing of its input.
func Compile(in Input) (*Compiled, []finding.Finding, error) {
	c := &compiler{in: in}
	c.Compiled = Compiled{
		Merged: in.Merged, Label: cmp.Or(in.Label, "[]"),
		Volumes: types.Volumes{}, Networks: types.Networks{}, Others: types.Services{},
	}
	var err error
	if in.Config.Kind == devcontainer.KindCompose {
		err = c.compose()
	} else {
		err = c.image()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", in.Config.Path, err)
	}
	c.Service.Platform = cmp.Or(in.Platform, c.Service.Platform)
	c.ContainerUser = cmp.Or(c.Service.User, in.Image.User, "root")
	c.RemoteUser = cmp.Or(in.Merged.RemoteUser, c.ContainerUser)
	if in.Installed != "" {
		// It exists only here: nobody is to pull it, or to build what is in it already.
		c.Service.Image, c.Service.Build, c.Service.PullPolicy = in.Installed, nil, types.PullPolicyNever
	}
	c.git()
	c.ports()
	c.gpu()
	c.requirements()
	c.uid()
	return &c.Compiled, c.findings, nil
}

func (c *compiler) find(level finding.Level, message, remedy string) {
	c.findings = append(c.findings, finding.Finding{
		Level: level, Subject: "file " + c.file(), Message: message, Remedy: remedy,
	})
}

// file is the devcontainer.json as the user knows it.
func (c *compiler) file() string {
	if rel, err := filepath.Rel(c.in.Config.Workspace, c.in.Config.Path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return c.in.Config.Path
}

// union appends what is new to it.
func union(all, more []string) []string {
	for _, v := range more {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// common puts on the service what both kinds have alike.
func (c *compiler) common() error {
	s, m := &c.Service, c.Merged
	if m.Init {
		s.Init = &m.Init
	}
	s.Privileged = s.Privileged || m.Privileged
	s.CapAdd = union(slices.Clone(s.CapAdd), m.CapAdd)
	s.SecurityOpt = union(slices.Clone(s.SecurityOpt), m.SecurityOpt)
	s.User = cmp.Or(m.ContainerUser, s.User)
	s.Environment = maps.Clone(s.Environment)
	for name, value := range m.ContainerEnv {
		if s.Environment == nil {
			s.Environment = types.MappingWithEquals{}
		}
		s.Environment[name] = &value
	}
	s.Labels = maps.Clone(s.Labels)
	if s.Labels == nil {
		s.Labels = types.Labels{}
	}
	maps.Copy(s.Labels, c.in.Config.IDLabels())
	s.Labels[devcontainer.LabelMetadata] = c.Label
	for _, mount := range m.Mounts {
		v, err := c.parseMount(mount.String())
		if err != nil {
			return err
		}
		c.add(v)
	}
	return nil
}

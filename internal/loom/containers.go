package loom

import (
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/image"
)

// Images are the images that we build and keep on the engine.
func (l *Looms) Images() *image.Store {
	return &image.Store{Engine: l.Engine, Stack: l.Stack, Cache: l.Cache, Teller: l.Teller, Process: l.Process}
}

// DevContainerOf returns the dev container among a loom's containers, a running one first; nil without.
func DevContainerOf(own []engine.Container) *engine.Container {
	var dev *engine.Container
	for i, c := range own {
		if !isDevContainer(c) || c.OneOff {
			continue
		}
		if c.State == "running" {
			return &own[i]
		}
		if dev == nil {
			dev = &own[i]
		}
	}
	return dev
}

// IsDockerfile reports whether the project is nothing but a Dockerfile.
func (p *Plan) IsDockerfile() bool { return p.base.Dockerfile != "" }

// DevContainerLabels are the labels by which tools find the dev container of the plan's folder, nil without one.
func (p *Plan) DevContainerLabels() map[string]string {
	if p.dev == nil {
		return nil
	}
	return p.dev.read.IDLabels()
}

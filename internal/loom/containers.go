package loom

import (
	"github.com/docker-loom/docker-loom/internal/devbox"
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
		if !devbox.IsDevContainer(c) || c.OneOff {
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

// IsRunning reports whether a container has processes. Those of a paused one are frozen.
func IsRunning(c engine.Container) bool { return c.State == "running" || c.State == "paused" }

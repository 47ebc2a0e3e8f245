package command

import (
	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// Execs runs commands in the containers of the looms.
func Execs(l *loom.Looms) *inside.Execs { return &inside.Execs{Looms: l} }

// Containers does to the containers of the looms what docker compose does.
func Containers(l *loom.Looms) *inside.Containers { return &inside.Containers{Looms: l} }

// Builds builds and pulls the images of the looms.
func Builds(l *loom.Looms) *inside.Builds { return &inside.Builds{Looms: l} }

// Ports finds the published ports of the looms.
func Ports(l *loom.Looms) *inside.Ports { return &inside.Ports{Looms: l} }

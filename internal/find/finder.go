// Package find answers for every command which loom is meant: its repository, its id and its work tree, from what the
// user typed, the folder and the registry.
package find

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Target is the loom that a command acts on.
type Target = survey.Target

// Where says which loom is meant: an id as typed, or none, and the folder and files the command was given.
type Where struct {
	ID     string
	Source stack.Source
	// Project is the folder of the project that is meant, seen from the top of the work tree or by its whole path; "" for
	// that of the folder.
	Project string
	// WholeLoom says that the command is about all projects of the loom: none has to be chosen.
	WholeLoom bool
	// Together says that the command can make the projects that the settings bring up together.
	Together bool
}

// Finder finds looms in one registry and on one engine.
type Finder struct {
	Engine   *engine.Engine
	Registry *registry.Registry
	// UserSettings is the path of the user's own settings file.
	UserSettings string
	Teller       tell.Teller
	Process      host.Process
	// Services lists the services of a loom. A word that is not an id may be one of them.
	Services func(context.Context, *Target) ([]string, error)
	// InUse notes each loom that is found: that it was looked for counts as use.
	InUse *InUse
	// Last is the registry as the process read it last.
	Last *LastRead
}

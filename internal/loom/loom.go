// Package loom is the house's first floor: what a loom is, and the order in which the others do their work. Each
// command reads facts, makes a plan from them, carries the plan out and tells what came of it; how each step is done is
// known below.
package loom

import (
	"sync"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Looms carries out the commands on one engine with one registry.
type Looms struct {
	Stack    *stack.Stack
	Engine   *engine.Engine
	Registry *registry.Registry
	// FeatureStore fetches the features of dev containers.
	FeatureStore *features.Store
	// UserSettings is the path of the user's own settings file.
	UserSettings string
	// Cache is the folder for what can be learnt again; "" for none.
	Cache string
	// Version is that of the plugin; it is put on containers.
	Version string
	// Companions live beside the services of looms.
	Companions []Companion
	// Teller speaks with the user.
	Teller tell.Teller
	// Process is what the command takes from its process.
	Process host.Process

	// permitted are the powers that the user has accepted in this process.
	permitted []string
	// Unnoticed keeps what is done from counting as use of the looms.
	Unnoticed bool

	lastState registryState

	attendance sync.Mutex        // of attending
	attending  map[string]func() // by name of the loom, with its repository
}

// Where says which loom is meant: an id as typed, or none, and the folder and files the command was given.
type Where struct {
	ID     string
	Source stack.Source
}

// Target is the loom that a command acts on.
type Target = survey.Target

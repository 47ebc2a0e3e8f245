// Package loom is the house's first floor: what a loom is, and the order in which the others do their work. Each
// command reads facts, makes a plan from them, carries the plan out and tells what came of it; how each step is done is
// known below.
package loom

import (
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/tree"
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
	Companions Companions
	// Teller speaks with the user.
	Teller tell.Teller
	// Process is what the command takes from its process.
	Process host.Process

	// granted is what the user has accepted in this process.
	granted permit.Given
	// hasNarrowed says that the process has fewer variables than it was started with.
	hasNarrowed bool
	// begun are the projects whose initializeCommand has run.
	begun []string
	// InUse is the looms that this process works on.
	InUse    find.InUse
	lastRead find.LastRead
}

// Finder finds looms.
func (l *Looms) Finder() *find.Finder {
	return &find.Finder{
		Engine: l.Engine, Registry: l.Registry, UserSettings: l.UserSettings, Teller: l.Teller, Process: l.Process,
		Services: l.Services, InUse: &l.InUse, Last: &l.lastRead,
	}
}

// Trees makes and removes the work trees of looms.
func (l *Looms) Trees() *tree.Trees { return &tree.Trees{Finder: l.Finder()} }

// Result is what up and ps tell of a loom.
type Result = report.Result

// Service is one container of a loom.
type Service = report.Service

// Port is one host port of a loom.
type Port = report.Port

// Package plan decides what a command does, from facts and the user's choices alone: it reads nothing, asks nobody and
// changes nothing. A Plan is data and prints itself.
package plan

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// Choices are what the user asks for, and what the program adds of its own.
type Choices struct {
	// Offset pins the offset that is added to base ports, if it is not nil.
	Offset *int
	// Config is the devcontainer.json that the user named, "" for the one that there is.
	Config string
	// Build builds images even if they exist.
	Build bool
	// Services are those that the user names. Profiles that disable them are switched on.
	Services []string
	// SidecarImage is the image of the sidecar of a confined loom, "" to keep the one it has.
	SidecarImage string
	// Version is the plugin's; it is put on containers.
	Version string
	// Compare asks to compare the plan with what runs.
	Compare bool
	// ForceRecreate recreates containers that are as planned; RemoveOrphans removes those of services that are gone.
	ForceRecreate, RemoveOrphans bool
	// Stop says how much of the plan is carried out.
	Stop Stop
	// FromMemory asks for an override that makes the loom as planned, whatever generated files are on the disk.
	FromMemory bool
}

// Plan is what up does, before anything is done.
type Plan struct {
	ID, Repository, WorkTree string
	// RealWorkTree is the work tree's path with its links followed; CommonDir is the repository's git folder likewise, ""
	// without git.
	RealWorkTree, CommonDir string
	// Notes explain how the work tree was chosen, if the user may not expect it.
	Notes []string
	// Entry is what the registry holds or will hold. Leases says that it has to be written.
	Entry  registry.Loom
	Leases bool
	// Project is the isolated project, ready for Compose.
	Project *types.Project
	// Override is the text of the override file, Env are the lines of the block in .env. Memory is the override that
	// needs no file, if it was asked for.
	Override, Memory []byte
	Env              []overrides.Var
	// Programs says where the loom's ports went, for programs on the host.
	Programs endpoint.Moved
	// Edits describe the changes of the project, one line each.
	Edits []string
	// Files are the generated files with their new content. Without files the loom runs from memory.
	Files    []overrides.File
	Excluded []string
	// MountsGit says that containers mount the folder in which git registers work trees.
	MountsGit bool
	// Unchanged are the paths of those that are on the disk as they will be.
	Unchanged []string
	Findings  []finding.Finding
	// Base is the project as the files say it.
	Base Base
	// Dev is the dev container, nil if there is none.
	Dev *DevContainer
	// Access is what the project asks of the host. Obeyed are the work tree's other files that decide what up does, such
	// as Dockerfiles.
	Access, Obeyed []string
	Settings       *settings.Settings
	// Open are the paths out of the loom, or to the host, that confinement leaves open.
	Open []overrides.OpenPath
	// WantedPorts and WantedNetworks are the ports and networks that need leases.
	WantedPorts    []ports.Port
	WantedNetworks []overrides.Network
	// Converged says that everything runs as planned, so that Compose is not called.
	Converged bool
	// Recreated says why the dev container will be recreated, "" if it stays.
	Recreated string
	// Copies are the volumes that begin with data of another loom.
	Copies []VolumeCopy
	// NextImage makes an image that the dev container's own is made from, nil if all are here.
	NextImage *ImageStep
	// Changes are what becomes of each service's containers, Orphans the containers of services that the files no longer
	// have. Both are known if the plan was compared with what runs, as is Converged.
	Changes map[string]stack.Change
	Orphans []string
	// NewLeases are the ports that the loom does not have yet.
	NewLeases []ports.Lease
	// Stop says how much of the plan is carried out.
	Stop Stop
	// Rebuild builds images that are here; RemoveOrphans removes the orphans.
	Rebuild, RemoveOrphans bool
}

// Base is the project as the files say it, the dev container included.
type Base struct {
	Project *types.Project
	// Dir is the project directory and Paths are the compose files. Dockerfile is set if the folder has only that.
	Dir, Dockerfile string
	Paths           []string
	// DotEnv is the .env that docker compose reads first; EnvFiles those of --env-file; Profiles the active ones.
	DotEnv             string
	EnvFiles, Profiles []string
	// Env is the environment for interpolation.
	Env types.Mapping
	// Variables are those of published ports. Uses are the variables that the files use in other places.
	Variables []stack.Variable
	Uses      map[string]bool
	// Moves says for each of Variables if the block in .env sets it to the leased port.
	Moves map[string]bool
}

// variablesOf are those that the block sets to give a port: the first that may, and of the others in its default those
// that the files use elsewhere too.
func (b Base) variablesOf(service string, port types.ServicePortConfig) []string {
	var names []string
	for _, v := range b.Variables {
		if b.Moves[v.Name] && v.Gives(service, port) && (len(names) == 0 || v.Elsewhere) {
			names = append(names, v.Name)
		}
	}
	return names
}

// DevContainer is the dev container as planned.
type DevContainer struct {
	// Service is its service, Path its devcontainer.json. Tools find its container by the IDLabels.
	Service, Path string
	IDLabels      map[string]string
	Compiled      *compile.Compiled
	// Configuration is what the reference CLI's read-configuration prints.
	Configuration *devcontainer.Configuration
	// NameInFiles is the tag that the files give its image, if the loom's image has another tag. LentImage is the ID of
	// the image that may have that tag now, ContainerID that of the dev container's own; "" without one.
	NameInFiles, LentImage, ContainerID string
}

// IsPlain reports whether the loom is main as docker compose up would make it.
func (p *Plan) IsPlain() bool { return p.ID == identity.Main && !p.Entry.Pinned }

// Name is how the loom is called in messages: shop/123.
func (p *Plan) Name() string { return registry.Name(p.Repository, p.ID) }

// DisabledError says that the settings switch looms off for the project.
type DisabledError struct{ Files []string }

// Error names the settings.
func (e *DisabledError) Error() string {
	return "container.enabled is false in the settings (" + strings.Join(e.Files, ", ") + ")"
}

// NextStep says what the user does next.
func (*DisabledError) NextStep() string {
	return "set container.enabled to true to use looms here"
}

// NeedsError says that the plan needs more facts. The caller reads them and calls Make again.
type NeedsError struct{ survey.Needs }

// Error implements error.
func (e *NeedsError) Error() string { return "the plan needs more facts" }

// NextStep says what the user does next.
func (*NeedsError) NextStep() string {
	return "" // no user sees it: the facts are completed
}

// NoServiceError says that a loom has no service of this name.
type NoServiceError struct{ Service, Loom string }

// Error names the service and the loom.
func (e *NoServiceError) Error() string { return "no service " + e.Service + " in loom " + e.Loom }

// NextStep says what the user does next.
func (e *NoServiceError) NextStep() string {
	return "docker loom ps " + e.Loom + " lists the services"
}

// maker makes a plan.
type maker struct {
	*Plan
	facts   *survey.Facts
	choices Choices
	needs   survey.Needs
	// base is the project as the files say it. model is the project that the edits change: a copy of base, or the files
	// compiled again with moved variables.
	base, model *stack.Model
	edits       []overrides.Edit
	devEdits    []overrides.Edit
	compiled    *compile.Compiled
	// devBuild is the build section of the image that the dev container's own is made from, with variables moved; nil if
	// the files of the project have none.
	devBuild *types.BuildConfig
	// shared are the networks and volumes that the loom's projects have in common.
	shared sharing
}

// Make makes the plan. It returns a [*NeedsError] if it needs more facts.
func Make(f *survey.Facts, c Choices) (*Plan, error) {
	entry, err := Identify(f, c)
	if err != nil {
		return nil, err
	}
	t := f.Target
	m := &maker{facts: f, choices: c, Plan: &Plan{
		ID: t.ID, Repository: t.Repository, WorkTree: t.WorkTree, Notes: slices.Clone(t.Notes), Entry: entry,
		Settings: f.Settings, Stop: c.Stop, Rebuild: c.Build, RemoveOrphans: c.RemoveOrphans,
	}}
	m.shared.maker = m
	if m.base, err = copyModel(f.Base); err != nil {
		return nil, err
	}
	m.keepBase()
	m.Entry.Project = m.base.Project.Name
	m.RealWorkTree = m.real(t.WorkTree)
	if common := t.CommonDir(); common != "" {
		m.CommonDir = m.real(common)
	}
	for _, part := range [][]func() error{
		{m.develop, m.checkServices, m.refuseSharedData, m.moveVariables, m.shared.decideAll, m.lease},
		// Without its leases the project is not compiled again.
		{m.isolate, m.findNextImage, m.listAccess, m.compare},
	} {
		for _, step := range part {
			if err := step(); err != nil {
				return nil, err
			}
		}
		if !m.needs.Empty() {
			return nil, &NeedsError{m.needs}
		}
	}
	m.MountsGit = mountsGit(m)
	m.listNewLeases()
	m.listUnchanged()
	return m.Plan, nil
}

// copyModel copies a loaded project, so that edits do not change the facts.
func copyModel(of *stack.Model) (*stack.Model, error) {
	model := *of
	var err error
	model.Project, err = of.Project.WithServicesEnabled()
	return &model, err
}

// real returns a path with its symbolic links followed, as the facts have them.
func (m *maker) real(path string) string {
	if to, known := m.facts.Host.Real[path]; known {
		return to
	}
	if !slices.Contains(m.needs.Paths, path) {
		m.needs.Paths = append(m.needs.Paths, path)
	}
	return path
}

func (m *maker) find(f finding.Finding) { m.Findings = append(m.Findings, f) }

// Package plan decides what a command does, from facts and the user's choices alone: it reads nothing, asks nobody and
// changes nothing. A Plan is data and prints itself.
package plan

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// Choices are the user's, and what the program itself brings.
type Choices struct {
	// Offset pins the offset that is added to base ports, if it is not nil.
	Offset *int
	// Config is the devcontainer.json that the user named, "" for the one that there is.
	Config string
	// Build builds images even if they exist.
	Build bool
	// Services are named by the user: the profiles that disable them are switched on.
	Services []string
	// SidecarImage is the image of the sidecar of a confined loom, "" to keep the one it has.
	SidecarImage string
	// Version is the plugin's; it is put on containers.
	Version string
	// Compare asks to hold the plan against what runs.
	Compare bool
	// FromMemory asks for an override that gives the loom as planned whatever files are on the disk.
	FromMemory bool
}

// Plan is what up does, before anything is done.
type Plan struct {
	ID, Repository, WorkTree string
	// RealWorkTree is the work tree's path with its links followed; CommonDir is the repository's git folder likewise, ""
	// without git.
	RealWorkTree, CommonDir string
	// Notes tell how the work tree was chosen if that may surprise.
	Notes []string
	// Entry is what the registry holds or will hold. Leases says that it has to be written.
	Entry  registry.Loom
	Leases bool
	// Project is the isolated project, ready for Compose.
	Project *types.Project
	// Override and Env are the loom's parts of the files: the override's text, and the block's lines. Memory is the
	// override that needs no file, if it was asked for.
	Override, Memory []byte
	Env              []overrides.Var
	// Edits say what is changed in the project, a line each.
	Edits []string
	// Files are the generated files as they will be. Without files the loom runs from memory.
	Files    []overrides.File
	Excluded []string
	Findings []finding.Finding
	// Base is the project as the files say it.
	Base Base
	// Dev is the dev container, nil if there is none.
	Dev *DevContainer
	// Access is what the project asks of the host; Obeyed are files of the work tree that say what is done, beside it.
	Access, Obeyed []string
	Settings       *settings.Settings
	// Open are the ways that confinement leaves open.
	Open []overrides.OpenPath
	// WantedPorts and WantedNetworks are those that need leases.
	WantedPorts    []ports.Port
	WantedNetworks []overrides.Network
	// Converged says that everything runs as planned already, so that Compose need not be asked.
	Converged bool
	// Recreated says why the dev container will be recreated, "" if it stays.
	Recreated string
}

// Base is the project as the files say it, the dev container included.
type Base struct {
	Project *types.Project
	// Dir is the project directory, Paths are the compose files, Dockerfile is set if there is none but that.
	Dir, Dockerfile string
	Paths           []string
	// DotEnv is the .env that docker compose reads first; EnvFiles those of --env-file; Profiles the active ones.
	DotEnv             string
	EnvFiles, Profiles []string
	// Env is the environment for interpolation.
	Env types.Mapping
	// Variables give published ports; Uses are the variables that the files use elsewhere.
	Variables []stack.Variable
	Uses      map[string]bool
	// Moves has, for each of Variables, whether it moves with the loom.
	Moves map[string]bool
}

// DevContainer is the dev container as planned.
type DevContainer struct {
	// Service is its service, Path its devcontainer.json. IDLabels are those by which tools find it.
	Service, Path string
	IDLabels      map[string]string
	Compiled      *compile.Compiled
	// Configuration is what the reference CLI's read-configuration prints.
	Configuration *devcontainer.Configuration
	// NameInFiles is the tag that the files give its image, if the loom's has another; LentImage is the image that may
	// have that tag now.
	NameInFiles, LentImage string
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

// NeedsError says that the facts were not enough. With what it needs, Make has to be called again.
type NeedsError struct{ survey.Needs }

// Error says so.
func (e *NeedsError) Error() string { return "the plan needs more facts" }

// NextStep says what the user does next.
func (*NeedsError) NextStep() string {
	return "" // no user sees it: the facts are completed
}

// NoServiceError says that a loom has no service of this name.
type NoServiceError struct{ Service, Loom string }

// Error names both.
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
	// base is the project as the files say it; model is what is isolated: a copy, or the same with its variables moved.
	base, model *stack.Model
	edits       []overrides.Edit
	devEdits    []overrides.Edit
	compiled    *compile.Compiled
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
		Settings: f.Settings,
	}}
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
		{m.develop, m.checkServices, m.refuseSharedData, m.moveVariables, m.lease},
		// Without its leases the project is not compiled again.
		{m.isolate, m.listAccess, m.compare},
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
	return m.Plan, nil
}

// copyModel copies a loaded project, so that edits of the copy do not show in the facts.
func copyModel(of *stack.Model) (*stack.Model, error) {
	model := *of
	var err error
	model.Project, err = of.Project.WithServicesEnabled()
	return &model, err
}

// real follows the links of a path, by the facts.
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

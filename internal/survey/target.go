package survey

import (
	"cmp"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// Target is the loom that a command acts on.
type Target struct {
	ID         string
	Repository string // path of the main work tree, or the project folder without git
	WorkTree   string
	// Source is where its project is looked for.
	Source stack.Source
	// Git is the repository as seen from the work tree, nil without git.
	Git *worktree.Repository
	// State is what the registry said when it was read last.
	State *registry.State
	// Known is the registry's entry of the project, nil if the project is new. Projects are all of the loom's, Known
	// among them.
	Known    *registry.Loom
	Projects []*registry.Loom
	// Part says that the command is about Known alone, not all projects.
	Part bool
	// Together are the folders of the projects that the settings bring up together, if the command makes those.
	Together []string
	// SettingsFiles are those of the work tree, if they were read before the survey.
	SettingsFiles *settings.Files
	// Written is what was found out about who wrote the work tree; nil leaves it to what is remembered of the tree.
	Written *registry.WrittenTree
	// Fetched is the head of the pull request that was fetched for a new work tree.
	Fetched *worktree.Head
	// Notes tell how the work tree was chosen if that may surprise.
	Notes []string

	// Recovered says that Known is made of labels: the registry does not know the loom.
	Recovered bool
	// Foreign are the projects of other looms on the engine, of other users' registries too, if the loom is new.
	Foreign []string
	// Making is the work tree that up would make for the loom; only a dry run has it. The plan is then that of the folder
	// that up was run in.
	Making *worktree.Addition
}

// Name is how the loom is called in messages: shop/123.
func (t *Target) Name() string { return registry.Name(t.Repository, t.ID) }

// Any is a project of the loom, for what is the same in all; nil if the loom is new.
func (t *Target) Any() *registry.Loom {
	if t.Known == nil && len(t.Projects) > 0 {
		return t.Projects[0]
	}
	return t.Known
}

// Meant are the projects that a command on a whole loom is about.
func (t *Target) Meant() []*registry.Loom {
	if t.Part {
		return []*registry.Loom{t.Known}
	}
	return t.Projects
}

// Of is the target with another project of the loom.
func (t *Target) Of(k *registry.Loom) *Target {
	of := *t
	of.Known = k
	if dir := cmp.Or(k.Workspace, k.Dir); dir != "" && k != t.Known {
		of.Source.Dir, of.Source.Files, of.Source.ProjectDirectory = dir, nil, ""
		if !host.IsBelow(dir, t.WorkTree) {
			of.Source.Top = dir
		}
	}
	return &of
}

// SetProjects gives the target the entries of its loom. Known becomes the one of the same project.
func (t *Target) SetProjects(projects []*registry.Loom) {
	known := t.Known
	t.Projects, t.Known = registry.Clones(projects), nil
	for _, k := range t.Projects {
		if known != nil && (k.Project == known.Project || k.Dir != "" && k.Dir == known.Dir) {
			t.Known = k
		}
	}
	if t.Known == nil && known != nil && len(t.Projects) == 1 && known.Dir == "" {
		t.Known = t.Projects[0]
	}
}

// Copy is a target whose entries can be changed without changing those of t.
func (t *Target) Copy() *Target {
	c := *t
	c.SetProjects(t.Projects)
	return &c
}

// CommonDir is the git folder that the repository's work trees share, "" without git.
func (t *Target) CommonDir() string {
	if t.Git == nil {
		return ""
	}
	return t.Git.CommonDir
}

package survey

import (
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
	// Known is the registry's entry, nil for a loom that is new to it.
	Known *registry.Loom
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

// CommonDir is the git folder that the repository's work trees share, "" without git.
func (t *Target) CommonDir() string {
	if t.Git == nil {
		return ""
	}
	return t.Git.CommonDir
}

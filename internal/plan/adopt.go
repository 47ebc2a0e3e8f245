package plan

import (
	"fmt"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// FolderTakenError says that the folder has a dev container already, of another loom. Editors find a dev container by
// its folder, so that there can be one only.
type FolderTakenError struct{ Folder, Other string }

// Error names both.
func (e *FolderTakenError) Error() string {
	return fmt.Sprintf("the dev container of %s is loom %s's, and a folder has one only", e.Folder, e.Other)
}

// NextStep says what the user does next.
func (*FolderTakenError) NextStep() string {
	return "give this loom a work tree of its own: make one with git worktree add, and run up in it"
}

// ForeignDevContainers are the dev containers of the folder that another tool made.
func ForeignDevContainers(f *survey.Facts) ([]engine.Container, error) {
	t, dev := f.Target, f.Dev
	labels := dev.Read.IDLabels()
	var foreign []engine.Container
	for _, c := range f.Engine.Containers {
		if c.OneOff || !survey.HasLabels(c, labels) {
			continue
		}
		switch id, repo := c.Labels[engine.LabelLoom], c.Labels[engine.LabelRepo]; {
		case id == "":
			foreign = append(foreign, c)
		case id != t.ID || repo != t.Repository:
			return nil, &FolderTakenError{Folder: dev.Place.Workspace, Other: id}
		}
	}
	return foreign, nil
}

// AdoptedEntry is the registry's entry of a loom whose dev container another tool made.
func AdoptedEntry(f *survey.Facts, c engine.Container, config string) (*registry.Loom, error) {
	t, dev := f.Target, f.Dev
	k := registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		k = *t.Known
	} else if any := t.Any(); any != nil {
		k.Join(any)
	}
	k.WorkTree, k.Dir, k.Space, k.Adopted = t.WorkTree, dev.Place.Workspace, f.Space, dev.Read.IDLabels()
	if dir := c.Labels[stack.LabelWorkingDir]; dir != "" {
		k.Dir = dir
	}
	k.DevContainer = config
	if k.Project = c.Project; k.Project != "" {
		return &k, nil
	}
	// Nothing bears this name yet; a loom has one all the same.
	k.Project = stack.DefaultName(dev.Place.Workspace)
	if t.ID == identity.Main {
		return &k, nil
	}
	var err error
	k.Project, err = identity.ProjectName(naming(f, &k))
	return &k, err
}

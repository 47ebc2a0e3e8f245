package loom

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// FolderTakenError says that the folder has a dev container already, of another loom. Editors find a dev container by its
// folder, so that there can be one only.
type FolderTakenError struct{ Folder, Other string }

// Error names both.
func (e *FolderTakenError) Error() string {
	return fmt.Sprintf("the dev container of %s is loom %s's, and a folder has one only", e.Folder, e.Other)
}

// NextStep says what the user does next.
func (*FolderTakenError) NextStep() string {
	return "give this loom a work tree of its own: git worktree add, then docker loom up there"
}

// meet looks at the dev containers that there are for the folder. One of another loom refuses this one. One that another
// tool made (the reference CLI, VS Code) is adopted as it is where nothing of ours was there before, and for main, which
// is what such a tool makes; meet then does all that is left of up and returns a plan. Else it was made from the plain
// files in place of ours, and makes room.
func (l *Looms) meet(ctx context.Context, t *Target, d *dev, req UpRequest) (*Plan, *Result, error) {
	there, err := l.Engine.Labelled(ctx, d.read.IDLabels())
	if err != nil {
		return nil, nil, err
	}
	var theirs []engine.Container
	for _, c := range there {
		switch id, repo := c.Labels[engine.LabelLoom], c.Labels[engine.LabelRepo]; {
		case c.OneOff:
		case id == "":
			theirs = append(theirs, c)
		case id != t.ID || repo != t.Repository:
			return nil, nil, &FolderTakenError{Folder: d.place.Workspace, Other: id}
		}
	}
	if len(theirs) == 0 {
		if t.Known != nil && t.Known.Adopted != nil {
			// It is gone: from here on the loom is as any other.
			t.Known.Adopted = nil
			if t.ID != Main {
				t.Known.Project = ""
			}
		}
		return nil, nil, nil
	}
	ours := t.Known != nil && t.Known.Adopted == nil && t.ID != Main
	if !ours && !req.ForceRecreate {
		if req.DryRun {
			t.Notes = append(t.Notes, adopting(theirs[0]))
			return nil, nil, nil
		}
		return l.adopt(ctx, t, d, theirs[0], req)
	}
	if req.DryRun {
		return nil, nil, nil
	}
	return nil, nil, l.makeRoom(ctx, t, theirs)
}

func adopting(c engine.Container) string {
	return "container " + c.Name + " was made by another tool and is used as it is; --force-recreate makes it anew"
}

// makeRoom takes away what another tool made in place of the loom's dev container. What is in the loom's own project is
// left to Compose, which sees that it is not as planned.
func (l *Looms) makeRoom(ctx context.Context, t *Target, theirs []engine.Container) error {
	for _, c := range theirs {
		l.Teller.Sayf("container %s was made by another tool from the plain files, without this loom's ports and volumes: made anew", c.Name)
		if t.Known != nil && c.Project == t.Known.Project {
			continue
		}
		if err := l.Engine.RemoveContainers(ctx, []string{c.ID}, true); err != nil {
			return err
		}
	}
	return nil
}

// adopt makes a container that another tool made the loom's, and starts it and what belongs to it.
func (l *Looms) adopt(ctx context.Context, t *Target, d *dev, c engine.Container, req UpRequest) (*Plan, *Result, error) {
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, nil, err
	}
	k := registry.Loom{ID: t.ID, Repository: t.Repository, Created: time.Now().UTC().Truncate(time.Second)}
	if t.Known != nil {
		k = *t.Known
	}
	k.WorkTree, k.Dir, k.Space, k.Adopted = t.WorkTree, d.place.Workspace, space, d.read.IDLabels()
	if dir := c.Labels[stack.LabelWorkingDir]; dir != "" {
		k.Dir = dir
	}
	k.DevContainer = req.Config
	if k.Project = c.Project; k.Project == "" {
		// Nothing bears this name yet; a loom has one all the same.
		k.Project = stack.DefaultName(d.place.Workspace)
		if t.ID != Main {
			if k.Project, err = projectName("", t.Repository, t.ID, false); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := l.Registry.Update(ctx, func(state *registry.State) error { state.Put(k); return nil }); err != nil {
		return nil, nil, err
	}
	t.Known = copyOf(&k)
	p := entryPlan(t)
	p.Notes = append(p.Notes, adopting(c))
	if !req.CreateOnly && !req.FilesOnly {
		if err := l.startAll(ctx, &k); err != nil {
			return p, nil, l.unfinished(ctx, p, err)
		}
	}
	for _, note := range p.Notes {
		l.Teller.Sayf("%s", note)
	}
	own, err := l.containers(ctx, &k)
	if err != nil {
		return p, nil, err
	}
	if !req.CreateOnly && !req.FilesOnly {
		if err := l.devHooks(ctx, d, own, req); err != nil {
			return p, nil, l.unfinished(ctx, p, err)
		}
	}
	return p, &Result{Loom: t.ID, Project: k.Project, WorkTree: t.WorkTree, Services: services(own), Ports: l.ports(t.ID, own), Findings: []finding.Finding{}}, nil
}

// startAll starts what there is of a loom and does not run.
func (l *Looms) startAll(ctx context.Context, k *registry.Loom) error {
	own, err := l.containers(ctx, k)
	if err != nil {
		return err
	}
	stopped := func(c engine.Container) bool { return !c.OneOff && c.State != "running" }
	err = outside(own, k, func(c engine.Container) error {
		if !stopped(c) {
			return nil
		}
		return l.Engine.Start(ctx, c.ID)
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(own, func(c engine.Container) bool { return c.Project == k.Project && stopped(c) }) {
		return l.Stack.Start(ctx, k.Project)
	}
	return nil
}

// containers lists what a loom has: the containers of its project, and an adopted one, which need not be of any.
func (l *Looms) containers(ctx context.Context, k *registry.Loom) ([]engine.Container, error) {
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: k.Project})
	if err != nil || k.Adopted == nil {
		return own, err
	}
	adopted, err := l.Engine.Labelled(ctx, k.Adopted)
	if err != nil {
		return nil, err
	}
	for _, c := range adopted {
		if slices.ContainsFunc(own, func(o engine.Container) bool { return o.ID == c.ID }) || c.Labels[engine.LabelLoom] != "" {
			continue
		}
		if c.Service == "" {
			c.Service = devcontainer.Service
		}
		own = append(own, c)
	}
	return own, nil
}

// outside does f for the containers that are not of the loom's project: what Compose does not reach.
func outside(own []engine.Container, k *registry.Loom, f func(engine.Container) error) error {
	for _, c := range own {
		if c.Project != k.Project {
			if err := f(c); err != nil {
				return err
			}
		}
	}
	return nil
}

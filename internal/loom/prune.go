package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Prunable is a loom that prune ends: its work tree is gone, or nobody knows it any more.
type Prunable struct {
	*Target
	Why string
	// Merged says that its branch is merged: it is ended as rm does it, with its work tree and branch.
	Merged bool
}

// Prunable lists what belongs to no loom or to a gone work tree, never a loom that is merely down. Only what carries
// our labels counts. A loom that only the registry does not know may well be in another user's: it counts once its
// folder is gone.
func (l *Looms) Prunable(ctx context.Context) ([]Prunable, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	looms, err := l.Engine.Looms(ctx)
	if err != nil {
		return nil, err
	}
	var list []Prunable
	add := func(k *registry.Loom, recovered bool, why string) {
		t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: k.Clone(), Recovered: recovered}
		t.Source = stack.Source{Dir: k.WorkTree, Top: k.WorkTree, Environ: l.Process.Environ}
		list = append(list, Prunable{Target: t, Why: why})
	}
	for _, k := range state.Looms {
		if k.Space != space || !gone(k.WorkTree) {
			continue
		}
		if theirs, err := l.theirs(ctx, k); err != nil {
			return nil, err
		} else if !theirs {
			add(k, false, "its work tree "+k.WorkTree+" is gone")
		}
	}
	if !l.Engine.Local() {
		// Other machines use this engine too: their looms are in their registries, their folders on their disks.
		return list, nil
	}
	for _, e := range looms {
		if state.ByProject(e.Project) != nil || e.ID == Main {
			continue
		}
		switch {
		case gone(e.Repo):
			add(fromLabels(e), true, "its repository "+e.Repo+" is gone")
		case gone(e.WorkTree):
			add(fromLabels(e), true, "its work tree "+e.WorkTree+" is gone")
		}
	}
	return list, nil
}

// theirs reports whether a loom's project has what somebody else may have made. That is so for main alone: its project
// is called as Compose calls it in every folder of that name, and its volumes lack docker loom's labels.
func (l *Looms) theirs(ctx context.Context, k *registry.Loom) (bool, error) {
	if k.ID != Main {
		return false, nil
	}
	own, err := l.Containers(ctx, k)
	if err != nil {
		return false, err
	}
	volumes, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: k.Project})
	foreign := func(c engine.Container) bool { return c.Labels[engine.LabelRepo] != k.Repository }
	return len(volumes) > 0 || slices.ContainsFunc(own, foreign), err
}

// gone reports whether a folder that was there no longer exists.
func gone(path string) bool { return host.IsGone(path) }

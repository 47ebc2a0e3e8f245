package inventory

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Prunable is a loom that prune ends: its work tree is gone, or nobody knows it any more.
type Prunable struct {
	*find.Target
	Why string
	// Merged says that its branch is merged: it is ended as rm does it, with its work tree and branch.
	Merged bool
}

// FindPrunable lists what belongs to no loom or to a gone work tree, never a loom that is merely down. Only what
// carries our labels counts. A loom that only the registry does not know may well be in another user's: it counts once
// its folder is gone.
func FindPrunable(ctx context.Context, l *loom.Looms) ([]Prunable, error) {
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
		t := targetOf(l, k)
		t.Recovered = recovered
		list = append(list, Prunable{Target: t, Why: why})
	}
	for _, k := range state.InSpace(space) {
		if !host.IsGone(k.WorkTree) {
			continue
		}
		if foreign, err := hasForeign(ctx, l, k); err != nil {
			return nil, err
		} else if !foreign {
			add(k, false, "its work tree "+k.WorkTree+" is gone")
		}
	}
	if !l.Engine.Local() {
		// Other machines use this engine too: their looms are in their registries, their folders on their disks.
		return list, nil
	}
	for _, e := range looms {
		if state.ByProject(e.Project) != nil || e.ID == identity.Main {
			continue
		}
		switch {
		case host.IsGone(e.Repo):
			add(find.FromLabels(e), true, "its repository "+e.Repo+" is gone")
		case host.IsGone(e.WorkTree):
			add(find.FromLabels(e), true, "its work tree "+e.WorkTree+" is gone")
		}
	}
	return list, nil
}

// targetOf is the loom of an entry of the registry, in its own work tree whatever folder the command runs in.
func targetOf(l *loom.Looms, k *registry.Loom) *find.Target {
	return &find.Target{
		ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: k.Clone(),
		Source: stack.Source{Dir: k.WorkTree, Top: k.WorkTree, Environ: l.Process.Environ},
	}
}

// hasForeign reports whether a loom's project has what somebody else may have made. That is so for main alone: its
// project is called as Compose calls it in every folder of that name, and its volumes lack docker loom's labels.
func hasForeign(ctx context.Context, l *loom.Looms, k *registry.Loom) (bool, error) {
	if k.ID != identity.Main {
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

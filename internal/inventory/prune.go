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
	known := state.InSpace(space)
	for _, k := range registry.OnePerLoom(known) {
		if !host.IsGone(k.WorkTree) {
			continue
		}
		t := targetOf(l, k, known)
		if foreign, err := hasForeign(ctx, l, t); err != nil {
			return nil, err
		} else if !foreign {
			list = append(list, Prunable{Target: t, Why: "its work tree " + k.WorkTree + " is gone"})
		}
	}
	if !l.Engine.Local() {
		// Other machines use this engine too: their looms are in their registries, their folders on their disks.
		return list, nil
	}
	return append(list, findOrphans(l, state, looms)...), nil
}

// findOrphans lists the looms on the engine that the registry does not know, and whose repository or work tree is gone.
func findOrphans(l *loom.Looms, state *registry.State, looms []engine.Loom) []Prunable {
	var orphans []*registry.Loom
	why := map[*registry.Loom]string{}
	for _, e := range looms {
		if state.ByProject(e.Project) != nil || e.ID == identity.Main {
			continue
		}
		if k := state.Find(e.Repo, e.ID); k != nil && !host.IsGone(k.WorkTree) {
			continue // its loom is there, perhaps in another work tree
		}
		k := find.FromLabels(e)
		switch {
		case host.IsGone(e.Repo):
			why[k] = "its repository " + e.Repo + " is gone"
		case host.IsGone(e.WorkTree):
			why[k] = "its work tree " + e.WorkTree + " is gone"
		default:
			continue
		}
		orphans = append(orphans, k)
	}
	var list []Prunable
	for _, k := range registry.OnePerLoom(orphans) {
		t := targetOf(l, k, orphans)
		t.Recovered = true
		list = append(list, Prunable{Target: t, Why: why[k]})
	}
	return list
}

// targetOf is the loom of an entry of the registry, in its own work tree whatever folder the command runs in. looms has
// the entries of its other projects.
func targetOf(l *loom.Looms, k *registry.Loom, looms []*registry.Loom) *find.Target {
	return find.TargetOf(k, looms, stack.Source{Dir: k.WorkTree, Environ: l.Process.Environ})
}

// hasForeign reports whether a project of a loom has what somebody else may have made. That is so for main alone: its
// projects are called as Compose calls them in every folder of that name, and their volumes lack docker loom's labels.
func hasForeign(ctx context.Context, l *loom.Looms, t *find.Target) (bool, error) {
	if t.ID != identity.Main {
		return false, nil
	}
	for _, k := range t.Projects {
		own, err := l.Containers(ctx, k)
		if err != nil {
			return false, err
		}
		volumes, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: k.Project})
		foreign := func(c engine.Container) bool { return c.Labels[engine.LabelRepo] != k.Repository }
		if err != nil || len(volumes) > 0 || slices.ContainsFunc(own, foreign) {
			return true, err
		}
	}
	return false, nil
}

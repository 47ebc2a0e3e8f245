package find

import (
	"context"
	"path/filepath"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// recover finds the projects of a loom that the registry does not know, by the labels of what it has on the engine.
func (f *Finder) recover(ctx context.Context, state *registry.State, t *Target) ([]*registry.Loom, error) {
	// Without the check an engine that swallows packets would keep the user waiting.
	if err := f.Engine.Check(ctx); err != nil {
		return nil, err
	}
	looms, err := f.Engine.Looms(ctx)
	if err != nil {
		return nil, err
	}
	space, err := f.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	var found []*registry.Loom
	for _, e := range looms {
		if e.ID != t.ID || e.Repo != t.Repository {
			t.Foreign = append(t.Foreign, e.Project)
			continue
		}
		if other := state.ByProject(e.Project); other != nil {
			continue
		}
		f.Teller.Debugf("loom %s is not in the registry; its project %s was found by labels", t.Name(), e.Project)
		k := FromLabels(e)
		k.Space, t.Recovered = space, true
		found = append(found, k)
	}
	return found, nil
}

// Promises is what the registry says, rebuilt from the engine's labels where it is new or was lost.
func (f *Finder) Promises(ctx context.Context) (*registry.State, error) {
	state, err := f.currentState(ctx)
	if err != nil || !state.Fresh {
		return state, err
	}
	return f.rebuild(ctx, state)
}

// rebuild fills a registry that is new or was lost with the looms that the engine has. Their ports are leased again
// when their projects are planned; until then their containers hold them.
func (f *Finder) rebuild(ctx context.Context, fresh *registry.State) (*registry.State, error) {
	if err := f.Engine.Check(ctx); err != nil {
		f.Teller.Debugf("looms on the engine: %v", err)
		return fresh, nil
	}
	looms, err := f.Engine.Looms(ctx)
	if err != nil || len(looms) == 0 {
		f.Teller.Debugf("looms on the engine: %d, %v", len(looms), err)
		return fresh, nil
	}
	space, err := f.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	err = f.Registry.Update(ctx, func(state *registry.State) error {
		if !state.Fresh {
			return nil
		}
		for _, e := range looms {
			// Where the repository is not here, the loom is another user's or machine's, and in their registry.
			if e.ID == "" || !host.IsDir(e.Repo) || state.ByProject(e.Project) != nil {
				continue
			}
			k := FromLabels(e)
			if k.Space = space; state.ProjectOf(k) == nil {
				state.Put(*k)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f.Registry.Read(ctx)
}

// FromLabels is what the labels of a loom's containers, networks and volumes tell of it.
func FromLabels(e engine.Loom) *registry.Loom {
	k := &registry.Loom{ID: e.ID, Repository: e.Repo, Project: e.Project, WorkTree: e.WorkTree, Offset: e.Offset}
	// Only --offset gives main one.
	k.Pinned = e.ID == identity.Main && e.Offset > 0
	for _, c := range e.Containers {
		if sandbox.IsSandbox(c.Labels) {
			k.Sandboxed = true
		}
		if c.Service == plan.EgressService {
			// Until the next agent command says how: the services of a loom with a sandbox must not come up open.
			k.Confined = &registry.Confined{Mode: string(egress.None)}
		}
		if dir := c.Labels[stack.LabelWorkingDir]; dir != "" {
			k.Dir = dir
		}
		if workspace := c.Labels[devcontainer.LabelLocalFolder]; workspace != "" {
			k.Workspace = workspace
		}
		if k.Created.IsZero() || c.Created.Before(k.Created) {
			k.Created = c.Created.UTC()
		}
	}
	if k.Workspace == k.Dir {
		k.Workspace = ""
	}
	if k.Dir != "" {
		env, _ := rooted.ReadFile(filepath.Join(k.Dir, overrides.EnvFile)) // without one it is nobody's
		id, _, _ := overrides.Block(env)
		k.Files = id == k.ID || overrides.GeneratedFor(filepath.Join(k.Dir, overrides.OverrideFile)) == k.Name()
	}
	return k
}

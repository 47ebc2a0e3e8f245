package find

import (
	"context"
	"errors"
	"slices"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// FindEach finds one loom for each id, or the folder's loom if there is no id. All ids are checked before a command
// touches anything: a mistyped one must not leave half of the work done.
func (f *Finder) FindEach(ctx context.Context, where Where, ids []string, purpose Purpose) ([]*Target, error) {
	if len(ids) == 0 {
		ids = []string{""}
	}
	var targets []*Target
	for _, id := range ids {
		where.ID = id
		t, err := f.Resolve(ctx, where, purpose)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(targets, func(o *Target) bool { return o.ID == t.ID && o.Repository == t.Repository }) {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// FindAll finds the looms of the folder's repository on this engine; if a project is named, those that have it.
func (f *Finder) FindAll(ctx context.Context, where Where) ([]*Target, error) {
	state, err := f.Promises(ctx)
	if err != nil {
		return nil, err
	}
	here, err := f.start(ctx, state, where.Source, Ending)
	if err != nil {
		return nil, err
	}
	looms, err := f.onEngine(ctx)
	if err != nil {
		return nil, err
	}
	var targets []*Target
	for _, k := range registry.OnePerLoom(looms) {
		if k.Repository != here.Repository {
			continue
		}
		where.ID = k.ID
		t, err := f.Resolve(ctx, where, Ending)
		if errors.As(err, new(*UnknownProjectError)) {
			continue // not every loom has the project that was named
		}
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// Everywhere lists all looms of all repositories on this engine.
func (f *Finder) Everywhere(ctx context.Context, src stack.Source) ([]*Target, error) {
	looms, err := f.onEngine(ctx)
	if err != nil {
		return nil, err
	}
	var targets []*Target
	for _, k := range registry.OnePerLoom(looms) {
		targets = append(targets, TargetOf(k, looms, src))
	}
	return targets, nil
}

// TargetOf is the loom that an entry of the registry belongs to. looms has the entries of its other projects.
func TargetOf(k *registry.Loom, looms []*registry.Loom, src stack.Source) *Target {
	t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Source: src}
	t.Projects = registry.Clones((&registry.State{Looms: looms}).Projects(k.Repository, k.ID))
	setTree(t, k.WorkTree)
	projects{t}.take(t.Projects[0])
	return t
}

// onEngine lists the projects of looms on this engine.
func (f *Finder) onEngine(ctx context.Context) ([]*registry.Loom, error) {
	state, err := f.Promises(ctx)
	if err != nil {
		return nil, err
	}
	space, err := f.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	return state.InSpace(space), nil
}

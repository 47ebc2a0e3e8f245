package find

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// FindEach finds one loom for each id, or the folder's loom if there is no id. All ids are checked before a command
// touches anything: a mistyped one must not leave half of the work done.
func (f *Finder) FindEach(ctx context.Context, src stack.Source, ids []string, purpose Purpose) ([]*Target, error) {
	if len(ids) == 0 {
		ids = []string{""}
	}
	var targets []*Target
	for _, id := range ids {
		t, err := f.Resolve(ctx, Where{ID: id, Source: src}, purpose)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(targets, func(o *Target) bool { return o.ID == t.ID && o.Repository == t.Repository }) {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// FindAll finds the looms of the folder's repository on this engine.
func (f *Finder) FindAll(ctx context.Context, src stack.Source) ([]*Target, error) {
	state, err := f.Promises(ctx)
	if err != nil {
		return nil, err
	}
	here, err := f.start(ctx, state, src, Ending)
	if err != nil {
		return nil, err
	}
	looms, err := f.onEngine(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, k := range looms {
		if k.Repository == here.Repository {
			ids = append(ids, k.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return f.FindEach(ctx, src, ids, Ending)
}

// Everywhere lists all looms of all repositories on this engine.
func (f *Finder) Everywhere(ctx context.Context, src stack.Source) ([]*Target, error) {
	looms, err := f.onEngine(ctx)
	if err != nil {
		return nil, err
	}
	var targets []*Target
	for _, k := range looms {
		t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: k.Clone(), Source: src}
		setTree(t, k.WorkTree)
		targets = append(targets, t)
	}
	return targets, nil
}

// onEngine lists the looms on this engine.
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

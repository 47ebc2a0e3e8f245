package agent

import (
	"context"
	"time"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// markSandboxed notes, before a sandbox starts, that from now on somebody else may have written the loom's work
// tree, and moved the repository's refs.
func (b backend) markSandboxed(ctx context.Context, t *loom.Target) error {
	if err := b.looms.Trees().ShareRepository(ctx, t); err != nil {
		return err
	}
	sandboxed := true
	var since time.Time
	for _, k := range t.Projects {
		written, err := b.looms.Registry.KeepWritten(k)
		if err != nil {
			return err
		}
		since, sandboxed = written.Since, sandboxed && k.Sandboxed
	}
	if sandboxed {
		return nil
	}
	mark := func(projects []*registry.Loom) {
		for _, k := range projects {
			k.Sandboxed, k.WrittenSince = true, since
		}
	}
	mark(t.Projects)
	return b.looms.Registry.Update(ctx, func(state *registry.State) error {
		projects := state.Projects(t.Repository, t.ID)
		if len(projects) == 0 {
			return &loom.UnknownError{Name: t.Name(), ID: t.ID}
		}
		mark(projects)
		return nil
	})
}

// setConfined notes how the services of all projects of the loom are confined from now on; nil lifts it. The next up of
// each, from these files or from memory, brings it about.
func (b backend) setConfined(ctx context.Context, t *loom.Target, c *registry.Confined) error {
	confine := func(projects []*registry.Loom) {
		for _, k := range projects {
			k.Confined = c
		}
	}
	confine(t.Projects)
	return b.looms.Registry.Update(ctx, func(state *registry.State) error {
		confine(state.Projects(t.Repository, t.ID))
		return nil
	})
}

package agent

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// markSandboxed notes, before a sandbox starts, that from now on somebody else may have written the loom's work
// tree, and moved the repository's refs.
func (b backend) markSandboxed(ctx context.Context, t *loom.Target) error {
	if err := b.looms.Trees().ShareRepository(ctx, t); err != nil {
		return err
	}
	written, err := b.looms.Registry.KeepWritten(t.Known)
	if err != nil || t.Known.Sandboxed {
		return err
	}
	t.Known.Sandboxed, t.Known.WrittenSince = true, written.Since
	return b.looms.Registry.Update(ctx, func(state *registry.State) error {
		k := state.Find(t.Repository, t.ID)
		if k == nil {
			return &loom.UnknownError{Name: t.Name()}
		}
		k.Sandboxed, k.WrittenSince = true, written.Since
		return nil
	})
}

// setConfined notes how the loom's services are confined from now on; nil lifts it. The next up, from these files or
// from memory, brings it about.
func (b backend) setConfined(ctx context.Context, t *loom.Target, c *registry.Confined) error {
	if t.Known != nil {
		t.Known.Confined = c
	}
	return b.looms.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.Find(t.Repository, t.ID); k != nil {
			k.Confined = c
		}
		return nil
	})
}

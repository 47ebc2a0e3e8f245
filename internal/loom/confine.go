package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// SetConfined notes how the loom's services are confined from now on; nil lifts it. The next up, from these files or
// from memory, brings it about.
func (l *Looms) SetConfined(ctx context.Context, t *Target, c *registry.Confined) error {
	if t.Known != nil {
		t.Known.Confined = c
	}
	return l.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.Find(t.Repository, t.ID); k != nil {
			k.Confined = c
		}
		return nil
	})
}

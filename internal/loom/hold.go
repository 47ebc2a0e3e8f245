package loom

import (
	"context"
	"time"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// Hold keeps stop --idle from a loom until a moment, or with the zero time until it is released.
func (l *Looms) Hold(ctx context.Context, t *Target, until time.Time) error {
	return l.hold(ctx, t, &registry.Hold{Until: until.UTC()})
}

// Release ends a hold. It reports whether there was one.
func (l *Looms) Release(ctx context.Context, t *Target) (bool, error) {
	held := t.Known.Held(time.Now())
	return held, l.hold(ctx, t, nil)
}

func (l *Looms) hold(ctx context.Context, t *Target, hold *registry.Hold) error {
	return l.Registry.Update(ctx, func(state *registry.State) error {
		k := state.Find(t.Repository, t.ID)
		if k == nil {
			// Known by its labels alone, or ended meanwhile.
			if !t.Recovered {
				return &UnknownError{t.Name()}
			}
			state.Put(*t.Known)
			k = state.Find(t.Repository, t.ID)
		}
		k.Hold = hold
		return nil
	})
}

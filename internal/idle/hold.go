package idle

import (
	"context"
	"time"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// Hold keeps stop --idle away from a loom until a moment; the zero time means until it is released.
func Hold(ctx context.Context, l *loom.Looms, t *loom.Target, until time.Time) error {
	return setHold(ctx, l, t, &registry.Hold{Until: until.UTC()})
}

// Release ends a hold. It reports whether there was one.
func Release(ctx context.Context, l *loom.Looms, t *loom.Target) (bool, error) {
	held := t.Known.Held(time.Now())
	return held, setHold(ctx, l, t, nil)
}

func setHold(ctx context.Context, l *loom.Looms, t *loom.Target, hold *registry.Hold) error {
	return l.Registry.Update(ctx, func(state *registry.State) error {
		if state.Find(t.Repository, t.ID) == nil {
			// Known by its labels alone, or ended meanwhile.
			if !t.Recovered {
				return &loom.UnknownError{Name: t.Name(), ID: t.ID}
			}
			for _, k := range t.Projects {
				state.Put(*k)
			}
		}
		for _, k := range state.Projects(t.Repository, t.ID) {
			k.Hold = hold
		}
		return nil
	})
}

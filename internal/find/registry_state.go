package find

import (
	"context"
	"sync"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// LastRead is the registry as a command read it last. Nobody changes it: an Update has a state of its own.
type LastRead struct {
	mu    sync.Mutex
	state *registry.State
	stamp registry.Stamp
	// imagined are entries that a dry run goes on with. No other process sees them.
	imagined []registry.Loom
}

// Imagine takes an entry for registered: what a dry run plans next is planned beside it.
func (last *LastRead) Imagine(k registry.Loom) {
	last.mu.Lock()
	defer last.mu.Unlock()
	last.imagined, last.state = append(last.imagined, k), nil
}

// currentState is what the registry says. Its file is read only if it changed since the last time.
func (f *Finder) currentState(ctx context.Context) (*registry.State, error) {
	last := f.Last
	last.mu.Lock()
	defer last.mu.Unlock()
	if last.state != nil && f.Registry.IsCurrent(last.stamp) {
		return last.state, nil
	}
	stamp := f.Registry.Stamp()
	state, err := f.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range last.imagined {
		state.Put(k)
	}
	last.state, last.stamp = state, stamp
	return state, nil
}

// ReadState gives the target what the registry says now.
func (f *Finder) ReadState(ctx context.Context, t *Target) (err error) {
	t.State, err = f.currentState(ctx)
	return err
}

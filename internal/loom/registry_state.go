package loom

import (
	"context"
	"sync"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// registryState is the registry as a command read it last. Nobody changes it: an Update has a state of its own.
type registryState struct {
	sync.Mutex
	state *registry.State
	stamp registry.Stamp
}

// currentState is what the registry says. Its file is read only if it changed since the last time.
func (l *Looms) currentState(ctx context.Context) (*registry.State, error) {
	last := &l.lastState
	last.Lock()
	defer last.Unlock()
	if last.state != nil && l.Registry.IsCurrent(last.stamp) {
		return last.state, nil
	}
	stamp := l.Registry.Stamp()
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	last.state, last.stamp = state, stamp
	return state, nil
}

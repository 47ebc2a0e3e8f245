package loom

import (
	"context"
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/internal/stack"
)

// ServicesInFiles lists the services that the loom's files have, or if these cannot be read, those of its containers.
// Without an id it is the folder's loom.
func (l *Looms) ServicesInFiles(ctx context.Context, src stack.Source, id string) ([]string, error) {
	t, err := l.Finder().Resolve(ctx, Where{ID: id, Source: src}, Reading)
	if err != nil {
		return nil, err
	}
	project, err := l.LoadProject(ctx, t)
	if err != nil {
		l.Teller.Debugf("services of loom %s: %v", t.ID, err)
		return l.Services(ctx, t)
	}
	return slices.Sorted(maps.Keys(project.AllServices())), nil
}

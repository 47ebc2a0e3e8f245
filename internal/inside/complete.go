package inside

import (
	"context"
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// ServicesInFiles lists the services that the loom's files have, or if these cannot be read, those of its containers.
// Without an id it is the folder's loom.
func ServicesInFiles(ctx context.Context, l *loom.Looms, src stack.Source, id string) ([]string, error) {
	t, err := l.Finder().Resolve(ctx, loom.Where{ID: id, Source: src}, loom.Reading)
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

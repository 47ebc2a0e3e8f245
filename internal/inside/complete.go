package inside

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// ServicesInFiles lists the services that the project's files have. If these cannot be read, it is those of its
// containers. If several projects can be meant, it is the services of all.
func ServicesInFiles(ctx context.Context, l *loom.Looms, where loom.Where) ([]string, error) {
	t, err := l.Finder().Resolve(ctx, where, loom.Reading)
	if errors.As(err, new(*find.SeveralProjectsError)) {
		var all []string
		for _, k := range t.Projects {
			services, err := servicesIn(ctx, l, t.Of(k))
			if err != nil {
				return nil, err
			}
			all = append(all, services...)
		}
		slices.Sort(all)
		return slices.Compact(all), nil
	}
	if err != nil {
		return nil, err
	}
	return servicesIn(ctx, l, t)
}

func servicesIn(ctx context.Context, l *loom.Looms, t *loom.Target) ([]string, error) {
	project, err := l.LoadProject(ctx, t)
	if err != nil {
		l.Teller.Debugf("services of loom %s: %v", t.ID, err)
		return l.Services(ctx, t)
	}
	return slices.Sorted(maps.Keys(project.AllServices())), nil
}

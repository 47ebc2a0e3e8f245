package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
)

// Services lists the names of a loom's services, sorted: those that have containers, and those of the files as far as
// these can be read.
func (l *Looms) Services(ctx context.Context, t *Target) ([]string, error) {
	var names []string
	if t.Known != nil {
		if err := l.Engine.Check(ctx); err != nil {
			return nil, err
		}
		own, err := l.Containers(ctx, t.Known)
		if err != nil {
			return nil, err
		}
		names = ServiceNames(own)
	}
	project, err := l.LoadProject(ctx, t)
	if err != nil {
		l.Teller.Debugf("services of loom %s: %v", t.ID, err)
	} else {
		for name := range project.AllServices() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// ServiceNames are the services of containers, one for each container.
func ServiceNames(own []engine.Container) []string {
	var names []string
	for _, c := range own {
		names = append(names, c.Service)
	}
	return names
}

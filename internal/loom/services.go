package loom

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
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

// ServicesWith lists the services that have a container in a state that is wanted, among those that are named, or all
// if none is. own are the containers of the loom. what calls the wanted ones in the error, such as running.
func ServicesWith(
	t *Target, own []engine.Container, named []string, what string, wanted func(engine.Container) bool,
) ([]string, error) {
	for _, name := range named {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.Service == name }) {
			return nil, &plan.NoServiceError{Service: name, Loom: t.ID}
		}
	}
	services := []string{}
	for _, c := range own {
		if wanted(c) && (len(named) == 0 || slices.Contains(named, c.Service)) {
			services = append(services, c.Service)
		}
	}
	services = slices.Compact(slices.Sorted(slices.Values(services)))
	if len(services) == 0 {
		if len(own) == 0 {
			return nil, &EmptyError{t.ID}
		}
		of := ""
		if len(named) > 0 {
			of = " of " + strings.Join(named, ", ")
		}
		return nil, fmt.Errorf("loom %s has no %s container%s", t.ID, what, of)
	}
	return services, nil
}

package loom

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
)

// ServicesWith checks that a loom has containers of the services in a state that is wanted, and returns of which
// services: of all if none is named. what calls these containers in the error, such as running.
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
	if len(services) > 0 {
		return services, nil
	}
	if len(own) == 0 {
		return nil, &EmptyError{t.ID}
	}
	of := ""
	if len(named) > 0 {
		of = " of " + strings.Join(named, ", ")
	}
	return nil, fmt.Errorf("loom %s has no %s container%s", t.ID, what, of)
}

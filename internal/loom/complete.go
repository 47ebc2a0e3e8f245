package loom

import (
	"context"
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Remembered lists the looms that the registry knows, of all repositories and engines, without asking an engine: their
// State is unknown. A damaged registry stays as it is.
func (l *Looms) Remembered() ([]Listed, error) {
	state, err := l.Registry.Peek()
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	for _, k := range state.Looms {
		list = append(list, remembered(k))
	}
	slices.SortFunc(list, inOrder)
	return list, nil
}

func remembered(k *registry.Loom) Listed {
	return Listed{
		ID: k.ID, Repository: k.Repository, Project: k.Project, WorkTree: k.WorkTree, Offset: k.Offset, Created: k.Created,
		State: "unknown", Known: true,
	}
}

// ServicesInFiles lists the services of a loom, of this folder's without an id, as its files have them. Without files they
// are those of its containers.
func (l *Looms) ServicesInFiles(ctx context.Context, src stack.Source, id string) ([]string, error) {
	t, err := l.Resolve(ctx, Where{ID: id, Source: src}, Reading)
	if err != nil {
		return nil, err
	}
	project, err := l.loadOnly(ctx, t)
	if err != nil {
		l.Teller.Debugf("services of loom %s: %v", t.ID, err)
		return l.Services(ctx, t)
	}
	return slices.Sorted(maps.Keys(project.AllServices())), nil
}

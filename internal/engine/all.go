package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
)

// All lists the containers of the engine in every state, Compose's and others, sorted by project, service and number.
// It is one request.
func (e *Engine) All(ctx context.Context) ([]Container, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("containers: %w", err)
	}
	out := make([]Container, 0, len(list))
	for _, s := range list {
		c := fromSummary(s)
		c.networkMode = s.HostConfig.NetworkMode
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Container) int {
		return cmp.Or(
			cmp.Compare(a.Project, b.Project),
			cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Number, b.Number),
			cmp.Compare(a.Name, b.Name),
		)
	})
	attribute(out)
	return out, nil
}

// BindingsOf lists the host ports of containers that [Engine.All] listed, whatever their state, sorted by port. The
// list has no ports of stopped containers: each costs a request. A port that the engine will choose when a stopped
// container starts does not count. Containers that vanish meanwhile are left out.
func (e *Engine) BindingsOf(ctx context.Context, all []Container) ([]Binding, error) {
	found := make([][]Binding, len(all))
	var g errgroup.Group
	g.SetLimit(inspects)
	for i, c := range all {
		if c.State == "running" || c.State == "paused" {
			for _, p := range slices.Concat(c.Published, c.Forwards) {
				if p.Via != "" {
					// The container that publishes it has it among its forwards.
					continue
				}
				found[i] = append(found[i], Binding{
					IP: p.HostIP, Protocol: p.Protocol, Port: p.Host,
					Container: c.Name, Project: c.Project, State: c.State,
				})
			}
			continue
		}
		if unpublishable(c.networkMode) {
			continue
		}
		g.Go(func() error {
			r, err := e.api.ContainerInspect(ctx, c.ID)
			if cerrdefs.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("host ports of container %s: %w", c.Name, err)
			}
			found[i] = configured(r)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := slices.Concat(found...)
	sortBindings(out)
	return out, nil
}

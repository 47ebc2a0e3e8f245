package stack

import (
	"context"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// freeChangedNetworks removes networks whose configuration changed, and first takes the containers off them. Compose
// would recreate such a network and join the same containers to it without any alias: their names would no longer
// resolve, and the next up would find nothing to do. The containers stay, stopped: the new ones inherit their anonymous
// volumes.
func (s *Stack) freeChangedNetworks(ctx context.Context, p *types.Project) error {
	client := s.docker.Client()
	byProject := filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+p.Name))
	networks, err := client.NetworkList(ctx, network.ListOptions{Filters: byProject})
	if err != nil {
		return err
	}
	var changed []string
	on := map[string][]container.Summary{}
	var services []string
	for _, n := range networks {
		wanted, ok := p.Networks[n.Labels[api.NetworkLabel]]
		if !ok || bool(wanted.External) || wanted.Name != n.Name {
			continue
		}
		hash, err := compose.NetworkHash(&wanted)
		if err != nil {
			return err
		}
		if have := madeFrom(n.Labels); have == "" || have == hash {
			continue
		}
		changed = append(changed, n.ID)
		args := byProject.Clone()
		args.Add("network", n.ID)
		if on[n.ID], err = client.ContainerList(ctx, container.ListOptions{All: true, Filters: args}); err != nil {
			return err
		}
		for _, c := range on[n.ID] {
			if name := c.Labels[api.ServiceLabel]; p.Services[name].Name != "" && !slices.Contains(services, name) {
				services = append(services, name)
			}
		}
	}
	if len(services) > 0 {
		// What else was joined to the network keeps running.
		if err := s.compose.Stop(ctx, p.Name, api.StopOptions{Project: p, Services: services}); err != nil {
			return err
		}
	}
	for _, id := range changed {
		for _, c := range on[id] {
			if err := client.NetworkDisconnect(ctx, id, c.ID, true); err != nil && !errdefs.IsNotFound(err) {
				return err
			}
		}
		if err := client.NetworkRemove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// hasDetachedContainer reports whether a container is not on a network of its service. Such a network was freed, now or
// by an up that did not finish. Compose itself looks at running containers only.
func (s *Stack) hasDetachedContainer(ctx context.Context, p *types.Project) (bool, error) {
	list, err := s.docker.Client().ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", api.ProjectLabel+"="+p.Name), filters.Arg("label", api.OneoffLabel+"=False"))})
	if err != nil {
		return false, err
	}
	for _, c := range list {
		service, ok := p.Services[c.Labels[api.ServiceLabel]]
		if !ok || service.NetworkMode != "" || c.NetworkSettings == nil {
			continue
		}
		for key := range service.Networks {
			n := p.Networks[key]
			if _, on := c.NetworkSettings.Networks[n.Name]; !on && !bool(n.External) {
				return true, nil
			}
		}
	}
	return false, nil
}

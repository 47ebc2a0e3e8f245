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
// volumes. What is of another project goes back on them.
func (s *Stack) freeChangedNetworks(ctx context.Context, p *types.Project) error {
	changed, err := s.changedNetworks(ctx, p)
	if err != nil {
		return err
	}
	client := s.docker.Client()
	on := map[string][]container.Summary{}
	var services []string
	var others []attachment
	for _, n := range changed {
		onIt := filters.NewArgs(filters.Arg("network", n.ID))
		if on[n.ID], err = client.ContainerList(ctx, container.ListOptions{All: true, Filters: onIt}); err != nil {
			return err
		}
		for _, c := range on[n.ID] {
			name := c.Labels[api.ServiceLabel]
			switch {
			case c.Labels[api.ProjectLabel] != p.Name:
				at, err := s.attachmentOf(ctx, c.ID, n.Name)
				if err != nil {
					return err
				}
				others = append(others, at)
			case p.Services[name].Name != "" && !slices.Contains(services, name):
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
	for _, n := range changed {
		if err := s.removeNetwork(ctx, n.ID, on[n.ID]); err != nil {
			return err
		}
	}
	return s.remake(ctx, p, others)
}

// changedNetworks lists the project's networks on the engine whose configuration is another now.
func (s *Stack) changedNetworks(ctx context.Context, p *types.Project) ([]network.Summary, error) {
	byProject := filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+p.Name))
	networks, err := s.docker.Client().NetworkList(ctx, network.ListOptions{Filters: byProject})
	if err != nil {
		return nil, err
	}
	var changed []network.Summary
	for _, n := range networks {
		wanted, ok := p.Networks[n.Labels[api.NetworkLabel]]
		if !ok || bool(wanted.External) || wanted.Name != n.Name {
			continue
		}
		hash, err := compose.NetworkHash(&wanted)
		if err != nil {
			return nil, err
		}
		if have := madeFrom(n.Labels); have != "" && have != hash {
			changed = append(changed, n)
		}
	}
	return changed, nil
}

// removeNetwork removes a network, and takes the containers off it that are on it.
func (s *Stack) removeNetwork(ctx context.Context, id string, on []container.Summary) error {
	client := s.docker.Client()
	for _, c := range on {
		if err := client.NetworkDisconnect(ctx, id, c.ID, true); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return client.NetworkRemove(ctx, id)
}

// attachment is how a container is on a network.
type attachment struct {
	container, network string
	aliases            []string
}

func (s *Stack) attachmentOf(ctx context.Context, id, name string) (attachment, error) {
	c, err := s.docker.Client().ContainerInspect(ctx, id)
	if err != nil {
		return attachment{}, err
	}
	at := attachment{container: id, network: name}
	if endpoint := c.NetworkSettings.Networks[name]; endpoint != nil {
		at.aliases = endpoint.Aliases
	}
	return at, nil
}

// remake makes networks that were removed, and puts the containers of other projects back on them.
func (s *Stack) remake(ctx context.Context, p *types.Project, others []attachment) error {
	if len(others) == 0 {
		return nil
	}
	bare := *p
	bare.Services = types.Services{}
	err := withStdoutOnStderr(func() error {
		return s.compose.Create(ctx, &bare, api.CreateOptions{IgnoreOrphans: true})
	})
	if err != nil {
		return err
	}
	for _, at := range others {
		endpoint := &network.EndpointSettings{Aliases: at.aliases}
		err := s.docker.Client().NetworkConnect(ctx, at.network, at.container, endpoint)
		// One that ended meanwhile is left out.
		if err != nil && !errdefs.IsNotFound(err) {
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

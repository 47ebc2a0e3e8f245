package stack

import (
	"context"
	"slices"
	"sync"

	"github.com/docker/cli/cli/command"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// ownCli is the docker command line with a client that lists only what is Own. Compose finds all that it removes by
// listing what has the project's label.
type ownCli struct {
	command.Cli
	client *ownClient
}

// Client lists only what is Own.
func (c ownCli) Client() client.APIClient { return c.client }

type ownClient struct {
	client.APIClient
	own Own

	mu    sync.Mutex
	inUse map[string][]string // containers on a network, by names
}

// ContainerList lists the containers that are Own.
func (c *ownClient) ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error) {
	list, err := c.APIClient.ContainerList(ctx, o)
	return slices.DeleteFunc(list, func(s container.Summary) bool { return !c.own.Containers[s.ID] }), err
}

// NetworkList lists the networks that are Own.
func (c *ownClient) NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error) {
	list, err := c.APIClient.NetworkList(ctx, o)
	return slices.DeleteFunc(list, func(n network.Summary) bool { return !c.own.Networks[n.ID] }), err
}

// NetworkInspect is asked for a network that is about to be removed. Compose leaves one that has containers.
func (c *ownClient) NetworkInspect(
	ctx context.Context, id string, o network.InspectOptions,
) (network.Inspect, error) {
	n, err := c.APIClient.NetworkInspect(ctx, id, o)
	if err != nil || len(n.Containers) == 0 {
		return n, err
	}
	var by []string
	for _, at := range n.Containers {
		by = append(by, at.Name)
	}
	slices.Sort(by)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inUse[n.Name] = by
	return n, nil
}

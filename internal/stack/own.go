package stack

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
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
	project string
	own     Own

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

// ImageList lists the images that are Own, with no other tags than those that Compose gave them.
func (c *ownClient) ImageList(ctx context.Context, o image.ListOptions) ([]image.Summary, error) {
	list, err := c.APIClient.ImageList(ctx, o)
	var own []image.Summary
	for _, i := range list {
		if i.RepoTags = c.own.Tags(c.project, i.Labels, i.RepoTags); len(i.RepoTags) > 0 {
			own = append(own, i)
		}
	}
	return own, err
}

// Tags are those tags of an image built for the project that go with it. An image that was committed from a container
// has the labels of the project too, but another name.
func (o Own) Tags(project string, labels map[string]string, tags []string) []string {
	name := project + "-" + labels[api.ServiceLabel]
	var own []string
	for _, tag := range tags {
		bare := strings.TrimSuffix(tag, ":latest")
		if bare == name || bare == name+"-base" || o.Images[tag] || o.Images[bare] {
			own = append(own, tag)
		}
	}
	return own
}

package stack

import (
	"context"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"
)

// Own says which objects with a project's label are to be removed. Any tool can give its own objects the label.
type Own struct {
	// Containers and Networks are IDs.
	Containers, Networks map[string]bool
}

// DownOptions are the choices of Down.
type DownOptions struct {
	Own Own
	// Project gives the pre_stop hooks and the order, as RecordedHooks makes it; nil runs none.
	Project *types.Project
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
}

// Down removes the containers, their anonymous volumes and the networks of the project with this name that are Own,
// whatever the files say now. Named volumes and images stay. A network that another container uses stays too:
// inUse has the names of these containers by that of the network.
func (s *Stack) Down(ctx context.Context, name string, o DownOptions) (inUse map[string][]string, err error) {
	view := &ownClient{APIClient: s.docker.Client(), own: o.Own, inUse: map[string][]string{}}
	backend := compose.NewComposeService(ownCli{s.docker, view}, compose.WithPrompt(no))
	// By name Compose runs no pre_stop hooks. From a project it removes only what the project still names. So the
	// containers are stopped from the project and removed by name.
	stop := api.StopOptions{Project: o.Project, Timeout: timeout(o.Timeout)}
	if err := backend.Stop(ctx, name, stop); err != nil {
		return nil, err
	}
	if err := s.removeContainers(ctx, view, name); err != nil {
		return nil, err
	}
	err = backend.Down(ctx, name, api.DownOptions{RemoveOrphans: true, Timeout: timeout(o.Timeout)})
	return view.inUse, err
}

// removeContainers removes a project's containers together with their anonymous volumes, which nothing else ties to the
// project: Compose keeps them unless the named volumes go too.
func (s *Stack) removeContainers(ctx context.Context, client client.ContainerAPIClient, name string) error {
	byProject := filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+name))
	list, err := client.ContainerList(ctx, container.ListOptions{All: true, Filters: byProject})
	if err != nil || len(list) == 0 {
		return err
	}
	return s.Progress(ctx, Phase{Title: "Removing"}, func(ctx context.Context, step Step) error {
		var g errgroup.Group
		for _, c := range list {
			g.Go(func() error {
				id := "Container " + strings.TrimPrefix(append(c.Names, c.ID)[0], "/")
				step(id, "Removing", Working)
				err := client.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
				if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
					step(id, "Error", Failed)
					return err
				}
				step(id, "Removed", Done)
				return nil
			})
		}
		return g.Wait()
	})
}

func timeout(d time.Duration) *time.Duration {
	if d <= 0 {
		return nil
	}
	return &d
}

// Stop stops the containers of the project with this name; p gives the pre_stop hooks, nil runs none.
func (s *Stack) Stop(ctx context.Context, name string, p *types.Project, d time.Duration) error {
	return s.compose.Stop(ctx, name, api.StopOptions{Project: p, Timeout: timeout(d)})
}

// StopServices stops the containers of these services of the project with this name.
func (s *Stack) StopServices(ctx context.Context, name string, services []string, d time.Duration) error {
	return s.compose.Stop(ctx, name, api.StopOptions{Services: services, Timeout: timeout(d)})
}

// Kill kills the containers of the project with this name.
func (s *Stack) Kill(ctx context.Context, name string) error {
	return s.compose.Kill(ctx, name, api.KillOptions{All: true})
}

// Start starts the stopped containers of the project with this name.
func (s *Stack) Start(ctx context.Context, name string) error {
	return s.compose.Start(ctx, name, api.StartOptions{})
}

package stack

import (
	"context"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"
)

// DownOptions are the choices of Down.
type DownOptions struct {
	// Project gives the pre_stop hooks and the order, as RecordedHooks makes it; nil runs none.
	Project *types.Project
	// Volumes removes the named volumes too; DownFromFiles only.
	Volumes bool
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
}

// Down removes the containers, their anonymous volumes, the networks and the built images of the project with this
// name, whatever the files say now: Compose finds them by its labels. Named volumes stay.
func (s *Stack) Down(ctx context.Context, name string, o DownOptions) error {
	// By name Compose runs no pre_stop hooks. From a project it removes only what the project still names. So the
	// containers are stopped from the project and removed by name.
	if err := s.Stop(ctx, name, o.Project, o.Timeout); err != nil {
		return err
	}
	if err := s.removeContainers(ctx, name); err != nil {
		return err
	}
	return s.compose.Down(ctx, name, api.DownOptions{RemoveOrphans: true, Images: "local", Timeout: timeout(o.Timeout)})
}

// removeContainers removes a project's containers together with their anonymous volumes, which nothing else ties to the
// project: Compose keeps them unless the named volumes go too.
func (s *Stack) removeContainers(ctx context.Context, name string) error {
	client := s.docker.Client()
	byProject := filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+name))
	list, err := client.ContainerList(ctx, container.ListOptions{All: true, Filters: byProject})
	if err != nil || len(list) == 0 {
		return err
	}
	return s.Progress(ctx, "Removing", func(ctx context.Context, step Step) error {
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

// DownFromFiles is docker compose down for a project that was loaded: what other files made under the same project name
// stays.
func (s *Stack) DownFromFiles(ctx context.Context, p *types.Project, o DownOptions) error {
	return s.compose.Down(ctx, p.Name, api.DownOptions{Project: p, Volumes: o.Volumes, Timeout: timeout(o.Timeout)})
}

// DownFromLabels is docker compose down for the project with this name, as the labels of its containers say it: volumes
// and images stay.
func (s *Stack) DownFromLabels(ctx context.Context, name string, o DownOptions) error {
	if o.Project != nil {
		// By name Compose runs no pre_stop hooks.
		if err := s.Stop(ctx, name, o.Project, o.Timeout); err != nil {
			return err
		}
	}
	return s.compose.Down(ctx, name, api.DownOptions{Timeout: timeout(o.Timeout)})
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

package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

func resourceFilter(labels map[string]string) filters.Args {
	if len(labels) == 0 {
		return filters.NewArgs()
	}
	return composeFilter("", labels)
}

// Volume is a volume of the engine.
type Volume struct {
	Name      string
	Driver    string
	Labels    map[string]string
	CreatedAt time.Time // zero where the driver does not say
}

// Volumes lists volumes by name, chosen as in Networks.
func (e *Engine) Volumes(ctx context.Context, labels map[string]string) ([]Volume, error) {
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: resourceFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	out := make([]Volume, 0, len(list.Volumes))
	for _, v := range list.Volumes {
		if v == nil {
			continue
		}
		out = append(out, Volume{Name: v.Name, Driver: v.Driver, Labels: v.Labels, CreatedAt: parseTime(v.CreatedAt)})
	}
	slices.SortFunc(out, func(a, b Volume) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// VolumeInUseError says that a volume stays because containers use it.
type VolumeInUseError struct {
	Name string
	By   []string // names of the containers
}

// Error names the volume and the containers.
func (e *VolumeInUseError) Error() string {
	return "volume " + e.Name + ": container " + strings.Join(e.By, ", ") + " uses it"
}

// NextStep says what the user does next.
func (e *VolumeInUseError) NextStep() string { return "docker rm " + strings.Join(e.By, " ") }

// RemoveVolumes removes volumes with their data. A missing one is not an error; one
// that a container uses is a [VolumeInUseError]. The others are still removed.
func (e *Engine) RemoveVolumes(ctx context.Context, names []string) error {
	return each(names, func(name string) error {
		err := e.api.VolumeRemove(ctx, name, false)
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		err = fmt.Errorf("volume %s: %w", name, err)
		if !cerrdefs.IsConflict(err) {
			return err
		}
		users := filters.NewArgs(filters.Arg("volume", name))
		list, listErr := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: users})
		if listErr != nil || len(list) == 0 {
			return err
		}
		inUse := &VolumeInUseError{Name: name}
		for _, s := range list {
			inUse.By = append(inUse.By, firstName(s.Names))
		}
		return inUse
	})
}

// RemoveContainers kills and removes containers and keeps their volumes. A missing one is not an error, and one that
// something else is removing is waited for. The others are still removed.
func (e *Engine) RemoveContainers(ctx context.Context, ids []string) error {
	return each(ids, func(id string) error {
		err := e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
		if cerrdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
			err = e.gone(ctx, id)
		}
		if err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("container %s: %w", id, err)
		}
		return nil
	})
}

func (e *Engine) gone(ctx context.Context, id string) error {
	ok, errs := e.api.ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-ok:
		return nil
	case err := <-errs:
		return err
	}
}

// each does f for all names, some at once, and joins the errors in order.
func each(names []string, f func(string) error) error {
	errs := make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(inspects)
	for i, n := range names {
		g.Go(func() error {
			errs[i] = f(n)
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

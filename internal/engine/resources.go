package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// Network is a network of the engine.
type Network struct {
	ID       string
	Name     string // not unique on an engine
	Driver   string
	Labels   map[string]string
	Subnets  []netip.Prefix // none for host, none and swarm networks not in use here
	Internal bool
}

// Networks lists networks by name. Without labels these are all of the engine,
// with labels those of Compose projects that carry them all; an empty value asks
// only for the label.
func (e *Engine) Networks(ctx context.Context, labels map[string]string) ([]Network, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{Filters: resourceFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("networks: %w", err)
	}
	out := make([]Network, 0, len(list))
	for _, n := range list {
		one := Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Labels: n.Labels, Internal: n.Internal}
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				one.Subnets = append(one.Subnets, p.Masked())
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Network) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

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

// labelAnonymous is on anonymous volumes since engine 23.
const labelAnonymous = "com.docker.volume.anonymous"

// anonymous returns those of the named volumes that nobody gave a name.
func (e *Engine) anonymous(ctx context.Context, names map[string]bool) ([]string, error) {
	candidates := make([]string, 0, len(names))
	for n := range names {
		if isID(n) {
			candidates = append(candidates, n)
		}
	}
	slices.Sort(candidates)
	keep := make([]bool, len(candidates))
	var g errgroup.Group
	g.SetLimit(inspects)
	for i, n := range candidates {
		g.Go(func() error {
			v, err := e.api.VolumeInspect(ctx, n)
			if cerrdefs.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("volume %s: %w", n, err)
			}
			// Engine 20 labels none, and its volumes outlive an upgrade. A volume
			// that Compose or a user named like an ID has labels or is none of ours.
			_, labelled := v.Labels[labelAnonymous]
			keep[i] = labelled || len(v.Labels) == 0
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []string
	for i, n := range candidates {
		if keep[i] {
			out = append(out, n)
		}
	}
	return out, nil
}

// isID reports whether s is 64 hex digits, as every generated volume name is.
func isID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// Image is an image of the engine, as minimal as its users need it.
type Image struct {
	ID      string
	Tags    []string // name:tag, sorted
	Labels  map[string]string
	Created time.Time
	Size    int64 // bytes
}

// Images lists images. reference is a name, name:tag or pattern as docker images
// takes it, "" for any; labels, where given, must all match, and then only images
// that Compose built are listed.
func (e *Engine) Images(ctx context.Context, reference string, labels map[string]string) ([]Image, error) {
	args := resourceFilter(labels)
	if reference != "" {
		args.Add("reference", reference)
	}
	list, err := e.api.ImageList(ctx, image.ListOptions{Filters: args})
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	out := make([]Image, 0, len(list))
	for _, s := range list {
		one := Image{ID: s.ID, Labels: s.Labels, Created: time.Unix(s.Created, 0), Size: s.Size}
		for _, t := range s.RepoTags {
			if t != "<none>:<none>" {
				one.Tags = append(one.Tags, t)
			}
		}
		slices.Sort(one.Tags)
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Image) int {
		return cmp.Or(slices.Compare(a.Tags, b.Tags), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// RemoveImages takes the tags off, and removes an image with its last tag. A
// missing tag is no error; an image that a container uses is one. The others are
// still removed.
func (e *Engine) RemoveImages(ctx context.Context, tags []string) error {
	return each(tags, func(tag string) error {
		if _, err := e.api.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true}); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("image %s: %w", tag, err)
		}
		return nil
	})
}

// RemoveVolumes removes volumes with their data. A missing one is no error; one
// that a container uses is. The others are still removed.
func (e *Engine) RemoveVolumes(ctx context.Context, names []string) error {
	return each(names, func(name string) error {
		if err := e.api.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("volume %s: %w", name, err)
		}
		return nil
	})
}

// RemoveContainers removes containers and keeps their volumes; with force it
// kills those that run. A missing one is no error, and one that something else
// is removing is waited for. The others are still removed.
func (e *Engine) RemoveContainers(ctx context.Context, ids []string, force bool) error {
	return each(ids, func(id string) error {
		err := e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: force})
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

// Detach takes containers off a network; force also takes those off that do not
// answer. A missing network or container and one that is not attached are no
// errors.
func (e *Engine) Detach(ctx context.Context, network string, ids []string, force bool) error {
	return each(ids, func(id string) error {
		err := e.api.NetworkDisconnect(ctx, network, id, force)
		// For one that is not attached the engine answers 500 (seen on 20 and 28).
		if err == nil || cerrdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not connected to") {
			return nil
		}
		return fmt.Errorf("container %s on network %s: %w", id, network, err)
	})
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

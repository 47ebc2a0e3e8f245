package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/host"
)

// Usage is what one look at a running container tells of who uses it.
type Usage struct {
	ID      string
	Started time.Time // by somebody; for one that its restart policy started again, when it was created
	Execs   []string  // IDs of running execs, those of its healthcheck included
	Probe   string    // its healthcheck as a Session's Command, "" without one
	// Connected says that a TCP connection from outside of the loom to a published
	// port is open, or ended in the last minute.
	Connected bool
	// Unseen says that connections to its published TCP ports cannot be seen from
	// here.
	Unseen bool
}

// Look looks at the running ones among a loom's containers. sockets are those of
// this host, as [host.Host.Sockets] gives them. One that ended meanwhile is left out.
func (e *Engine) Look(ctx context.Context, own []Container, sockets []host.Socket) ([]Usage, error) {
	var inside []netip.Addr
	for _, c := range own {
		inside = append(inside, c.Addresses...)
	}
	own = slices.DeleteFunc(slices.Clone(own), func(c Container) bool { return c.State != "running" })
	found := make([]*Usage, len(own))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspects)
	for i, c := range own {
		g.Go(func() (err error) {
			found[i], err = e.usageOf(ctx, c, inside, sockets)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []Usage
	for _, u := range found {
		if u != nil {
			out = append(out, *u)
		}
	}
	return out, nil
}

func (e *Engine) usageOf(ctx context.Context, c Container, inside []netip.Addr, sockets []host.Socket) (*Usage, error) {
	r, err := e.api.ContainerInspect(ctx, c.ID)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.Name, err)
	}
	if r.ContainerJSONBase == nil || r.State == nil || !r.State.Running {
		return nil, nil
	}
	u := &Usage{ID: c.ID, Started: parseTime(r.State.StartedAt)}
	if r.RestartCount > 0 {
		u.Started = parseTime(r.Created)
	}
	if r.Config != nil {
		u.Probe = probeCommand(r.Config)
	}
	for _, id := range r.ExecIDs {
		x, err := e.api.ContainerExecInspect(ctx, id)
		if err != nil && !cerrdefs.IsNotFound(err) {
			return nil, fmt.Errorf("exec in container %s: %w", c.Name, err)
		}
		if err == nil && x.Running {
			u.Execs = append(u.Execs, id)
		}
	}
	// What another container publishes for this one is looked at there.
	tcp := slices.DeleteFunc(slices.Concat(c.Published, c.Forwards), func(p Published) bool {
		return p.Protocol != "tcp" || p.Via != ""
	})
	if len(tcp) == 0 {
		return u, nil
	}
	var theirs []host.Socket
	readable := false
	machine := e.Machine()
	if machine != nil {
		theirs, readable = machine.ContainerSockets(r.State.Pid, c.ID)
	}
	u.Connected = reached(tcp, sockets, theirs, inside)
	u.Unseen = machine == nil || !readable && !forwarded(tcp, sockets)
	return u, nil
}

// probeCommand is the healthcheck as the engine's events show it.
func probeCommand(c *container.Config) string {
	h := c.Healthcheck
	if h == nil || len(h.Test) < 2 {
		return ""
	}
	if h.Test[0] == "CMD-SHELL" {
		shell := []string{"/bin/sh", "-c"}
		if len(c.Shell) > 0 {
			shell = c.Shell
		}
		return strings.Join(append(slices.Clone(shell), h.Test[1:]...), " ")
	}
	return strings.Join(h.Test[1:], " ")
}

// reached reports whether somebody outside is, or was a minute ago, connected to a
// published port: by the host's sockets, of the engine's proxy or of a client
// here, or by the container's own, whose peer is then no container of the loom.
// The proxy and masqueraded clients come with the network's gateway.
func reached(ports []Published, here, own []host.Socket, inside []netip.Addr) bool {
	for _, s := range here {
		if !s.Open {
			continue
		}
		for _, p := range ports {
			// A client's socket has the port on its other side; a port of that number
			// on another machine is not the loom's.
			if int(s.Local.Port()) == p.Host || int(s.Remote.Port()) == p.Host && s.Remote.Addr() == s.Local.Addr() {
				return true
			}
		}
	}
	for _, s := range own {
		peer := s.Remote.Addr()
		if !s.Open || peer.IsLoopback() || slices.Contains(inside, peer) {
			continue
		}
		for _, p := range ports {
			if int(s.Local.Port()) == p.Target {
				return true
			}
		}
	}
	return false
}

// forwarded reports whether a process of this host takes the connections to all
// of the ports, so that the host's sockets show them: Docker's proxy does, for
// clients that come over loopback at least, and so do Docker Desktop and a
// rootless engine, for all.
func forwarded(ports []Published, here []host.Socket) bool {
	for _, p := range ports {
		if !slices.ContainsFunc(here, func(s host.Socket) bool { return s.Listens && int(s.Local.Port()) == p.Host }) {
			return false
		}
	}
	return true
}

package survey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
)

// Host is what is known of this machine.
type Host struct {
	// Names are the host names by which the loom's published ports are reached.
	Names endpoint.Names
	// Local reports whether the engine publishes its ports on this machine. The rest is empty if it does not.
	Local bool
	// Routes are the machine's, nil until they are needed; Addresses its own, for a confined loom.
	Routes    []netip.Prefix
	Addresses []netip.Addr
	// Listening has, for each lease that was asked for, who listens on a port of it.
	Listening map[ports.Lease]Listener
	// Real are paths with their links followed, as far as they were asked for.
	Real map[string]string

	process host.Process
}

// Listener is a program that listens on a port of this machine.
type Listener struct {
	// Port is 0 if no program does.
	Port int
	// Program is "" if this user cannot see which it is.
	Program string
}

// HostNames are the host names by which the ports that an engine publishes for a loom are reached.
func HostNames(e *engine.Engine, id string) endpoint.Names {
	n := endpoint.Names{Host: e.HostName()}
	if e.Local() && id != identity.Main {
		n.Label = identity.HostLabel(id)
	}
	return n
}

// LookupEnv returns a variable of the user's environment.
func (h Host) LookupEnv(name string) (string, bool) { return h.process.LookupEnv(name) }

// Needs are facts that a plan found missing. What a plan needs to know follows from what it decides: which ports it
// would lease, which paths a service mounts.
type Needs struct {
	// Paths have links to be followed.
	Paths []string
	// Tracked are paths that git may track.
	Tracked []string
	// Leases are host ports on which somebody may listen.
	Leases []ports.Lease
	// Images are references of images whose IDs count.
	Images []string
	// Bindings asks for the host ports of all containers, and for the routes.
	Bindings bool
	// Networks asks for the engine's networks.
	Networks bool
	// Volumes asks for the names of the engine's volumes, Elsewhere for those that other folders' projects make.
	Volumes, Elsewhere bool
}

// Empty reports whether nothing is missing.
func (n Needs) Empty() bool {
	return len(n.Paths) == 0 && len(n.Tracked) == 0 && len(n.Leases) == 0 &&
		len(n.Images) == 0 && !n.Bindings && !n.Networks && !n.Volumes && !n.Elsewhere
}

// Complete reads what was missing.
func (s *Surveyor) Complete(ctx context.Context, f *Facts, n Needs) error {
	for _, path := range n.Paths {
		f.Host.Real[path] = host.RealPath(path)
	}
	for _, lease := range n.Leases {
		f.Host.Listening[lease] = listens(s.Engine.Machine(), lease)
	}
	for _, ref := range n.Images {
		id, err := s.Engine.ImageID(ctx, ref)
		if err != nil {
			s.Teller.Debugf("image %s: %v", ref, err)
		}
		f.Engine.Images[ref] = id
	}
	if len(n.Tracked) > 0 {
		tracked, err := f.Target.Git.Tracked(ctx, n.Tracked...)
		if err != nil {
			return err
		}
		maps.Copy(f.Tracked, tracked)
	}
	if n.Networks {
		var err error
		if f.Engine.Networks, err = s.Engine.Networks(ctx, nil); err != nil {
			return err
		}
	}
	if n.Volumes {
		if err := s.volumes(ctx, f); err != nil {
			return err
		}
	}
	if n.Elsewhere {
		if err := s.elsewhere(ctx, f); err != nil {
			return err
		}
	}
	if n.Bindings {
		return s.bindings(ctx, f)
	}
	return nil
}

// volumes reads the names of the engine's volumes.
func (s *Surveyor) volumes(ctx context.Context, f *Facts) error {
	list, err := s.Engine.Volumes(ctx, nil)
	f.Engine.Volumes = []string{}
	for _, v := range list {
		f.Engine.Volumes = append(f.Engine.Volumes, v.Name)
	}
	return err
}

// bindings reads which host ports are taken, and where the networks of this machine lead.
func (s *Surveyor) bindings(ctx context.Context, f *Facts) error {
	var err error
	if f.Engine.Bindings, err = s.Engine.BindingsOf(ctx, f.Engine.Containers); err != nil {
		return err
	}
	if f.Engine.Bindings == nil {
		f.Engine.Bindings = []engine.Binding{}
	}
	if machine := s.Engine.Machine(); machine != nil {
		if f.Host.Routes, err = machine.Routes(); err != nil {
			return fmt.Errorf("routes of this host: %w", err)
		}
	}
	return nil
}

// listens returns who listens on a port of the lease.
func listens(machine *host.Host, lease ports.Lease) Listener {
	for port := lease.Host; port < lease.Host+max(lease.Count, 1); port++ {
		if machine.Listening(lease.IP, lease.Protocol, port) {
			return Listener{port, machine.Program(lease.Protocol, port)}
		}
	}
	return Listener{}
}

// ErrUnsettled says that a plan went on asking for more facts.
var ErrUnsettled = errors.New("ports of this host change faster than they can be looked at")

package loom

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// defaultPools are where networks get their /24s from unless the settings say otherwise: parts of the private ranges
// that Docker's own pools and most routers do not use. The first is taken unless the host has routes over all of it.
var defaultPools = []string{"10.176.0.0/12", "172.16.0.0/12", "192.168.0.0/16", "fd69:6c6f:6f6d::/48"}

// HeldError says that a port of a running loom is held by somebody else.
type HeldError struct {
	Lease  ports.Lease
	Holder string
}

// Error names the port and its holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("port %s, leased to this loom, is held by %s", e.Lease, e.Holder)
}

// NextStep says what the user does next.
func (*HeldError) NextStep() string {
	return "end what holds the port, or stop the loom and bring it up again: it then moves to other ports"
}

// errMeanwhile says that another command chose the same project name, or took the folder, while this one planned.
var errMeanwhile = errors.New("another loom took the project name or the folder meanwhile: run the command again")

// world is what is known of ports and subnets outside the registry.
type world struct {
	bindings []engine.Binding
	networks []engine.Network
	routes   []netip.Prefix
	local    bool
	// theirs has the host ports of containers of other projects, mine those that run of the loom's own.
	theirs, mine ports.Index
}

// lease gives the plan's ports and networks their leases. A loom that has all it needs and whose ports are safely its
// own is left alone, without the lock and without asking the engine for everything it has.
func (l *Looms) lease(ctx context.Context, f *facts, p *Plan, o Options) error {
	want := overrides.Ports(p.base.Project)
	var networks []overrides.Network
	if p.ID != Main {
		networks = overrides.Networks(p.base.Project, overrides.Input{Share: f.settings.Container.Share, Isolate: f.settings.Container.Isolate})
		networks = append(networks, p.outerNetwork()...)
	}
	if p.plain() {
		// A port that nothing will publish need not be free.
		want = slices.DeleteFunc(want, func(port ports.Port) bool { _, ok := p.base.Project.Services[port.Service]; return !ok })
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: p.Entry.Project})
	if err != nil {
		return err
	}
	if p.Known != nil && complete(p.Entry, want, networks) && held(own, p.active(want)) && !changed(p) {
		return nil
	}
	w, err := l.world(ctx, p.Entry.Project)
	if err != nil {
		return err
	}
	if o.Offset == nil {
		adoptPorts(p, own, want)
	}
	adoptSubnets(p, networks, w)
	if err := p.keepOrMove(own, want, w); err != nil {
		return err
	}
	wanted := p.Entry.Offset
	if wanted == 0 && len(p.Entry.Ports) == 0 && !p.Entry.Pinned {
		if wanted, err = ports.Offset(p.ID); err != nil {
			return err
		}
	}
	decide := func(state *registry.State) error {
		e := p.Entry
		now := state.Find(e.Repository, e.ID)
		if other := byProject(state, e.Project); other != nil && other != now && e.ID != Main && (p.Known == nil || p.Known.Project != e.Project) {
			return errMeanwhile
		}
		if owner := state.FilesOwner(e.Dir); e.Files && owner != nil && owner != now {
			return errMeanwhile
		}
		if now != nil {
			e.Hold = now.Hold
		}
		if now != nil && p.Known == nil {
			// Another process made this loom meanwhile.
			e.Ports, e.Offset, e.Subnets = now.Ports, now.Offset, now.Subnets
		}
		if err := allocate(&e, want, wanted, p.plain(), w, state); err != nil {
			return err
		}
		if err := subnets(&e, networks, f.settings.Container.AddressPool, w, state); err != nil {
			return err
		}
		if e.Created.IsZero() {
			e.Created = time.Now().UTC().Truncate(time.Second)
		}
		p.Entry = e
		return nil
	}
	if o.DryRun {
		return decide(f.state)
	}
	return l.Registry.Update(ctx, func(state *registry.State) error {
		if err := decide(state); err != nil {
			return err
		}
		entry := p.Entry
		if p.plain() {
			// main promises nothing: its ports are the files' own, and free again when it is down.
			entry.Ports = nil
		}
		state.Put(entry)
		return nil
	})
}

func (l *Looms) world(ctx context.Context, project string) (*world, error) {
	w := &world{local: l.Engine.Local()}
	var err error
	if w.bindings, err = l.Engine.Bindings(ctx); err != nil {
		return nil, err
	}
	for _, b := range w.bindings {
		lease := ports.Lease{IP: b.IP, Protocol: b.Protocol, Count: 1, Host: b.Port}
		if b.Project != project {
			w.theirs.Add("container "+b.Container, lease)
		} else if b.State == "running" || b.State == "paused" {
			w.mine.Add(b.Container, lease)
		}
	}
	if w.networks, err = l.Engine.Networks(ctx, nil); err != nil {
		return nil, err
	}
	if w.local {
		if w.routes, err = engine.Routes(); err != nil {
			return nil, fmt.Errorf("routes of this host: %w", err)
		}
	}
	return w, nil
}

// holder tells who outside the registry holds a port of the lease: a container of another project, stopped ones too, or
// a program of this host.
func (w *world) holder(lease ports.Lease) (string, bool) {
	if holder, taken := w.theirs.Taken(lease); taken {
		return holder, true
	}
	// A port that the loom's own containers publish has a listener too: the engine's proxy.
	if _, ours := w.mine.Taken(lease); ours || !w.local {
		return "", false
	}
	for port := lease.Host; port < lease.Host+max(lease.Count, 1); port++ {
		if engine.Listening(lease.IP, lease.Protocol, port) {
			return fmt.Sprintf("a program of this host that listens on port %d", port), true
		}
	}
	return "", false
}

// changed tells whether the registry has to be written for other reasons than leases.
func changed(p *Plan) bool {
	k := p.Known
	return k.Created.IsZero() || k.WorkTree != p.Entry.WorkTree || k.Dir != p.Entry.Dir || k.Files != p.Entry.Files ||
		k.Space != p.Entry.Space || k.Project != p.Entry.Project || k.Pinned != p.Entry.Pinned || k.Sandboxed != p.Entry.Sandboxed ||
		!maps.Equal(k.Variables, p.Entry.Variables) || !reflect.DeepEqual(k.Confined, p.Entry.Confined)
}

// active are the leases in use: those of ports that the files still have, of services that no profile disables. main has
// its base ports without a lease.
func (p *Plan) active(want []ports.Port) []ports.Lease {
	var leases []ports.Lease
	for _, port := range want {
		if _, ok := p.base.Project.Services[port.Service]; !ok {
			continue
		}
		if p.plain() {
			leases = append(leases, ports.Lease{IP: port.HostIP, Protocol: port.Protocol, Base: port.Base, Count: port.Count, Host: port.Base})
		} else if lease, ok := ports.Find(p.Entry.Ports, port); ok {
			leases = append(leases, lease)
		}
	}
	return leases
}

// complete tells whether nothing is missing from what the loom holds.
func complete(e registry.Loom, want []ports.Port, networks []overrides.Network) bool {
	for _, port := range want {
		if _, ok := ports.Find(e.Ports, port); !ok && e.ID != Main {
			return false
		}
	}
	for _, n := range networks {
		if len(e.Subnets[n.Key]) != len(n.Pools) {
			return false
		}
	}
	return true
}

// held tells whether the loom's own running containers publish every leased port, so that nobody else can have it.
func held(own []engine.Container, leases []ports.Lease) bool {
	for _, lease := range leases {
		if !publishes(own, lease) {
			return false
		}
	}
	return len(own) > 0
}

func publishes(own []engine.Container, lease ports.Lease) bool {
	for _, c := range own {
		for _, pub := range c.Published {
			if lease.Overlaps(ports.Lease{IP: pub.HostIP, Protocol: pub.Protocol, Count: 1, Host: pub.Host}) {
				return true
			}
		}
	}
	return false
}

// adoptPorts takes over the host ports that the loom's containers publish though the registry lost them.
func adoptPorts(p *Plan, own []engine.Container, want []ports.Port) {
	if len(p.Entry.Ports) > 0 || p.plain() {
		return
	}
	for _, port := range want {
		for _, c := range own {
			for _, pub := range c.Published {
				if c.Service != port.Service || pub.Target != port.Target || pub.Protocol != port.Protocol || port.Count > 1 {
					continue
				}
				lease := ports.Lease{IP: port.HostIP, Protocol: port.Protocol, Base: port.Base, Count: 1, Host: pub.Host}
				// A container port may be published twice, on two host ports or addresses: each is somebody's.
				taken := slices.ContainsFunc(p.Entry.Ports, lease.Overlaps)
				is := ports.Lease{IP: pub.HostIP, Protocol: pub.Protocol, Host: pub.Host}
				if _, have := ports.Find(p.Entry.Ports, port); !have && !taken && lease.Overlaps(is) {
					p.Entry.Ports = append(p.Entry.Ports, lease)
				}
			}
		}
	}
}

// adoptSubnets takes over the subnets of the loom's networks on the engine.
func adoptSubnets(p *Plan, networks []overrides.Network, w *world) {
	for _, n := range networks {
		for _, have := range w.networks {
			if len(p.Entry.Subnets[n.Key]) > 0 || have.Labels[stack.LabelProject] != p.Entry.Project || have.Labels[stack.LabelNetwork] != n.Key || len(have.Subnets) != len(n.Pools) {
				continue
			}
			if p.Entry.Subnets == nil {
				p.Entry.Subnets = map[string][]string{}
			}
			for _, s := range have.Subnets {
				p.Entry.Subnets[n.Key] = append(p.Entry.Subnets[n.Key], s.String())
			}
		}
	}
}

// keepOrMove looks for leases that a stranger holds now. A loom of which nothing runs moves whole; one that runs cannot,
// and the holder is named.
func (p *Plan) keepOrMove(own []engine.Container, want []ports.Port, w *world) error {
	if p.plain() {
		return nil
	}
	running := slices.ContainsFunc(own, func(c engine.Container) bool { return c.State == "running" || c.State == "paused" })
	for _, lease := range p.active(want) {
		holder, taken := w.holder(lease)
		if !taken {
			continue
		}
		if p.Entry.Pinned {
			i := slices.IndexFunc(want, func(port ports.Port) bool { _, ok := ports.Find([]ports.Lease{lease}, port); return ok })
			return &ports.TakenError{Lease: lease, Service: want[i].Service, Holder: holder}
		}
		if running {
			return &HeldError{lease, holder}
		}
		p.Findings = append(p.Findings, finding.Finding{
			Level: finding.Warning, Subject: "port " + lease.String(),
			Message: "is held by " + holder + ": the loom moves to other ports",
		})
		p.Entry.Ports, p.Entry.Offset = nil, 0
		return nil
	}
	return nil
}

// allocate is the decision about ports, made under the registry's lock.
func allocate(e *registry.Loom, want []ports.Port, wanted int, plain bool, w *world, state *registry.State) error {
	leased := state.Ports(e.Space, e.Repository, e.ID)
	result, err := ports.Allocate(ports.Request{
		Ports: want, Offset: wanted, Pinned: e.Pinned, Plain: plain, Keep: e.Ports,
		Taken: func(lease ports.Lease) (string, bool) {
			if holder, taken := leased(lease); taken {
				return holder, true
			}
			return w.holder(lease)
		},
	})
	if err != nil {
		return err
	}
	e.Ports, e.Offset = result.Leases, result.Offset
	return nil
}

// subnets is the decision about networks, made under the registry's lock. A network keeps its subnets for life: a
// changed one would be recreated under its containers.
func subnets(e *registry.Loom, networks []overrides.Network, pools []string, w *world, state *registry.State) error {
	if pools == nil {
		pools = defaultPools
	} else {
		pools = append(slices.Clone(pools), defaultPools[len(defaultPools)-1])
	}
	taken := append(slices.Clone(w.routes), state.Subnets(e.Space, e.Repository, e.ID)...)
	for _, n := range w.networks {
		taken = append(taken, n.Subnets...)
	}
	leased := map[string][]string{}
	for key, cidrs := range e.Subnets {
		leased[key] = cidrs
		for _, cidr := range cidrs {
			if prefix, err := netip.ParsePrefix(cidr); err == nil {
				taken = append(taken, prefix)
			}
		}
	}
	for _, n := range networks {
		if len(leased[n.Key]) == len(n.Pools) {
			continue
		}
		leased[n.Key] = nil
		for _, pool := range n.Pools {
			prefix, err := registry.Subnet(family(pools, pool.IPv6), pool.Bits, taken)
			if err != nil {
				return fmt.Errorf("network %s: %w", n.Key, errors.Join(err, errors.New("container.addressPool in the settings names other networks to take subnets from")))
			}
			taken = append(taken, prefix)
			leased[n.Key] = append(leased[n.Key], prefix.String())
		}
	}
	if len(leased) > 0 {
		e.Subnets = leased
	}
	return nil
}

func family(pools []string, ipv6 bool) []netip.Prefix {
	var list []netip.Prefix
	for _, cidr := range pools {
		if prefix, err := netip.ParsePrefix(cidr); err == nil && prefix.Addr().Is6() == ipv6 {
			list = append(list, prefix)
		}
	}
	return list
}

func prefixes(subnets map[string][]string) map[string][]netip.Prefix {
	out := map[string][]netip.Prefix{}
	for key, cidrs := range subnets {
		for _, cidr := range cidrs {
			if prefix, err := netip.ParsePrefix(cidr); err == nil {
				out[key] = append(out[key], prefix)
			}
		}
	}
	return out
}

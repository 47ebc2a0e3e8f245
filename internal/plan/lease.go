package plan

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan/occupied"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

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
func (e *HeldError) NextStep() string {
	return "docker loom stop ID and docker loom up ID move the loom to other ports; or " +
		ports.StepToFree(e.Lease, e.Holder)
}

// ErrMeanwhile says that another command chose the same project name, or took the folder or a port, while this one
// planned.
var ErrMeanwhile = errors.New("another loom took the project name or the folder meanwhile: run the command again")

// lease gives the loom the ports and subnets that it lacks. If it lacks nothing, and its own containers publish its
// ports, they are not checked.
func (m *maker) lease() error {
	l := leasing{m}
	m.WantedPorts = overrides.Ports(m.base.Project)
	if m.ID != identity.Main {
		m.WantedNetworks = overrides.Networks(m.base.Project, m.shared.input())
		if m.Confined() != nil {
			// The network that only the sidecar is on.
			outer := overrides.Network{Key: EgressOuter, Pools: []overrides.Pool{{Bits: 24}}}
			m.WantedNetworks = append(m.WantedNetworks, outer)
		}
	}
	if m.IsPlain() {
		// A port of a disabled service does not have to be free.
		m.WantedPorts = slices.DeleteFunc(m.WantedPorts, func(port ports.Port) bool { return !m.isActive(port) })
	}
	own := m.facts.Engine.Project(m.Entry.Project)
	known := m.facts.Target.Known
	complete := Complete(m.Entry, m.WantedPorts, m.WantedNetworks)
	if known != nil && complete && publishesAll(own, m.ActiveLeases()) && !l.entryChanged() {
		return nil
	}
	m.Leases = true
	w, ok := occupied.PortsOf(m.facts, m.Entry.Project, &m.needs)
	if !ok {
		return nil
	}
	if m.choices.Offset == nil {
		l.adoptPorts(own)
	}
	l.adoptSubnets()
	if err := l.keepOrMove(own, w); err != nil {
		return err
	}
	entry, err := l.allocate(m.facts.State, w)
	if err != nil && len(m.needs.Leases) > 0 {
		// The missing facts may show that a port is taken.
		return nil
	}
	m.Entry = entry
	return err
}

// Confined says how the loom's services are confined, nil if they are not. main has no override that could do it.
func (p *Plan) Confined() *registry.Confined {
	if p.ID == identity.Main {
		return nil
	}
	return p.Entry.Confined
}

// Promise decides the leases again with the registry as it is now, before they are written. It returns [ErrMeanwhile]
// if they are no longer those of the plan.
func Promise(f *survey.Facts, p *Plan, state *registry.State) error {
	e := &p.Entry
	now := state.ProjectOf(e)
	known := f.Target.Known
	other := state.ByProject(e.Project)
	if other != nil && other != now && e.ID != identity.Main && (known == nil || known.Project != e.Project) {
		return ErrMeanwhile
	}
	if owner := state.FilesOwner(e.Dir); e.Files && owner != nil && owner != now {
		return ErrMeanwhile
	}
	if now != nil && known == nil {
		// Another process made this loom after the plan.
		return ErrMeanwhile
	}
	if now != nil {
		e.Hold = now.Hold
	}
	if leasesTaken(p, known, state) {
		return ErrMeanwhile
	}
	return nil
}

// leasesTaken reports whether another loom has a port or subnet that the plan wants. Leases that this loom holds
// already do not count.
func leasesTaken(p *Plan, known *registry.Loom, state *registry.State) bool {
	e := &p.Entry
	leased := state.Ports(e)
	for _, lease := range e.Ports {
		if _, taken := leased(lease); taken && !p.IsPlain() && !holds(known, lease) {
			return true
		}
	}
	taken := state.Subnets(e)
	for key, prefixes := range registry.Prefixes(e.Subnets) {
		if known != nil && slices.Equal(known.Subnets[key], e.Subnets[key]) {
			continue
		}
		for _, prefix := range prefixes {
			if slices.ContainsFunc(taken, prefix.Overlaps) {
				return true
			}
		}
	}
	return false
}

func holds(known *registry.Loom, lease ports.Lease) bool {
	return known != nil && slices.Contains(known.Ports, lease)
}

// leasing decides on the ports and subnets of a plan.
type leasing struct{ *maker }

// allocate decides the loom's ports and subnets.
func (l leasing) allocate(state *registry.State, w *occupied.Ports) (registry.Loom, error) {
	e := l.Entry
	wanted := e.Offset
	if wanted == 0 && len(e.Ports) == 0 && !e.Pinned {
		var err error
		if wanted, err = ports.Offset(e.ID); err != nil {
			return e, err
		}
	}
	leased := state.Ports(&e)
	request := ports.Request{
		Ports: l.WantedPorts, Offset: wanted, Pinned: e.Pinned, Plain: isPlain(&e), Keep: e.Ports,
		Fixed: len(besideLeases(state, &e)) > 0,
		Taken: func(lease ports.Lease) (string, bool) {
			if holder, taken := leased(lease); taken {
				return holder, true
			}
			return w.Holder(lease)
		},
	}
	result, err := ports.Allocate(request)
	if err != nil {
		return e, err
	}
	l.noteMoved(request, result)
	e.Ports, e.Offset = result.Leases, result.Offset
	e.Subnets, err = occupied.Subnets(l.facts, &e, l.WantedNetworks)
	return e, err
}

// entryChanged reports whether the loom's entry in the registry changes, apart from its leases.
func (l leasing) entryChanged() bool {
	k, e := l.facts.Target.Known, &l.Entry
	return k.Created.IsZero() || k.WorkTree != e.WorkTree || k.Dir != e.Dir || k.Files != e.Files ||
		k.Space != e.Space || k.Project != e.Project || k.Pinned != e.Pinned || k.Sandboxed != e.Sandboxed ||
		k.Untrusted != e.Untrusted || k.Origin != e.Origin ||
		k.Workspace != e.Workspace || !slices.EqualFunc(k.Makes, e.Makes, registry.Made.IsSame) ||
		!maps.Equal(k.Variables, e.Variables) || !reflect.DeepEqual(k.Confined, e.Confined)
}

// isActive reports whether no profile disables the port's service.
func (p *Plan) isActive(port ports.Port) bool {
	_, ok := p.Base.Project.Services[port.Service]
	return ok
}

// ActiveLeases returns the leases in use: of ports that the files still have, and of services that no profile disables.
// The result for main is its base ports, which are never leased.
func (p *Plan) ActiveLeases() []ports.Lease {
	var leases []ports.Lease
	for _, port := range p.WantedPorts {
		if !p.isActive(port) {
			continue
		}
		if p.IsPlain() {
			leases = append(leases, ports.Lease{
				IP: port.HostIP, Protocol: port.Protocol, Base: port.Base, Count: port.Count, Host: port.Base,
			})
		} else if lease, ok := ports.Find(p.Entry.Ports, port); ok {
			leases = append(leases, lease)
		}
	}
	return leases
}

// Complete reports whether the loom holds a lease for each wanted port and network.
func Complete(e registry.Loom, want []ports.Port, networks []overrides.Network) bool {
	for _, port := range want {
		if _, ok := ports.Find(e.Ports, port); !ok && e.ID != identity.Main {
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

// publishesAll reports whether the loom's own running containers publish every leased port. Then nobody else has it.
func publishesAll(own []engine.Container, leases []ports.Lease) bool {
	for _, lease := range leases {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return publishes(c, lease) }) {
			return false
		}
	}
	return len(own) > 0
}

func publishes(c engine.Container, lease ports.Lease) bool {
	return slices.ContainsFunc(c.Published, func(pub engine.Published) bool {
		return lease.Overlaps(ports.Lease{IP: pub.HostIP, Protocol: pub.Protocol, Count: 1, Host: pub.Host})
	})
}

// adoptPorts adds the host ports that the loom's containers publish to its leases, after the registry was lost.
func (l leasing) adoptPorts(own []engine.Container) {
	if len(l.Entry.Ports) > 0 || l.IsPlain() {
		return
	}
	for _, port := range l.WantedPorts {
		for _, c := range own {
			for _, pub := range c.Published {
				if c.Service == port.Service && pub.Target == port.Target && pub.Protocol == port.Protocol && port.Count <= 1 {
					l.adoptPort(port, pub)
				}
			}
		}
	}
}

func (l leasing) adoptPort(port ports.Port, pub engine.Published) {
	lease := ports.Lease{IP: port.HostIP, Protocol: port.Protocol, Base: port.Base, Count: 1, Host: pub.Host}
	// A container port may be published twice, on two host ports or addresses. Each is a lease.
	taken := slices.ContainsFunc(l.Entry.Ports, lease.Overlaps)
	published := ports.Lease{IP: pub.HostIP, Protocol: pub.Protocol, Host: pub.Host}
	if _, have := ports.Find(l.Entry.Ports, port); !have && !taken && lease.Overlaps(published) {
		l.Entry.Ports = append(l.Entry.Ports, lease)
	}
}

// adoptSubnets adds the subnets of the loom's networks on the engine to its leases.
func (l leasing) adoptSubnets() {
	for _, n := range l.WantedNetworks {
		for _, have := range l.facts.Engine.ProjectNetworks(l.Entry.Project) {
			if len(l.Entry.Subnets[n.Key]) > 0 || have.Labels[stack.LabelNetwork] != n.Key ||
				len(have.Subnets) != len(n.Pools) {
				continue
			}
			subnets := maps.Clone(l.Entry.Subnets)
			if subnets == nil {
				subnets = map[string][]string{}
			}
			for _, s := range have.Subnets {
				subnets[n.Key] = append(subnets[n.Key], s.String())
			}
			l.Entry.Subnets = subnets
		}
	}
}

// keepOrMove looks for leases that somebody else holds now. If nothing of the loom runs, all its ports move. If some of
// it runs, it cannot move: the error names the holder.
func (l leasing) keepOrMove(own []engine.Container, w *occupied.Ports) error {
	if l.IsPlain() {
		return nil
	}
	running := slices.ContainsFunc(own, func(c engine.Container) bool {
		return c.State == "running" || c.State == "paused"
	})
	for _, lease := range l.ActiveLeases() {
		holder, taken := w.Holder(lease)
		if !taken {
			continue
		}
		if l.Entry.Pinned {
			i := slices.IndexFunc(l.WantedPorts, func(port ports.Port) bool {
				_, ok := ports.Find([]ports.Lease{lease}, port)
				return ok
			})
			return &ports.TakenError{Lease: lease, Service: l.WantedPorts[i].Service, Holder: holder}
		}
		if running {
			return &HeldError{lease, holder}
		}
		l.find(finding.Finding{
			Level: finding.Warning, Subject: "port " + lease.String(),
			Message: "is held by " + holder + ": the loom moves to " + l.movesTo(),
		})
		l.giveUp(lease)
		return nil
	}
	return nil
}

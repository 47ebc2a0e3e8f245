package plan

import (
	"slices"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// siblings are the other projects of the entry's loom.
func siblings(state *registry.State, e *registry.Loom) []*registry.Loom {
	own := state.ProjectOf(e)
	return slices.DeleteFunc(state.Projects(e.Repository, e.ID), func(k *registry.Loom) bool { return k == own })
}

// besideLeases are the host ports of the other projects of the entry's loom.
func besideLeases(state *registry.State, e *registry.Loom) []ports.Lease {
	var leases []ports.Lease
	for _, k := range siblings(state, e) {
		leases = append(leases, k.Ports...)
	}
	return leases
}

// hasPortsBeside reports whether other projects of the loom have ports: the offset is then theirs too.
func (l leasing) hasPortsBeside() bool { return len(besideLeases(l.facts.State, &l.Entry)) > 0 }

// giveUp drops a lease that somebody else holds: alone, if other projects of the loom have ports with the same offset,
// otherwise with all others of the loom.
func (l leasing) giveUp(lost ports.Lease) {
	if !l.hasPortsBeside() {
		l.Entry.Ports, l.Entry.Offset = nil, 0
		return
	}
	l.Entry.Ports = slices.DeleteFunc(slices.Clone(l.Entry.Ports), func(lease ports.Lease) bool { return lease == lost })
}

// movesTo says where a loom goes that gives up a port.
func (l leasing) movesTo() string {
	if l.hasPortsBeside() {
		return "another port"
	}
	return "other ports"
}

package plan

import (
	"fmt"
	"slices"

	"github.com/docker-loom/docker-loom/internal/finding"
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

// noteAlone adds a finding for each new port that is not where the loom's offset puts it, with the holder of that one.
func (l leasing) noteAlone(r ports.Request, result ports.Result) {
	if !r.Fixed && len(r.Keep) == 0 {
		return
	}
	lifted := ports.LiftAll(r.Ports)
	for _, lease := range result.Leases[len(r.Keep):] {
		wanted := lease
		wanted.Host = ports.Shift(lifted[lease.Base], result.Offset)
		if wanted.Host == lease.Host {
			continue
		}
		holder, taken := r.Taken(wanted)
		if !taken {
			holder = "another port of this project"
		}
		l.find(finding.Finding{
			Level: finding.Info, Subject: "port " + lease.String(),
			Message: fmt.Sprintf("is the next free one for base %d: %d is held by %s", lease.Base, wanted.Host, holder),
		})
	}
}

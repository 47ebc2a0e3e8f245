package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
)

// noteMoved adds findings for new ports that are not where the wanted offset puts them, with who holds that number.
func (l leasing) noteMoved(r ports.Request, result ports.Result) {
	leases := result.Leases[len(r.Keep):]
	if r.Pinned || r.Plain || len(leases) == 0 {
		return
	}
	if wanted := cmp.Or(r.Offset, 1000); !r.Fixed && len(r.Keep) == 0 && result.Offset != wanted {
		l.noteAllMoved(r, result, wanted)
		return
	}
	lifted := ports.LiftAll(r.Ports)
	for _, lease := range leases {
		wanted := lease
		wanted.Host = ports.Shift(lifted[lease.Base], result.Offset)
		if wanted.Host == lease.Host {
			continue
		}
		holder, taken := r.Taken(wanted)
		if !taken {
			holder = "another port of this project"
		}
		l.findMoved(wanted, fmt.Sprintf("%s: base %d gets %d", holder, lease.Base, lease.Host))
	}
}

// noteAllMoved adds a finding if all ports have another offset than the wanted one because one of them was taken.
func (l leasing) noteAllMoved(r ports.Request, result ports.Result, offset int) {
	lifted := ports.LiftAll(r.Ports)
	for _, lease := range result.Leases {
		wanted := lease
		wanted.Host = ports.Shift(lifted[lease.Base], offset)
		if holder, taken := r.Taken(wanted); taken {
			l.findMoved(wanted, fmt.Sprintf("%s: the loom's ports are the bases + %d, not + %d",
				holder, result.Offset, offset))
			return
		}
	}
}

// findMoved adds a finding about the holder of a port, unless there is one already.
func (l leasing) findMoved(wanted ports.Lease, rest string) {
	f := finding.Finding{Level: finding.Warning, Subject: "port " + wanted.String(), Message: "is held by " + rest}
	if slices.ContainsFunc(l.Findings, func(other finding.Finding) bool {
		return other.Subject == f.Subject && strings.HasPrefix(other.Message, "is held by ")
	}) {
		return
	}
	l.find(f)
}

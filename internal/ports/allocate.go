package ports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Request is what [Allocate] decides about: the ports of one loom's project and what the loom wants and has.
type Request struct {
	Ports  []Port  // every published port of the project, in any order; the same one twice gets one lease
	Offset int     // wanted offset, or with Keep the loom's; 0 or above
	Pinned bool    // --offset N: no other offset is tried, a taken port is an error
	Keep   []Lease // what the loom holds: stays as it is and is never checked again
	Fixed  bool    // other projects of the loom have ports with this offset: it stays, ports in the way move alone
	Plain  bool    // the loom main: host port = base, nothing lifted, offset 0, a taken port is an error

	// Taken tells who else holds a port of the lease; nil is nobody. What the loom itself holds must not count.
	Taken func(Lease) (holder string, taken bool)
}

// Result is the offset that was found and the loom's leases: those of Keep first and unchanged, then the new ones by
// base, protocol, address.
type Result struct {
	Offset int
	Leases []Lease
}

// TakenError says that a port the loom must have is held by somebody else.
type TakenError struct {
	Lease   Lease
	Service string
	Holder  string // "" where it is not known
}

// Error names port, service and holder.
func (e *TakenError) Error() string {
	return fmt.Sprintf("port %s of service %s is held by %s", e.Lease, e.Service, cmp.Or(e.Holder, "another program"))
}

// NextStep says what the user does next.
func (e *TakenError) NextStep() string {
	return "choose other ports with --offset N, or " + StepToFree(e.Lease, e.Holder)
}

// StepToFree says how the user gets a port from its holder, which is "loom NAME", "container NAME" or a program. A
// stopped loom or container keeps its ports.
func StepToFree(l Lease, holder string) string {
	switch kind, name, _ := strings.Cut(holder, " "); kind {
	case "loom":
		return "run docker loom down " + name + " --volumes, which ends that loom with its data"
	case "container":
		return "remove container " + name
	}
	return "stop the program that listens on " + l.String()
}

// Allocate gives every port of r.Ports a lease that nobody else holds, within 1024..65535 unless Plain. It changes
// nothing of r.
//
// All ports of a new loom move by one offset: the wanted one (1000 for 0, so that no loom sits on the base ports),
// then that +1000, +2000, … up to 65535, then the lowest that is free. An offset is passed over if a port is
// taken, a range would end above 65535, or the wrap rule brings two ports of the loom together. A port that no offset
// can place, such as base 65534 whose only shifted number is 65535, must not keep the loom from running: then those
// that are in the way, and only they, go to the next free number upward, from the wanted offset.
//
// A loom that holds leases, for this project or another, keeps its offset; a port added since then takes its number
// under that offset, or alone the next free one upward, wrapping at 65535. Ports with the same base (tcp and udp,
// several addresses) get the same number; where a lease of that base is kept, they get its number if it is free.
//
// Errors: a port that is not a host port, a negative offset, a [*TakenError] with Pinned or Plain or, wrapped, where
// nothing is free.
func Allocate(r Request) (Result, error) {
	if r.Plain {
		r.Offset = 0
	}
	if r.Offset < 0 {
		return Result{}, fmt.Errorf("offset %d is below 0", r.Offset)
	}
	if r.Taken == nil {
		r.Taken = func(Lease) (string, bool) { return "", false }
	}
	groups, err := group(r)
	if err != nil {
		return Result{}, err
	}
	if !r.Plain && !r.Pinned && !r.Fixed && len(r.Keep) == 0 && r.Offset == 0 {
		r.Offset = 1000
	}
	switch {
	case r.Pinned || r.Plain:
		err = fixed(r, groups)
	case len(r.Keep) > 0 || r.Fixed:
		err = alone(r, groups)
	default:
		var ok bool
		if r.Offset, ok = together(r, groups); !ok {
			err = alone(r, groups)
		}
	}
	if err != nil {
		return Result{}, err
	}
	leases := slices.Clone(r.Keep)
	for _, g := range groups {
		for _, p := range g.ports {
			leases = append(leases, p.at(g.host))
		}
	}
	return Result{Offset: r.Offset, Leases: leases}, nil
}

// span is all ports of one base that need a lease; they share one host number.
type span struct {
	from  int // the base, lifted
	count int // of its longest range
	ports []Port
	host  int
}

func (p Port) at(host int) Lease {
	return Lease{IP: p.HostIP, Protocol: protocol(p.Protocol), Base: p.Base, Count: length(p.Count), Host: host}
}

// LiftAll is [Lift] for the bases of ports.
func LiftAll(list []Port) map[int]int {
	spans := make(map[int]int, len(list))
	for _, p := range list {
		spans[p.Base] = max(spans[p.Base], length(p.Count))
	}
	return Lift(spans)
}

// group checks the ports and gives those without a lease, by base.
func group(r Request) ([]*span, error) {
	for _, p := range r.Ports {
		if p.Base < 1 || p.Base > Max || p.Count < 0 || p.Count > Max-p.Base+1 {
			return nil, fmt.Errorf("port %s of service %s is not within 1-%d", p.at(p.Base), p.Service, Max)
		}
	}
	from := LiftAll(r.Ports)
	seen := make(map[key]bool, len(r.Keep)+len(r.Ports))
	for _, l := range r.Keep {
		seen[l.key()] = true
	}
	// Sorted, because callers range over maps of services and a loom's leases must not depend on that.
	sorted := slices.SortedFunc(slices.Values(r.Ports), func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Base, b.Base), cmp.Compare(protocol(a.Protocol), protocol(b.Protocol)),
			cmp.Compare(normal(a.HostIP), normal(b.HostIP)), cmp.Compare(length(a.Count), length(b.Count)),
			cmp.Compare(a.Service, b.Service))
	})
	var groups []*span
	for _, p := range sorted {
		k := keyOf(p.HostIP, p.Protocol, p.Base, p.Count)
		if seen[k] {
			continue
		}
		seen[k] = true
		if n := len(groups); n == 0 || groups[n-1].ports[0].Base != p.Base {
			g := &span{from: from[p.Base]}
			if r.Plain {
				g.from = p.Base
			}
			groups = append(groups, g)
		}
		g := groups[len(groups)-1]
		g.ports = append(g.ports, p)
		g.count = max(g.count, length(p.Count))
	}
	return groups, nil
}

// fixed places every port under r.Offset or fails.
func fixed(r Request, groups []*span) error {
	own := kept(r)
	for _, g := range groups {
		g.host = Shift(g.from, r.Offset)
		if last := g.host + g.count - 1; last > Max {
			first := g.ports[0]
			return fmt.Errorf("ports %s of service %s end above %d with offset %d",
				first.at(g.host), first.Service, Max, r.Offset)
		}
		if err := own.place(r, g); err != nil {
			return err
		}
	}
	return nil
}

// alone places every port near where r.Offset wants it, each for itself. Beside other projects those that can be there
// come first: one that has to move takes none of their numbers.
func alone(r Request, groups []*span) error {
	own := kept(r)
	var left []*span
	for _, g := range groups {
		g.host = Shift(g.from, r.Offset)
		if i := slices.IndexFunc(r.Keep, func(l Lease) bool { return l.Base == g.ports[0].Base }); i >= 0 {
			g.host = r.Keep[i].Host
		}
		fits := g.host >= Min && g.host+g.count-1 <= Max
		if !r.Fixed || !fits || own.place(r, g) != nil {
			left = append(left, g)
		}
	}
	for _, g := range left {
		if err := own.next(r, g, g.host); err != nil {
			return err
		}
	}
	return nil
}

// together looks for the offset under which every port is free and sets the hosts to it; without one it gives the
// wanted offset and false.
func together(r Request, groups []*span) (int, bool) {
	order := slices.Clone(groups)
	if try(r, order, r.Offset) {
		return r.Offset, true
	}
	for o := r.Offset; o <= Max-1000; {
		if o += 1000; try(r, order, o) {
			return o, true
		}
	}
	for o := 1; o <= Max; o++ {
		if try(r, order, o) {
			return o, true
		}
	}
	return r.Offset, false
}

// try sets the hosts of order to an offset and reports whether it will do. It moves a span that is in the way to the
// front: one whose few possible numbers are all held refuses the next 65535 offsets at one question each, and a
// question may be a system call.
func try(r Request, order []*span, offset int) bool {
	wrapped := false
	for i, g := range order {
		g.host = Shift(g.from, offset)
		wrapped = wrapped || g.host != g.from+offset
		taken := g.host+g.count-1 > Max || slices.ContainsFunc(g.ports, func(p Port) bool {
			_, taken := r.Taken(p.at(g.host))
			return taken
		})
		if taken {
			order[0], order[i] = g, order[0]
			return false
		}
	}
	// Ports that all moved by the same number lie as far apart as their bases do; only wrapping can bring two together.
	return !wrapped || !crowded(order)
}

// crowded reports whether two ports of different bases clash.
func crowded(groups []*span) bool {
	sorted := slices.SortedFunc(slices.Values(groups), func(a, b *span) int { return cmp.Compare(a.host, b.host) })
	for i, g := range sorted {
		for _, o := range sorted[i+1:] {
			if o.host >= g.host+g.count {
				break
			}
			for _, p := range g.ports {
				if slices.ContainsFunc(o.ports, func(q Port) bool { return clash(p.at(g.host), q.at(o.host)) }) {
					return true
				}
			}
		}
	}
	return false
}

// clash reports whether two leases of one loom are in each other's way. Those that meet in the files already (the
// same port on every address and on 127.0.0.1, each in a profile of its own) may meet on the host too.
func clash(a, b Lease) bool {
	return a.Overlaps(b) && !intersect(a.Base, a.Count, b.Base, b.Count)
}

// own is what the loom itself holds and has just been given.
type own struct{ Index }

func kept(r Request) *own {
	var o own
	for _, l := range r.Keep {
		o.Add("", l)
	}
	return &o
}

// place takes g.host for g, or says who has it.
func (o *own) place(r Request, g *span) error {
	for _, p := range g.ports {
		l := p.at(g.host)
		if h, met := o.find(l, func(other Lease) bool { return clash(l, other) }); met && !r.Plain {
			holder := fmt.Sprintf("this loom's own port for base %d", h.lease.Base)
			return &TakenError{Lease: l, Service: p.Service, Holder: holder}
		}
		if holder, taken := r.Taken(l); taken {
			return &TakenError{Lease: l, Service: p.Service, Holder: holder}
		}
	}
	for _, p := range g.ports {
		o.Add("", p.at(g.host))
	}
	return nil
}

// next places g at want or the next number upward that is free, starting again at Min above Max.
func (o *own) next(r Request, g *span, want int) error {
	places := Max - Min + 2 - g.count
	if places < 1 {
		first := g.ports[0]
		return fmt.Errorf("%d ports from %d of service %s do not fit within %d-%d",
			g.count, first.Base, first.Service, Min, Max)
	}
	start := want - Min
	if start < 0 || start >= places {
		start = 0
	}
	var first error
	for i := range places {
		g.host = Min + (start+i)%places
		err := o.place(r, g)
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return fmt.Errorf("no host port is free: %w", first)
}

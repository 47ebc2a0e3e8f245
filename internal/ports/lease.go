// Package ports decides which host ports a loom gets: the wanted number of every published port of a project, and the
// leases that are free.
//
// It is pure: no sockets, no files, no engine. What is held by somebody else comes in as a function
// ([Request.Taken]). The rules are those of iloom (offset of an id, wrap rule) and, where iloom lets looms collide,
// of the design's "Ports and subnets".
package ports

import (
	"net/netip"
	"strconv"
	"strings"
)

// Host ports lie in 1..Max; a loom is never given one below Min, which needs privileges.
const (
	Min = 1024
	Max = 65535
)

// Port is one published port of a project as its files say it.
type Port struct {
	Service  string // name of the service that publishes it, for messages
	Target   int    // port inside the container, not looked at here
	Protocol string // tcp, udp or sctp; "" is tcp
	HostIP   string // "" is every address
	Base     int    // first host port, 1..65535
	Count    int    // number of host ports: 1, or the length of a published range such as 9100-9110; 0 counts as 1
}

// Lease is one host address range promised to a loom: the ports Host to Host+Count-1 of one protocol on one address,
// in place of Base to Base+Count-1 of the project's files. A Count of 0 counts as 1, a Protocol of "" is tcp.
type Lease struct {
	IP       string `json:"ip,omitempty"`
	Protocol string `json:"protocol"`
	Base     int    `json:"base"`
	Count    int    `json:"count"`
	Host     int    `json:"host"`
}

// Overlaps reports whether l and o cannot both be listened on: same protocol, a port in common, and addresses that
// meet. "", 0.0.0.0 and :: meet every address, and so does what is not an IP address at all; others meet their equal
// only.
func (l Lease) Overlaps(o Lease) bool {
	return protocol(l.Protocol) == protocol(o.Protocol) &&
		intersect(l.Host, l.Count, o.Host, o.Count) &&
		address(l.IP).meets(address(o.IP))
}

// String returns the lease as docker writes ports: 3123/tcp, 127.0.0.1:3123/tcp, [::1]:9223-9233/udp.
func (l Lease) String() string {
	var b strings.Builder
	if ip := strings.Trim(l.IP, "[]"); strings.Contains(ip, ":") {
		b.WriteString("[" + ip + "]:")
	} else if ip != "" {
		b.WriteString(ip + ":")
	}
	b.WriteString(strconv.Itoa(l.Host))
	if n := length(l.Count); n > 1 {
		b.WriteString("-" + strconv.Itoa(l.Host+n-1))
	}
	return b.String() + "/" + protocol(l.Protocol)
}

// Find returns the lease that was made for p: same base, length, protocol and address. A range that has grown or shrunk
// has no lease yet.
func Find(leases []Lease, p Port) (Lease, bool) {
	want := keyOf(p.HostIP, p.Protocol, p.Base, p.Count)
	for _, l := range leases {
		if l.Base == p.Base && l.key() == want {
			return l, true
		}
	}
	return Lease{}, false
}

// key is what makes two published ports the same promise. Services do not count: two of them that publish the same port
// (one per profile, never up together) share its lease as they share the port in the files.
type key struct {
	ip       string
	protocol string
	base     int
	count    int
}

func keyOf(ip, proto string, base, count int) key {
	return key{normal(ip), protocol(proto), base, length(count)}
}

func (l Lease) key() key { return keyOf(l.IP, l.Protocol, l.Base, l.Count) }

// met is an address reduced to what decides whether two bindings meet.
type met struct {
	addr netip.Addr
	any  bool
}

func address(ip string) met {
	if ip == "" {
		return met{any: true}
	}
	a, err := netip.ParseAddr(strings.Trim(ip, "[]"))
	// A name such as localhost may be any address: taking it for all of them can only keep a port free too often.
	if err != nil || a.Unmap().IsUnspecified() {
		return met{any: true}
	}
	return met{addr: a.Unmap()}
}

func (m met) meets(o met) bool { return m.any || o.any || m.addr == o.addr }

func normal(ip string) string {
	if a, err := netip.ParseAddr(strings.Trim(ip, "[]")); err == nil {
		return a.Unmap().String()
	}
	return ip
}

func protocol(p string) string {
	if p == "" {
		return "tcp"
	}
	return strings.ToLower(p)
}

func length(count int) int { return max(count, 1) }

func intersect(a, na, b, nb int) bool { return a < b+length(nb) && b < a+length(na) }

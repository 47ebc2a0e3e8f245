package egress

import "net/netip"

// class is what kind of network an address belongs to.
type class int

const (
	// classPublic is an address of the internet.
	classPublic class = iota
	// classPrivate is an address of an organisation's or a machine's own networks. AllowPrivate can allow it.
	classPrivate
	// classClosed is an address of the machine itself, of a cloud's metadata service, or of no host. Only a rule with the
	// address itself allows one.
	classClosed
)

// metadata are addresses of services of clouds that give out credentials. They are listed if no closed range covers
// them.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true,
	netip.MustParseAddr("168.63.129.16"):   true, // Azure, in public space
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba, in CGNAT space
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("fd00:42::42"):     true, // Scaleway
}

// closed4 are the IPv4 ranges of IANA's special-purpose registry that are neither public nor private.
var closed4 = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)

var private4 = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")

// Only global unicast IPv6 addresses are public, without the ranges that IANA reserves in them: Teredo and others in
// 2001::/23, and documentation. A 6to4 or NAT64 address counts as the IPv4 address in it.
var (
	global6   = netip.MustParsePrefix("2000::/3")
	closed6   = prefixes("2001::/23", "2001:db8::/32", "3fff::/20")
	private6  = netip.MustParsePrefix("fc00::/7")
	sixToFour = netip.MustParsePrefix("2002::/16")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)

// classify returns the class of an address and the reason for a refusal.
func classify(a netip.Addr) (class, string) {
	a = a.WithZone("").Unmap()
	switch {
	case !a.IsValid():
		return classClosed, "no address"
	case metadata[a]:
		return classClosed, "a metadata address"
	case a.Is4():
		for _, p := range closed4 {
			if p.Contains(a) {
				return classClosed, "a loopback, link-local or reserved address"
			}
		}
		for _, p := range private4 {
			if p.Contains(a) {
				return classPrivate, "a private address"
			}
		}
		return classPublic, ""
	}
	b := a.As16()
	switch {
	case sixToFour.Contains(a):
		return classifyEmbedded(netip.AddrFrom4([4]byte(b[2:6])))
	case nat64.Contains(a):
		return classifyEmbedded(netip.AddrFrom4([4]byte(b[12:16])))
	case private6.Contains(a):
		return classPrivate, "a private address"
	case !global6.Contains(a):
		return classClosed, "a loopback, link-local or reserved address"
	}
	for _, p := range closed6 {
		if p.Contains(a) {
			return classClosed, "a reserved address"
		}
	}
	return classPublic, ""
}

// classifyEmbedded classifies an IPv4 address inside an IPv6 address. It is never private: a client can use the IPv4
// address.
func classifyEmbedded(a netip.Addr) (class, string) {
	if c, why := classify(a); c != classPublic {
		return classClosed, why + " within an IPv6 address"
	}
	return classPublic, ""
}

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

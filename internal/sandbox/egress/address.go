package egress

import "net/netip"

// class says how far an address is from the public internet.
type class int

const (
	public  class = iota
	private       // of an organisation's or a machine's own networks: AllowPrivate can lift it
	closed        // of the machine itself, of a cloud's metadata service, or no host's: only a rule of that very address lifts it
)

// metadata are the services of clouds that hand out credentials, where no wider range covers them or AllowPrivate would lift that.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true,
	netip.MustParseAddr("168.63.129.16"):   true, // Azure, in public space
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba, in CGNAT space
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("fd00:42::42"):     true, // Scaleway
}

// closed4 are the IPv4 ranges that are no host of the internet and no private network; the IANA special-purpose registry.
var closed4 = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)

var private4 = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")

// Of IPv6 only global unicast addresses count as public, without what IANA set aside in it: Teredo and others in 2001::/23,
// and documentation. 6to4 and NAT64 addresses count as the IPv4 address in them.
var (
	global6   = netip.MustParsePrefix("2000::/3")
	closed6   = prefixes("2001::/23", "2001:db8::/32", "3fff::/20")
	private6  = netip.MustParsePrefix("fc00::/7")
	sixToFour = netip.MustParsePrefix("2002::/16")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)

// classify says what kind of address a is, with the reason for a refusal.
func classify(a netip.Addr) (class, string) {
	a = a.WithZone("").Unmap()
	switch {
	case !a.IsValid():
		return closed, "no address"
	case metadata[a]:
		return closed, "a metadata address"
	case a.Is4():
		for _, p := range closed4 {
			if p.Contains(a) {
				return closed, "a loopback, link-local or reserved address"
			}
		}
		for _, p := range private4 {
			if p.Contains(a) {
				return private, "a private address"
			}
		}
		return public, ""
	}
	b := a.As16()
	switch {
	case sixToFour.Contains(a):
		return embedded(netip.AddrFrom4([4]byte(b[2:6])))
	case nat64.Contains(a):
		return embedded(netip.AddrFrom4([4]byte(b[12:16])))
	case private6.Contains(a):
		return private, "a private address"
	case !global6.Contains(a):
		return closed, "a loopback, link-local or reserved address"
	}
	for _, p := range closed6 {
		if p.Contains(a) {
			return closed, "a reserved address"
		}
	}
	return public, ""
}

// embedded is never private: who means a private IPv4 address can name it.
func embedded(a netip.Addr) (class, string) {
	if c, why := classify(a); c != public {
		return closed, why + " within an IPv6 address"
	}
	return public, ""
}

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

package registry

import (
	"fmt"
	"net/netip"
	"slices"
)

// Subnet returns the lowest free subnet of length bits in the first pool that has one: it overlaps nothing of taken,
// which may come in any order, overlap itself and be larger or smaller than the subnet. Its time is that of sorting
// taken. Where every pool is full, or smaller than the subnet, the error names the pools.
func Subnet(pool []netip.Prefix, bits int, taken []netip.Prefix) (netip.Prefix, error) {
	sorted := make([]netip.Prefix, 0, len(taken))
	for _, t := range taken {
		if t = plain(t); t.IsValid() {
			sorted = append(sorted, t)
		}
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	for _, p := range pool {
		if p = plain(p); !p.IsValid() || bits < p.Bits() {
			continue
		}
		if s, ok := free(p, bits, sorted); ok {
			return s, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free subnet of length /%d in the address pool %v", bits, pool)
}

// free looks in one pool; taken is sorted by first address.
func free(pool netip.Prefix, bits int, taken []netip.Prefix) (netip.Prefix, bool) {
	s := netip.PrefixFrom(pool.Addr(), bits)
	if !s.IsValid() {
		return s, false
	}
	for _, t := range taken {
		if t.Addr().BitLen() != s.Addr().BitLen() || last(t).Less(s.Addr()) {
			continue
		}
		if last(s).Less(t.Addr()) {
			break
		}
		// The next candidate follows the block of our size that t ends in. Past the last address there is none, which
		// Contains refuses too.
		end := netip.PrefixFrom(last(t), bits).Masked()
		next := last(end).Next()
		if !next.IsValid() || !pool.Contains(next) {
			return s, false
		}
		s = netip.PrefixFrom(next, bits)
	}
	return s, true
}

// plain is the prefix without host bits, and of IPv4 if it is one in IPv6 clothes.
func plain(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// last is the highest address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Prefixes parses subnets as the registry has them; texts that are not subnets are left out.
func Prefixes(subnets map[string][]string) map[string][]netip.Prefix {
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

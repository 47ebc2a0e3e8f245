package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// namespace is the network namespace of this process.
type namespace struct {
	own       []netip.Addr
	gateways  []string // addresses of gateways, known and usual ones
	resolvers []string // host:port
	ipv6      []string // addresses that are not loopback
}

func readNamespace() (namespace, error) {
	var n namespace
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return namespace{}, fmt.Errorf("the interfaces of the network namespace: %w", err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLoopback() {
			continue
		}
		n.own = append(n.own, p.Addr().Unmap())
		if p.Addr().Is6() {
			n.ipv6 = append(n.ipv6, p.Addr().String())
		}
		// Docker gives a bridge the first address of its subnet.
		n.gateways = append(n.gateways, p.Masked().Addr().Next().String())
	}
	if len(n.own) == 0 {
		return namespace{}, errors.New("the network namespace has no network")
	}
	n.gateways = append(n.gateways, "172.17.0.1")
	n.gateways = append(n.gateways, routeGateways()...)

	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return namespace{}, err
	}
	servers := []string{"127.0.0.11"}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" && !slices.Contains(servers, f[1]) {
			servers = append(servers, f[1])
		}
	}
	for _, s := range servers {
		n.resolvers = append(n.resolvers, net.JoinHostPort(s, "53"))
	}
	return n, nil
}

// routeGateways returns the gateways of the routing table, if this system has /proc/net/route.
func routeGateways() []string {
	b, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] == "00000000" {
			continue
		}
		// The bytes are in the machine's order: little-endian on every machine of Docker's but s390x.
		if v, err := strconv.ParseUint(f[2], 16, 32); err == nil {
			list = append(list, netip.AddrFrom4([4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}).String())
		}
	}
	return list
}

package host

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Listening reports whether something on this host already has a tcp or udp port. It takes the port for a moment to
// learn that. ip is the address that is to be published; "", 0.0.0.0 and :: mean all, and then a listener on any one
// address counts, also on a loopback one alone. What cannot be known does not count: an address that this host does
// not have, a port without the right to bind it, sctp, ports outside 1–65535.
func (*Host) Listening(ip, protocol string, port int) bool {
	if port < 1 || port > 65535 || protocol != "tcp" && protocol != "udp" {
		return false
	}
	return slices.ContainsFunc(probes(ip, runtime.GOOS), func(a netip.Addr) bool {
		return taken(a, protocol, uint16(port))
	})
}

var (
	any4  = netip.IPv4Unspecified()
	any6  = netip.IPv6Unspecified()
	loop4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loop6 = netip.IPv6Loopback()
)

// probes returns the addresses to bind. Linux refuses to bind where a wildcard
// and a single address meet on one port; darwin and Windows allow that, so there
// each has to be tried.
func probes(ip, goos string) []netip.Addr {
	if ip == "" {
		return []netip.Addr{any4, any6, loop4, loop6}
	}
	a, err := netip.ParseAddr(strings.Trim(ip, "[]"))
	if err != nil {
		return nil
	}
	a = a.Unmap()
	if a.IsUnspecified() {
		return []netip.Addr{any4, any6, loop4, loop6}
	}
	if goos == "linux" {
		return []netip.Addr{a}
	}
	return []netip.Addr{a, any4, any6}
}

func taken(a netip.Addr, protocol string, port uint16) bool {
	// tcp4 and tcp6 keep the families apart: "tcp" on :: would be both, and fail
	// for either.
	network := protocol + "4"
	if a.Is6() {
		network = protocol + "6"
	}
	at := netip.AddrPortFrom(a, port)
	var (
		l   io.Closer
		err error
	)
	if protocol == "udp" {
		l, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	} else {
		l, err = net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	}
	if err == nil {
		l.Close()
		return false
	}
	if inUse(err) {
		return true
	}
	// A port below 1024 is not ours to bind, but a listener there still accepts.
	return protocol == "tcp" && errors.Is(err, fs.ErrPermission) && accepts(a, port)
}

func accepts(a netip.Addr, port uint16) bool {
	switch a {
	case any4:
		a = loop4
	case any6:
		a = loop6
	}
	conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, port).String(), 250*time.Millisecond)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

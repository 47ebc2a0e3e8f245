package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Listening reports whether something on this host already has a tcp or udp
// port, which it learns by taking the port for a moment. ip is the address that
// is to be published; "", 0.0.0.0 and :: mean all, and then a listener on any one
// address, or on the loopback ones alone, counts. An address that this host does
// not have, a port without the right to bind it, sctp and ports outside 1–65535
// do not count.
func Listening(ip, protocol string, port int) bool {
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

// Answers reports whether somebody serves the TCP address addr (host:port): the
// connection is made within 2 s and then yields data or stays open for 250 ms,
// twice. Docker's port proxy, and that of a sandbox, accept for a container in
// which nobody listens and hang up at once: on a busy machine a little later.
func Answers(ctx context.Context, addr string) bool {
	for range 2 {
		open, data := look(ctx, addr)
		if !open || data {
			return open
		}
	}
	return true
}

func look(ctx context.Context, addr string) (open, data bool) {
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond)); err != nil {
		return false, false
	}
	n, err := conn.Read(make([]byte, 1))
	return n > 0 || errors.Is(err, os.ErrDeadlineExceeded), n > 0
}

// Serves is Answers for the published address addr of a container with a port at
// one of behind, and takes no 250 ms where the container can be asked itself: its
// network is one of this host's interfaces, as it is with an engine on Linux.
// Anywhere else an address like it may belong to another machine.
func Serves(ctx context.Context, addr string, behind []netip.AddrPort) bool {
	for _, b := range behind {
		if onInterface(b.Addr()) && connects(ctx, b.String()) && connects(ctx, addr) {
			return true
		}
	}
	return Answers(ctx, addr)
}

func connects(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{Timeout: 250 * time.Millisecond}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func onInterface(a netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, i := range addrs {
		if n, ok := i.(*net.IPNet); ok && n.Contains(a.AsSlice()) {
			return true
		}
	}
	return false
}

// Routes lists the prefixes that this host has on its interfaces and, on Linux,
// those that its main IPv4 table routes, sorted and each once. The bridges of the
// engine's own networks are among them. Default routes are not, nor pieces of one
// (shorter than /8, such as the 0.0.0.0/1 and 128.0.0.0/1 of a VPN): those would
// leave no address free.
func Routes() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this host: %w", err)
	}
	var out []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ones, bits := n.Mask.Size()
		if ip = ip.Unmap(); !ok || bits != ip.BitLen() {
			continue
		}
		out = append(out, netip.PrefixFrom(ip, ones).Masked())
	}
	if runtime.GOOS == "linux" {
		f, err := os.Open("/proc/net/route")
		switch {
		case err == nil:
			defer f.Close()
			routed, err := parseRoutes(f)
			if err != nil {
				return nil, fmt.Errorf("routes of this host: %w", err)
			}
			out = append(out, routed...)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("routes of this host: %w", err)
		}
	}
	out = slices.DeleteFunc(out, func(p netip.Prefix) bool { return p.Bits() < 8 })
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), nil
}

// parseRoutes reads the kernel's table: a header, then lines whose second and
// eighth fields are destination and mask, hexadecimal in the host's byte order.
func parseRoutes(r io.Reader) ([]netip.Prefix, error) {
	var out []netip.Prefix
	s := bufio.NewScanner(r)
	for first := true; s.Scan(); first = false {
		f := strings.Fields(s.Text())
		if first || len(f) < 8 {
			continue
		}
		dest, ok := parseHex(f[1])
		mask, ok2 := parseHex(f[7])
		if !ok || !ok2 {
			continue
		}
		ones, bits := net.IPMask(mask[:]).Size()
		if bits == 0 {
			continue
		}
		out = append(out, netip.PrefixFrom(netip.AddrFrom4(dest), ones).Masked())
	}
	return out, s.Err()
}

func parseHex(s string) ([4]byte, bool) {
	var out [4]byte
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return out, false
	}
	binary.NativeEndian.PutUint32(out[:], binary.BigEndian.Uint32(b))
	return out, true
}

// HostAddresses are the addresses that this host has on its own interfaces.
func HostAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this host: %w", err)
	}
	var all []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all, nil
}

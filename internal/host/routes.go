package host

import (
	"bufio"
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
)

// Routes lists the prefixes that this host has on its interfaces and, on Linux,
// those that its main IPv4 table routes, sorted and each once. The bridges of the
// engine's own networks are among them. Default routes are not, nor pieces of one
// (shorter than /8, such as the 0.0.0.0/1 and 128.0.0.0/1 of a VPN): those would
// leave no address free.
func (*Host) Routes() ([]netip.Prefix, error) {
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

// Addresses are the addresses that this host has on its own interfaces.
func (*Host) Addresses() ([]netip.Addr, error) {
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

package host

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Socket is a TCP socket.
type Socket struct {
	Local, Remote netip.AddrPort
	Listens       bool
	Open          bool // established, or closed in the last minute (TIME-WAIT)

	inode string // "" where it is not known
}

// ContainerSockets reads the sockets in the network namespace of a container's first process. It reports false if the
// process cannot be seen, as with an engine in a virtual machine, or is another one: pids mean nothing across pid
// namespaces.
func (*Host) ContainerSockets(pid int, id string) ([]Socket, bool) {
	if pid <= 0 {
		return nil, false
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	group, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil || !strings.Contains(string(group), id) {
		return nil, false
	}
	list, err := readSockets(filepath.Join(dir, "net"))
	return list, err == nil
}

// readSockets reads the kernel's tables in a /proc/…/net. Without IPv6 there is
// no second one.
func readSockets(dir string) ([]Socket, error) {
	var all []Socket
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && name == "tcp6" {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := parseSockets(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// parseSockets reads /proc/net/tcp or tcp6: a header, then lines whose second to
// fourth fields are local address, remote address and state, hexadecimal.
func parseSockets(r io.Reader) ([]Socket, error) {
	var out []Socket
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 4 {
			continue
		}
		local, ok := socketAddress(f[1])
		remote, ok2 := socketAddress(f[2])
		if !ok || !ok2 {
			continue
		}
		const established, timeWait, listen = "01", "06", "0A"
		open := f[3] == established || f[3] == timeWait
		socket := Socket{Local: local, Remote: remote, Listens: f[3] == listen, Open: open}
		if len(f) > 9 {
			socket.inode = f[9]
		}
		out = append(out, socket)
	}
	return out, s.Err()
}

// socketAddress reads 0100007F:46A0: the address in words of 32 bits of the
// host's byte order, then the port.
func socketAddress(s string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(address)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// parseNetstat reads what netstat -an prints on macOS and Windows: lines that
// begin with tcp, in which the addresses are the first two words that look like
// one. Windows translates the states, so that whatever has a remote address
// counts as open there.
func parseNetstat(r io.Reader) ([]Socket, error) {
	var out []Socket
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) == 0 || !strings.HasPrefix(strings.ToLower(f[0]), "tcp") {
			continue
		}
		var at []netip.AddrPort
		for _, word := range f[1:] {
			if a, ok := netstatAddress(word); ok && len(at) < 2 {
				at = append(at, a)
			}
		}
		if len(at) < 2 {
			continue
		}
		listens := at[1].Port() == 0
		state := f[len(f)-1]
		ending := state == "CLOSE_WAIT" || state == "LAST_ACK" || state == "CLOSED"
		out = append(out, Socket{Local: at[0], Remote: at[1], Listens: listens, Open: !listens && !ending})
	}
	return out, s.Err()
}

// netstatAddress reads 127.0.0.1.8203 and *.8203 (macOS), 127.0.0.1:8203 and
// [::1]:8203 (Windows).
func netstatAddress(word string) (netip.AddrPort, bool) {
	i := strings.LastIndexAny(word, ".:")
	if i <= 0 {
		return netip.AddrPort{}, false
	}
	host, port := strings.Trim(word[:i], "[]"), word[i+1:]
	n := uint64(0)
	if port != "*" {
		var err error
		if n, err = strconv.ParseUint(port, 10, 16); err != nil {
			return netip.AddrPort{}, false
		}
	}
	if host == "*" {
		return netip.AddrPortFrom(any4, uint16(n)), true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(n)), true
}

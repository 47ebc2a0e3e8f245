package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

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

package egress

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxForwarded = 1024            // connections, and sessions of datagrams, of one forward
	sessionTime  = 2 * time.Minute // without a datagram either way
)

// absolute keeps the name of a target from being completed from a search list: a service that is down must not become a
// host of the same name elsewhere.
func absolute(target string) string {
	host, port, err := net.SplitHostPort(target)
	if _, ip := netip.ParseAddr(host); err != nil || ip == nil {
		return target
	}
	return net.JoinHostPort(strings.TrimSuffix(host, ".")+".", port)
}

// inside is what forwards dial with: clients' networks only, where there are such. A service can be called like a host of the
// internet, or like an address: where no container has the name, the engine's resolver would ask others for it.
func (x *proxy) inside(c Config) *net.Dialer {
	d := x.dialer
	if len(c.Clients) > 0 {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err == nil && !x.policy.client(a.Addr()) {
				err = &refusedError{a.Addr().Unmap(), "not on the services' networks"}
			}
			return err
		}
	}
	return &d
}

// forwardTCP takes each connection of l to target, which is resolved each time, until l is closed.
func forwardTCP(ctx context.Context, l net.Listener, target string, dialer *net.Dialer) error {
	slots := make(chan struct{}, maxForwarded)
	return accept(l, func(conn net.Conn) {
		select {
		case slots <- struct{}{}:
		default:
			reset(conn)
			return
		}
		go func() {
			defer func() { <-slots }()
			defer conn.Close()
			to, err := dialer.DialContext(ctx, "tcp", absolute(target))
			if err != nil {
				reset(conn) // as a port behind which nobody listens
				return
			}
			defer to.Close()
			splice(conn, to)
		}()
	})
}

func reset(conn net.Conn) {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	conn.Close()
}

// forwardUDP gives each sender a socket of its own towards target, so that answers find back, until conn is closed.
func forwardUDP(ctx context.Context, conn *net.UDPConn, target string, dialer *net.Dialer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu       sync.Mutex
		sessions = map[netip.AddrPort]net.Conn{} // nil while its target is looked up; what comes meanwhile is lost, as datagrams may be
	)
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return err
		} else if err != nil {
			continue
		}
		mu.Lock()
		to, known := sessions[from]
		if !known && len(sessions) < maxForwarded {
			sessions[from] = nil
			go func(first []byte) {
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					delete(sessions, from)
				}()
				to, err := dialer.DialContext(ctx, "udp", absolute(target))
				if err != nil {
					return
				}
				defer context.AfterFunc(ctx, func() { to.Close() })()
				defer to.Close()
				mu.Lock()
				sessions[from] = to
				mu.Unlock()
				_ = to.SetReadDeadline(time.Now().Add(sessionTime))
				_, _ = to.Write(first)
				answers(conn, to, from)
			}(bytes.Clone(buf[:n]))
		}
		mu.Unlock()
		if to != nil {
			_ = to.SetReadDeadline(time.Now().Add(sessionTime))
			_, _ = to.Write(buf[:n])
		}
	}
}

// answers takes datagrams back until none has come for a while, or nobody listens at the target any more.
func answers(conn *net.UDPConn, to net.Conn, from netip.AddrPort) {
	buf := make([]byte, 64<<10)
	for {
		n, err := to.Read(buf)
		if err != nil {
			return
		}
		_ = to.SetReadDeadline(time.Now().Add(sessionTime))
		_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
	}
}

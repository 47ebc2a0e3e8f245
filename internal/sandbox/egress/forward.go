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
	sessionTime  = 2 * time.Minute // without a datagram in either direction
)

// absoluteTarget ends the name of a target with a dot, so that no search domain is appended: a service that is down
// must not become a host of the same name elsewhere.
func absoluteTarget(target string) string {
	host, port, err := net.SplitHostPort(target)
	if _, ip := netip.ParseAddr(host); err != nil || ip == nil {
		return target
	}
	return net.JoinHostPort(strings.TrimSuffix(host, ".")+".", port)
}

// serviceDialer returns the dialer of the forwards. If the proxy has Clients, it connects to their networks only: a
// service can have the name of a host of the internet, and the engine's resolver asks others for a name that no
// container has.
func (x *proxy) serviceDialer(c Config) *net.Dialer {
	d := x.dialer
	if len(c.Clients) > 0 {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err == nil && !x.policy.isClient(a.Addr()) {
				err = &refusedError{a.Addr().Unmap(), "not on the services' networks"}
			}
			return err
		}
	}
	return &d
}

// forwardTCP forwards the connections of l to target until l is closed. target is resolved for each connection.
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
			to, err := dialer.DialContext(ctx, "tcp", absoluteTarget(target))
			if err != nil {
				reset(conn) // as if nobody listened here
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

// forwardUDP gives each client a socket of its own to target, so that answers find the client, until conn is closed.
func forwardUDP(ctx context.Context, conn *net.UDPConn, target string, dialer *net.Dialer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &udpForward{conn: conn, target: absoluteTarget(target), dialer: dialer, sessions: map[netip.AddrPort]net.Conn{}}
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return err
		} else if err != nil {
			continue
		}
		f.mu.Lock()
		to, known := f.sessions[from]
		if !known && len(f.sessions) < maxForwarded {
			f.sessions[from] = nil
			go f.session(ctx, from, bytes.Clone(buf[:n]))
		}
		f.mu.Unlock()
		if to != nil {
			_ = to.SetReadDeadline(time.Now().Add(sessionTime))
			_, _ = to.Write(buf[:n])
		}
	}
}

// udpForward is a forward of datagrams.
type udpForward struct {
	conn   *net.UDPConn
	target string
	dialer *net.Dialer

	mu sync.Mutex
	// sessions are the sockets to target by client. One is nil while the target is looked up: what arrives meanwhile is
	// lost, as datagrams may be.
	sessions map[netip.AddrPort]net.Conn
}

// session sends the first datagram of a client and returns the answers, until there are no more.
func (f *udpForward) session(ctx context.Context, from netip.AddrPort, first []byte) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.sessions, from)
	}()
	to, err := f.dialer.DialContext(ctx, "udp", f.target)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { to.Close() })()
	defer to.Close()
	f.mu.Lock()
	f.sessions[from] = to
	f.mu.Unlock()
	_ = to.SetReadDeadline(time.Now().Add(sessionTime))
	_, _ = to.Write(first)
	forwardAnswers(f.conn, to, from)
}

// forwardAnswers sends datagrams back to a client until sessionTime has passed without one, or the target stops
// listening.
func forwardAnswers(conn *net.UDPConn, to net.Conn, from netip.AddrPort) {
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

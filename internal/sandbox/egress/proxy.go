package egress

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	maxConnections = 512
	headTime       = 10 * time.Second // from the first byte of a request to the end of its head
	idleTime       = time.Minute      // until the first byte of a request, or of a tunnel
	bodyTime       = 2 * time.Minute  // until the next bytes of a body, in both directions; tunnels have no such limit
	dialTime       = 15 * time.Second
	answerTime     = 10 * time.Minute // until the head of a response: a model may think for long
)

// proxy serves HTTP requests and CONNECT tunnels. It reads the head of each request itself: net/http's server, and
// the proxies built on it, drop the Host header of a request with a whole URL, and here the two must be the same.
type proxy struct {
	policy        *policy
	dialer        net.Dialer
	transport     *http.Transport
	slots         chan struct{}             // one for each open connection
	isOwnListener func(netip.AddrPort) bool // nil in tests
	headTime      time.Duration             // shorter in tests

	mu  sync.Mutex
	log *json.Encoder
}

// newProxy returns a proxy that logs its decisions to w. Only tests pass a resolver.
func newProxy(p *policy, w io.Writer, resolver *net.Resolver) *proxy {
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true}
	}
	x := &proxy{
		policy:   p,
		dialer:   net.Dialer{Timeout: dialTime, Resolver: resolver},
		slots:    make(chan struct{}, maxConnections),
		log:      json.NewEncoder(w),
		headTime: headTime,
	}
	x.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			h, port, err := authority(address, 0)
			if err != nil {
				return nil, err
			}
			return x.dial(ctx, h, port)
		},
		DisableCompression:     true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        idleTime,
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         4 << 10,
		WriteBufferSize:        4 << 10,
	}
	return x
}

func (x *proxy) logDecision(d Decision) {
	d.Time = time.Now().UTC()
	x.mu.Lock()
	defer x.mu.Unlock()
	_ = x.log.Encode(d)
}

// listen serves connections until l is closed.
func (x *proxy) listen(ctx context.Context, l net.Listener) error {
	return accept(l, func(conn net.Conn) {
		select {
		case x.slots <- struct{}{}:
			go func() {
				defer func() { <-x.slots }()
				x.serve(ctx, conn)
			}()
		default:
			respond(conn, http.StatusServiceUnavailable, "too many connections",
				"docker loom: the sandbox has too many connections open.\n")
			conn.Close()
		}
	})
}

// accept calls serve with each connection of l, until l is closed.
func accept(l net.Listener, serve func(net.Conn)) error {
	for {
		conn, err := l.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			serve(conn)
		case errors.As(err, &temporary) && temporary.Temporary():
			time.Sleep(50 * time.Millisecond) // no file descriptor is free; net/http's server waits too
		default:
			return err
		}
	}
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxHead) }}

// client is a connection to the proxy. In a tunnel that carries HTTP, host and port are the tunnel's.
type client struct {
	net.Conn
	br       *bufio.Reader
	source   string
	host     Host
	port     int
	isTunnel bool
}

func (x *proxy) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	c := &client{Conn: conn, source: a.Addr().Unmap().String()}
	ctx = withClient(ctx, a.Addr())
	if !x.policy.isClient(a.Addr()) {
		x.logDecision(Decision{Source: c.source, Verdict: Denied, Reason: "not a client of this proxy"})
		return
	}
	c.br = readers.Get().(*bufio.Reader)
	c.br.Reset(conn)
	if x.requests(ctx, c) {
		c.br.Reset(nil)
		readers.Put(c.br)
	}
}

// admitted is a destination that a client may have, with the ruling that allows it.
type admitted struct {
	host Host
	port int
	ruling
}

// requests serves one request after the other. It reports whether the reader is no longer in use.
func (x *proxy) requests(ctx context.Context, c *client) bool {
	for {
		_ = c.SetReadDeadline(time.Now().Add(idleTime))
		if _, err := c.br.Peek(1); err != nil {
			return true
		}
		_ = c.SetReadDeadline(time.Now().Add(x.headTime))
		b, err := peekHead(c.br)
		if errors.Is(err, errHeadTooLong) {
			x.refuse(c, Decision{Kind: "http", Verdict: Denied, Reason: err.Error()}, http.StatusRequestHeaderFieldsTooLarge, "")
			return true
		} else if err != nil {
			return true
		}
		_ = c.SetReadDeadline(time.Time{})

		d := Decision{Source: c.source, Kind: "http", Host: c.host.String(), Port: c.port, Verdict: Denied}
		h, err := parseHead(b)
		if h.method == http.MethodConnect {
			d.Kind = "connect"
		}
		host, port := c.host, c.port
		switch {
		case err != nil:
		case c.isTunnel:
			err = h.checkInTunnel(host, port)
		default:
			if host, port, err = h.destination(); host != (Host{}) {
				d.Host, d.Port = host.String(), port
			}
		}
		if err != nil {
			d.Reason = err.Error()
			x.refuse(c, d, http.StatusBadRequest, "")
			return true
		}
		// Each request is checked: the first one in a tunnel says nothing about the next.
		r := x.policy.decide(clientOf(ctx), host, port)
		if !r.allowed {
			d.Reason = r.reason
			x.refuse(c, d, http.StatusForbidden, x.policy.denial(host, port, r.reason))
			return true
		}
		if h.method == http.MethodConnect {
			_, _ = c.br.Discard(len(b))
			return x.connect(ctx, c, d, admitted{host, port, r})
		}
		again, free := x.request(ctx, c, d, admitted{host, port, r})
		if !again {
			return free
		}
	}
}

package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxConnections = 512
	headTime       = 10 * time.Second // from the first byte of a request to the end of its head
	idleTime       = time.Minute      // for the first byte of a request, and of a tunnel
	bodyTime       = 2 * time.Minute  // for the next bytes of a body, either way; a tunnel has no such limit
	dialTime       = 15 * time.Second
	answerTime     = 10 * time.Minute // for the head of a response: a model may think for long
)

// proxy serves HTTP requests and CONNECT tunnels. It reads the head of each request itself, because net/http's server, and
// the proxies built on it, drop the Host header of a request that has a whole URL, and here it must be that URL's.
type proxy struct {
	policy    *policy
	dialer    net.Dialer
	transport *http.Transport
	slots     chan struct{}
	own       func(netip.AddrPort) bool // a listener of this process
	head      time.Duration             // headTime but in tests

	mu  sync.Mutex
	log *json.Encoder
}

// newProxy logs decisions to w. resolver is nil but in tests.
func newProxy(p *policy, w io.Writer, resolver *net.Resolver) *proxy {
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true}
	}
	x := &proxy{
		policy: p,
		dialer: net.Dialer{Timeout: dialTime, Resolver: resolver},
		slots:  make(chan struct{}, maxConnections),
		log:    json.NewEncoder(w),
		head:   headTime,
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

func (x *proxy) decided(d Decision) {
	d.Time = time.Now().UTC()
	x.mu.Lock()
	defer x.mu.Unlock()
	_ = x.log.Encode(d)
}

// dial connects to a host that is allowed. What is checked is the address that the socket is about to connect to, so no
// answer of a name server, first or second, can lead elsewhere.
func (x *proxy) dial(ctx context.Context, h Host, port int) (net.Conn, error) {
	r := x.policy.rule(h, port)
	if !r.allowed {
		return nil, errors.New(r.reason)
	}
	d := x.dialer
	var refused atomic.Pointer[error]
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		err = x.policy.dial(a, r)
		if err == nil && x.own != nil && x.own(a) {
			err = &refusedError{a.Addr().Unmap(), "the proxy itself"}
		}
		if err != nil {
			refused.Store(&err)
		}
		return err
	}
	name := h.String()
	if !h.Address.IsValid() {
		name += "." // never completed from a search list
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(name, strconv.Itoa(port)))
	if e := refused.Load(); err != nil && e != nil {
		return nil, *e // it says more than that another address was not reachable
	}
	return conn, err
}

// listen takes connections until l is closed.
func (x *proxy) listen(ctx context.Context, l net.Listener) error {
	return accept(l, func(conn net.Conn) {
		select {
		case x.slots <- struct{}{}:
			go func() {
				defer func() { <-x.slots }()
				x.serve(ctx, conn)
			}()
		default:
			respond(conn, http.StatusServiceUnavailable, "too many connections", "docker loom: the sandbox has too many connections open.\n", true)
			conn.Close()
		}
	})
}

// accept gives each connection of l to serve, until l is closed.
func accept(l net.Listener, serve func(net.Conn)) error {
	for {
		conn, err := l.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			serve(conn)
		case errors.As(err, &temporary) && temporary.Temporary():
			time.Sleep(50 * time.Millisecond) // out of file descriptors, as net/http's server does it
		default:
			return err
		}
	}
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxHead) }}

// client is a connection to the proxy. Where it is a tunnel with HTTP in it, host and port are the tunnel's.
type client struct {
	net.Conn
	br     *bufio.Reader
	source string
	host   Host
	port   int
	tunnel bool
}

func (x *proxy) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	c := &client{Conn: conn, source: a.Addr().Unmap().String()}
	if !x.policy.client(a.Addr()) {
		x.decided(Decision{Source: c.source, Verdict: Denied, Reason: "not a client of this proxy"})
		return
	}
	c.br = readers.Get().(*bufio.Reader)
	c.br.Reset(conn)
	if x.requests(ctx, c) {
		c.br.Reset(nil)
		readers.Put(c.br)
	}
}

// requests serves one request after the other. It says whether the reader is no longer in use.
func (x *proxy) requests(ctx context.Context, c *client) bool {
	for {
		_ = c.SetReadDeadline(time.Now().Add(idleTime))
		if _, err := c.br.Peek(1); err != nil {
			return true
		}
		_ = c.SetReadDeadline(time.Now().Add(x.head))
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
		case c.tunnel:
			err = h.within(host, port)
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
		// The policy is asked for each request: a tunnel's first one says nothing of the next.
		if r := x.policy.rule(host, port); !r.allowed {
			d.Reason = r.reason
			x.refuse(c, d, http.StatusForbidden, x.policy.denial(host, port, r.reason))
			return true
		}
		if h.method == http.MethodConnect {
			_, _ = c.br.Discard(len(b))
			return x.connect(ctx, c, d, host, port)
		}
		again, free := x.request(ctx, c, d, host, port)
		if !again {
			return free
		}
	}
}

// refuse answers, logs, and lets the client read the answer: closing a connection on unread bytes would take it back.
func (x *proxy) refuse(c *client, d Decision, status int, body string) {
	d.Source = c.source
	d.Reason = d.Reason[:min(len(d.Reason), 300)] // it may quote what the client sent
	x.decided(d)
	if body == "" {
		body = "docker loom: " + d.Reason + ".\n"
	}
	reason := d.Reason
	if status == http.StatusForbidden {
		reason = d.Host + " is " + d.Reason
	}
	respond(c, status, reason, body, true)
	linger(c)
}

func linger(c *client) {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.CopyN(io.Discard, c.Conn, 1<<20)
	}
}

// deniedHeader marks an answer as the proxy's own.
const deniedHeader = "Docker-Loom-Egress"

func respond(w net.Conn, status int, reason, body string, last bool) {
	var b bytes.Buffer
	reason = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, reason)
	fmt.Fprintf(&b, "HTTP/1.1 %d %s (docker loom: %s)\r\n%s: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n",
		status, http.StatusText(status), reason, deniedHeader, "refused", len(body))
	if last {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n" + body)
	_ = w.SetWriteDeadline(time.Now().Add(headTime))
	_, _ = w.Write(b.Bytes())
	_ = w.SetWriteDeadline(time.Time{})
}

// failure answers a request whose host was allowed and could not be reached, or resolved to an address that is refused.
func (x *proxy) failure(c *client, d Decision, host Host, port int, err error) {
	var refused *refusedError
	if errors.As(err, &refused) {
		d.Reason, d.Address = refused.reason, refused.address.String()
		x.refuse(c, d, http.StatusForbidden, x.policy.denial(host, port, fmt.Sprintf("it is allowed, but %s is %s", refused.address, refused.reason)))
		return
	}
	d.Verdict, d.Reason = Failed, cause(err)
	status := http.StatusBadGateway
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	x.refuse(c, d, status, fmt.Sprintf("docker loom: the sandbox may reach %s, but it does not answer: %s.\n", host, d.Reason))
}

// cause is what a network error says without the addresses of the proxy's own networks.
func cause(err error) string {
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "no such host"
	case errors.As(err, &name):
		return "its name cannot be resolved now"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &op) && op.Err != nil:
		var system syscall.Errno
		if errors.As(op.Err, &system) {
			return system.Error()
		}
		return "the connection failed"
	}
	return "the connection failed"
}

// request proxies one plain request. It says whether another can follow, and whether the reader is no longer in use.
func (x *proxy) request(ctx context.Context, c *client, d Decision, host Host, port int) (again, free bool) {
	in, err := http.ReadRequest(c.br)
	if err != nil {
		d.Reason = "the request is not well-formed"
		x.refuse(c, d, http.StatusBadRequest, "")
		return false, true
	}
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { d.Address = i.Conn.RemoteAddr().String() },
	}))
	defer cancel()

	out := in.WithContext(ctx)
	out.RequestURI = ""
	out.Close = false
	out.URL.Scheme, out.URL.Opaque, out.URL.User, out.URL.Fragment = "http", "", nil, ""
	out.URL.Host = net.JoinHostPort(host.String(), strconv.Itoa(port))
	out.Host = out.URL.Host
	if port == 80 {
		out.Host = strings.TrimSuffix(out.Host, ":80")
	}
	hopByHop(out.Header)
	if strings.EqualFold(in.Header.Get("Expect"), "100-continue") {
		if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return false, true
		}
	}
	out.Header.Del("Expect")
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // else net/http adds its own
	}

	var sent *body
	gone := func() {}
	if in.Body == nil || in.Body == http.NoBody {
		gone = c.watch(cancel)
	} else {
		sent = &body{Reader: in.Body, conn: c.Conn}
		out.Body = sent
	}
	resp, err := x.transport.RoundTrip(out)
	if err != nil {
		gone()
		x.failure(c, d, host, port, err)
		return false, sent == nil || sent.whole.Load()
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		gone()
		d.Verdict, d.Reason = Failed, "the host switched protocols, which nobody asked for"
		x.refuse(c, d, http.StatusBadGateway, "")
		return false, false
	}
	d.Verdict = Allowed
	x.decided(d)

	hopByHop(resp.Header)
	whole := sent == nil || sent.whole.Load()
	resp.Close = in.Close || !in.ProtoAtLeast(1, 1) || !whole || resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
	resp.Request = in
	resp.Proto, resp.ProtoMajor, resp.ProtoMinor = "HTTP/1.1", 1, 1
	if !in.ProtoAtLeast(1, 1) {
		resp.ProtoMinor, resp.TransferEncoding, resp.Trailer = 0, nil, nil
	}
	bw := bufio.NewWriterSize(rolling{c.Conn}, 4<<10)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{flushing{resp.Body, bw}, resp.Body}
	err = resp.Write(struct{ io.Writer }{bw}) // bufio's ReadFrom does not bear a flush within Read
	if err == nil {
		err = bw.Flush()
	}
	_ = c.SetWriteDeadline(time.Time{})
	gone()
	// Where the answer came before the body had been sent, the transport may still be reading it.
	free = sent == nil || sent.whole.Load()
	return err == nil && !resp.Close && free, free
}

// watch cancels when the client goes away before its answer has come. The function that it returns ends that.
func (c *client) watch(cancel func()) (end func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// A next request that is already there is left where it is.
		if _, err := c.br.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			cancel()
		}
	}()
	return sync.OnceFunc(func() {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.SetReadDeadline(time.Time{})
	})
}

// hopByHop removes what is between two neighbours only.
func hopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
	} {
		h.Del(name)
	}
}

// connect serves a CONNECT whose host the policy lets through. What a tunnel may carry is decided by how it begins:
//   - TLS, whose server name (SNI) is the host of the CONNECT; with an address, TLS without a name. A name without an SNI is
//     refused: behind many addresses are many hosts.
//   - HTTP without TLS, which clients ask for at port 80: each request in it is read as one to the proxy is, and its Host
//     header is the host of the CONNECT.
//   - Anything else, such as SSH, only at a port that a rule writes out and that is neither 80 nor 443. The client must
//     speak first.
func (x *proxy) connect(ctx context.Context, c *client, d Decision, host Host, port int) bool {
	up, err := x.dial(ctx, host, port)
	if err != nil {
		x.failure(c, d, host, port, err)
		return true
	}
	defer up.Close()
	d.Address = up.RemoteAddr().String()
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return true
	}
	deny := func(reason string) bool {
		d.Reason = reason
		x.decided(d)
		return true
	}

	// The client speaks first in all that a tunnel may carry.
	_ = c.SetReadDeadline(time.Now().Add(idleTime))
	first, err := c.br.Peek(1)
	if err != nil {
		d.Verdict = Failed
		return deny("the client sent nothing")
	}
	_ = c.SetReadDeadline(time.Now().Add(x.head))
	var begin []byte
	switch {
	case first[0] == recordHandshake:
		sni, recorded, err := readClientHello(c.br)
		reason := "the TLS handshake cannot be read"
		if err == nil {
			reason = sameName(sni, host)
		}
		if reason != "" {
			deny(reason)
			_, _ = c.Write(alert)
			linger(c)
			return true
		}
		begin = recorded
	case x.policy.rule(host, port).raw && !speaksHTTP(c.br):
	default:
		// What follows is held to the tunnel's host, request by request, and is dialled anew.
		up.Close()
		_ = c.SetReadDeadline(time.Time{})
		d.Verdict, d.Reason = Allowed, "HTTP without TLS"
		x.decided(d)
		c.host, c.port, c.tunnel = host, port, true
		return x.requests(ctx, c)
	}
	_ = c.SetReadDeadline(time.Time{})
	d.Verdict = Allowed
	x.decided(d)

	rest, _ := c.br.Peek(c.br.Buffered())
	begin = append(begin, rest...)
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br = nil
	if _, err := up.Write(begin); err == nil {
		splice(c.Conn, up)
	}
	return false
}

// speaksHTTP says whether a method and a space come first, which no other protocol begins with that a rule's port is for.
func speaksHTTP(br *bufio.Reader) bool {
	for n := 1; n <= 16; n++ {
		b, err := br.Peek(n)
		switch {
		case err != nil:
			return false
		case b[n-1] == ' ':
			return n > 1
		case b[n-1] < 'A' || b[n-1] > 'Z':
			return false
		}
	}
	return false
}

// recordHandshake is the first byte of a TLS connection; alert ends one: fatal, access_denied.
const recordHandshake = 22

var alert = []byte{21, 3, 1, 0, 2, 2, 49}

// sameName says why a server name is not that of a CONNECT, or nothing.
func sameName(sni string, host Host) string {
	switch {
	case host.Address.IsValid() && sni == "":
		return ""
	case sni == "":
		return "the TLS handshake names no server (SNI)"
	}
	if h, err := ParseHost(sni); err != nil || h != host {
		return fmt.Sprintf("the TLS handshake is for another server (SNI %.260q)", sni)
	}
	return ""
}

var errEnough = errors.New("the ClientHello has been read")

// readClientHello gives the server name of the ClientHello that comes next, and all that was read. With encrypted client
// hello it is the outer, visible name: that is where the connection goes.
func readClientHello(r io.Reader) (serverName string, read []byte, err error) {
	var (
		recorded bytes.Buffer
		seen     bool
	)
	// crypto/tls reads it as any server would; nothing that it would answer gets out.
	err = tls.Server(helloConn{io.TeeReader(io.LimitReader(r, 128<<10), &recorded)}, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			serverName, seen = h.ServerName, true
			return nil, errEnough
		},
	}).Handshake()
	if !seen {
		return "", recorded.Bytes(), err
	}
	return serverName, recorded.Bytes(), nil
}

// helloConn is a connection that can only be read.
type helloConn struct{ r io.Reader }

func (c helloConn) Read(b []byte) (int, error)     { return c.r.Read(b) }
func (helloConn) Write(b []byte) (int, error)      { return len(b), nil }
func (helloConn) Close() error                     { return nil }
func (helloConn) LocalAddr() net.Addr              { return nil }
func (helloConn) RemoteAddr() net.Addr             { return nil }
func (helloConn) SetDeadline(time.Time) error      { return nil }
func (helloConn) SetReadDeadline(time.Time) error  { return nil }
func (helloConn) SetWriteDeadline(time.Time) error { return nil }

package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// connect serves a CONNECT whose host the policy allows. It reports whether the reader is no longer in use. The first
// bytes decide what a tunnel to the outside may carry; one to a service of the loom may carry anything:
//   - TLS, if its server name (SNI) is the host of the CONNECT. For an address, TLS without a server name. A name
//     without SNI is refused: many hosts can be behind one address.
//   - HTTP without TLS, which clients send to port 80. Each request in it is checked, and its Host header must be the
//     host of the CONNECT.
//   - Anything else, such as SSH, only at a port that a rule names and that is not 80 or 443. The client must speak
//     first.
func (x *proxy) connect(ctx context.Context, c *client, d Decision, to admitted) bool {
	up, err := x.dial(ctx, to.host, to.port)
	if err != nil {
		x.answerFailure(c, d, to.host, to.port, err)
		return true
	}
	defer up.Close()
	d.Address = up.RemoteAddr().String()
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return true
	}
	if to.own {
		d.Verdict = Allowed
		x.logDecision(d)
		c.splice(up, nil)
		return false
	}

	_ = c.SetReadDeadline(time.Now().Add(idleTime))
	first, err := c.br.Peek(1)
	if err != nil {
		d.Verdict, d.Reason = Failed, "the client sent nothing"
		x.logDecision(d)
		return true
	}
	_ = c.SetReadDeadline(time.Now().Add(x.headTime))
	var begin []byte
	switch {
	case first[0] == tlsHandshake:
		sni, recorded, err := readClientHello(c.br)
		reason := "the TLS handshake cannot be read"
		if err == nil {
			reason = checkServerName(sni, to.host)
		}
		if reason != "" {
			d.Reason = reason
			x.logDecision(d)
			_, _ = c.Write(accessDenied)
			drain(c)
			return true
		}
		begin = recorded
	case to.raw && !startsWithMethod(c.br):
	default:
		// Each request connects again, after its own check.
		up.Close()
		_ = c.SetReadDeadline(time.Time{})
		d.Verdict, d.Reason = Allowed, "HTTP without TLS"
		x.logDecision(d)
		c.host, c.port, c.isTunnel = to.host, to.port, true
		return x.requests(ctx, c)
	}
	_ = c.SetReadDeadline(time.Time{})
	d.Verdict = Allowed
	x.logDecision(d)
	c.splice(up, begin)
	return false
}

// splice sends the bytes that were read so far to up, and copies the rest in both directions. The reader goes back to
// the pool.
func (c *client) splice(up net.Conn, begin []byte) {
	rest, _ := c.br.Peek(c.br.Buffered())
	begin = append(begin, rest...)
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br = nil
	if _, err := up.Write(begin); err == nil {
		splice(c.Conn, up)
	}
}

// startsWithMethod reports whether the next bytes are an HTTP method and a space. Other protocols do not begin so.
func startsWithMethod(br *bufio.Reader) bool {
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

// tlsHandshake is the first byte of a TLS connection; accessDenied is a fatal alert.
const tlsHandshake = 22

var accessDenied = []byte{21, 3, 1, 0, 2, 2, 49}

// checkServerName returns why a server name is not the host of a CONNECT, or "".
func checkServerName(sni string, host Host) string {
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

var errHelloRead = errors.New("the ClientHello was read")

// readClientHello reads a ClientHello and returns its server name and all bytes that were read. With encrypted client
// hello it is the outer, visible name: the connection goes there.
func readClientHello(r io.Reader) (serverName string, read []byte, err error) {
	var (
		recorded bytes.Buffer
		seen     bool
	)
	// crypto/tls parses it. What it would answer is discarded.
	err = tls.Server(helloConn{io.TeeReader(io.LimitReader(r, 128<<10), &recorded)}, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			serverName, seen = h.ServerName, true
			return nil, errHelloRead
		},
	}).Handshake()
	if !seen {
		return "", recorded.Bytes(), err
	}
	return serverName, recorded.Bytes(), nil
}

// helloConn is a connection that discards what is written.
type helloConn struct{ r io.Reader }

func (c helloConn) Read(b []byte) (int, error)     { return c.r.Read(b) }
func (helloConn) Write(b []byte) (int, error)      { return len(b), nil }
func (helloConn) Close() error                     { return nil }
func (helloConn) LocalAddr() net.Addr              { return nil }
func (helloConn) RemoteAddr() net.Addr             { return nil }
func (helloConn) SetDeadline(time.Time) error      { return nil }
func (helloConn) SetReadDeadline(time.Time) error  { return nil }
func (helloConn) SetWriteDeadline(time.Time) error { return nil }

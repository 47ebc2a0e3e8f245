package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// refuse logs the decision and answers. It lets the client read the answer: a connection that is closed with unread
// bytes is reset, and the answer lost.
func (x *proxy) refuse(c *client, d Decision, status int, body string) {
	d.Source = c.source
	d.Reason = d.Reason[:min(len(d.Reason), 300)] // it may quote the client
	x.logDecision(d)
	if body == "" {
		body = "docker loom: " + d.Reason + ".\n"
	}
	reason := d.Reason
	if status == http.StatusForbidden {
		reason = d.Host + " is " + d.Reason
	}
	respond(c, status, reason, body)
	drain(c)
}

func drain(c *client) {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.CopyN(io.Discard, c.Conn, 1<<20)
	}
}

// deniedHeader marks an answer of the proxy itself.
const deniedHeader = "Docker-Loom-Egress"

// respond writes the last answer on a connection.
func respond(w net.Conn, status int, reason, body string) {
	var b bytes.Buffer
	reason = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, reason)
	fmt.Fprintf(&b, "HTTP/1.1 %d %s (docker loom: %s)\r\n", status, http.StatusText(status), reason)
	fmt.Fprintf(&b, "%s: refused\r\nContent-Type: text/plain; charset=utf-8\r\n", deniedHeader)
	fmt.Fprintf(&b, "Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	_ = w.SetWriteDeadline(time.Now().Add(headTime))
	_, _ = w.Write(b.Bytes())
	_ = w.SetWriteDeadline(time.Time{})
}

// answerFailure answers a request for an allowed host that could not be reached, or that has a refused address.
func (x *proxy) answerFailure(c *client, d Decision, host Host, port int, err error) {
	var refused *refusedError
	if errors.As(err, &refused) {
		d.Reason, d.Address = refused.reason, refused.address.String()
		reason := fmt.Sprintf("it is allowed, but %s is %s", refused.address, refused.reason)
		x.refuse(c, d, http.StatusForbidden, x.policy.denial(host, port, reason))
		return
	}
	d.Verdict, d.Reason = Failed, cause(err)
	status := http.StatusBadGateway
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	body := fmt.Sprintf("docker loom: the sandbox may reach %s, but it does not answer: %s.\n", host, d.Reason)
	x.refuse(c, d, status, body)
}

// cause describes a network error without the addresses of the proxy's own networks.
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

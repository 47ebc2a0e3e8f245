package egress

import (
	"bufio"
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

	"golang.org/x/net/dns/dnsmessage"
)

// isUnreachable reports whether a connection failed because nothing was reached.
func isUnreachable(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT, syscall.ENETUNREACH, syscall.EHOSTUNREACH,
		syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EPERM, syscall.EACCES,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// probeTCP tries a TCP connection. If it is refused, a host refused it, so the host is reachable.
func probeTCP(ctx context.Context, target string) (string, error) {
	conn, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, "tcp", target)
	switch {
	case err == nil:
		conn.Close()
		return "takes a connection", nil
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return "refuses the connection, and so is reachable", nil
	case isUnreachable(err):
		return "", nil
	}
	return "", err
}

// dnsQuery encodes a query for the addresses of a name. For ".", the root, which every resolver knows, it asks for
// the servers.
func dnsQuery(name string) ([]byte, error) {
	kind := dnsmessage.TypeA
	if name == "." {
		kind = dnsmessage.TypeNS
	}
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, err
	}
	return (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(time.Now().UnixNano()), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}},
	}).Pack()
}

// askDNS returns the answer to a query, nil if there was none.
func askDNS(ctx context.Context, network, server, name string) (answer []byte, refused bool, err error) {
	q, err := dnsQuery(name)
	if err != nil {
		return nil, false, err
	}
	conn, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, network, server)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(probeTime))
		if network == "tcp" {
			q = append([]byte{byte(len(q) >> 8), byte(len(q))}, q...)
		}
		_, err = conn.Write(q)
	}
	if err == nil {
		b := make([]byte, 4<<10)
		var n int
		if n, err = conn.Read(b); err == nil {
			b = b[:n]
			if network == "tcp" {
				// Some servers send the length in a packet of its own.
				if n <= 2 {
					m, _ := conn.Read(b[n:cap(b)])
					b = b[:n+m]
				}
				b = b[min(2, len(b)):]
			}
			return b, false, nil
		}
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return nil, true, nil
	case isUnreachable(err), errors.Is(err, io.EOF):
		return nil, false, nil
	}
	return nil, false, err
}

// probeDNSServer sends a datagram to an address. Nothing may come back, not even a refusal.
func probeDNSServer(ctx context.Context, server string) (string, error) {
	b, refused, err := askDNS(ctx, "udp", server, ".")
	switch {
	case err != nil:
		return "", err
	case refused:
		return "refuses the datagram, and so is reachable", nil
	case b != nil:
		return "answers a DNS query", nil
	}
	return "", nil
}

// probeResolver asks a name server of the namespace for a name of the outside.
func probeResolver(ctx context.Context, network, server, name string) (string, error) {
	b, _, err := askDNS(ctx, network, server, name)
	if err != nil || b == nil {
		return "", err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		// The answer is cut off or of an unknown form, but it is an answer.
		if m.RCode == dnsmessage.RCodeSuccess {
			return fmt.Sprintf("%s answers by %s with what cannot be read", server, network), nil
		}
		return "", nil
	}
	if m.RCode == dnsmessage.RCodeSuccess && len(m.Answers) > 0 {
		return fmt.Sprintf("%s resolves it by %s", server, network), nil
	}
	return "", nil
}

// probeProxy waits until the proxy answers, and sends requests that it must refuse.
func (c Check) probeProxy(ctx context.Context, proxy string) (string, error) {
	until := time.Now().Add(proxyTime)
	var requests []string
	if c.Mode != Open {
		requests = []string{
			"CONNECT " + c.Unlisted + ":443 HTTP/1.1\r\nHost: " + c.Unlisted + ":443\r\n\r\n",
			"GET http://" + c.Unlisted + "/ HTTP/1.1\r\nHost: " + c.Unlisted + "\r\n\r\n",
		}
	}
	requests = append(requests,
		"GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
		"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
	)
	for _, request := range requests {
		line, _, _ := strings.Cut(request, " HTTP/")
		refused, status, err := requestProxy(ctx, proxy, request)
		for err != nil && time.Now().Before(until) && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
			refused, status, err = requestProxy(ctx, proxy, request)
		}
		switch {
		case err != nil:
			return "does not answer: " + err.Error(), nil
		case !refused:
			return fmt.Sprintf("does not refuse %s, and answers %s", line, status), nil
		}
	}
	return "", nil
}

// requestProxy reports whether a request is refused with the header and text of a sandbox's proxy.
func requestProxy(ctx context.Context, proxy, request string) (refused bool, status string, err error) {
	conn, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, "tcp", proxy)
	if err != nil {
		return false, "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(proxyTime))
	if _, err := io.WriteString(conn, request); err != nil {
		return false, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	refused = resp.StatusCode == http.StatusForbidden && resp.Header.Get(deniedHeader) != "" &&
		bytes.Contains(body, []byte("docker loom:"))
	return refused, resp.Status, err
}

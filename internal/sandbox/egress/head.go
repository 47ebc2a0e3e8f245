package egress

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// maxHead is the largest size of a request line with its headers.
const maxHead = 32 << 10

var errHeadTooLong = errors.New("the headers are longer than 32 KB")

// head is the part of a request that decides about it. net/http drops the Host header if the request line has a URL.
type head struct {
	method, target string
	hosts          []string // values of Host headers
}

// peekHead waits for a whole head and leaves it in the reader, whose buffer is maxHead long.
func peekHead(br *bufio.Reader) ([]byte, error) {
	for want := 1; ; {
		if _, err := br.Peek(want); err != nil {
			return nil, err
		}
		b, _ := br.Peek(br.Buffered())
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return b[:i+4], nil
		}
		if len(b) >= maxHead {
			return nil, errHeadTooLong
		}
		want = len(b) + 1
	}
}

// parseHead is strict, so that no two programs read one head in two ways: lines end in CRLF, none is folded, names are
// tokens, and the length of the body is said once.
func parseHead(b []byte) (head, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\r\n\r\n"), "\r\n")
	for _, l := range lines {
		if strings.ContainsAny(l, "\r\n\x00") {
			return head{}, errors.New("a line has a control character")
		}
	}
	h, version, err := parseRequestLine(lines[0])
	if err != nil {
		return head{}, err
	}
	var f framing
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || !httpguts.ValidHeaderFieldValue(value) {
			return head{}, errors.New("a header line is not well-formed")
		}
		switch strings.ToLower(name) {
		case "host":
			h.hosts = append(h.hosts, value)
		case "content-length":
			f.lengths = append(f.lengths, value)
		case "transfer-encoding":
			f.encodings = append(f.encodings, strings.ToLower(value))
		}
	}
	switch {
	case len(h.hosts) > 1:
		return head{}, errors.New("there is more than one Host header")
	case len(h.hosts) == 0 && version != http10:
		return head{}, errors.New("there is no Host header")
	case !f.isClear(version):
		return head{}, errors.New("the length of the body is not clear")
	case h.method == "CONNECT" && f.hasBody():
		return head{}, errors.New("a CONNECT has no body")
	}
	return h, nil
}

const (
	http10 = "HTTP/1.0"
	http11 = "HTTP/1.1"
)

func parseRequestLine(line string) (h head, version string, err error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" || parts[2] != http11 && parts[2] != http10 {
		return head{}, "", errors.New("the request line is not that of HTTP/1.1")
	}
	for i := range len(parts[1]) {
		if c := parts[1][i]; c <= ' ' || c >= 0x7f {
			return head{}, "", errors.New("the request's target has a character that must be escaped")
		}
	}
	return head{method: parts[0], target: parts[1]}, parts[2], nil
}

// framing are the values of the headers that say how long the body is.
type framing struct{ lengths, encodings []string }

// isClear reports whether every program finds the same end of the body.
func (f framing) isClear(version string) bool {
	switch {
	case len(f.lengths)+len(f.encodings) > 1:
		return false
	case len(f.encodings) > 0:
		return f.encodings[0] == "chunked" && version != http10
	case len(f.lengths) > 0:
		return f.lengths[0] != "" && strings.Trim(f.lengths[0], "0123456789") == ""
	}
	return true
}

func (f framing) hasBody() bool {
	return len(f.lengths)+len(f.encodings) > 0 && !slices.Equal(f.lengths, []string{"0"})
}

// authority parses host:port. Without a port it returns the default; a default of 0 is an error.
func authority(s string, defaultPort int) (Host, int, error) {
	host, port := s, defaultPort
	if bare := strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"); bare {
		host = s[1 : len(s)-1]
	} else if strings.Contains(s, ":") {
		h, p, err := net.SplitHostPort(s)
		if err != nil {
			return Host{}, 0, fmt.Errorf("%q is not host:port", s)
		}
		if port, err = parsePort(p); err != nil {
			return Host{}, 0, err
		}
		host = h
	}
	if port == 0 {
		return Host{}, 0, fmt.Errorf("%q has no port", s)
	}
	if strings.HasPrefix(s, "[") != strings.Contains(host, ":") {
		return Host{}, 0, fmt.Errorf("%q is not host:port", s)
	}
	h, err := ParseHost(host)
	if err != nil {
		return Host{}, 0, fmt.Errorf("host %q: %w", host, err)
	}
	return h, port, nil
}

// destination returns the host and port of a request to the proxy. Its Host header must be the same.
func (h head) destination() (Host, int, error) {
	var (
		host        Host
		port        int
		defaultPort int
		err         error
	)
	if h.method == "CONNECT" {
		host, port, err = authority(h.target, 0)
		defaultPort = port
	} else {
		if !strings.Contains(h.target, "://") {
			return Host{}, 0, errors.New("this is a proxy: a request to it has the whole URL")
		}
		var u *url.URL
		if u, err = url.ParseRequestURI(h.target); err != nil || strings.ContainsAny(h.target, "#\\") {
			return Host{}, 0, errors.New("the URL is not well-formed")
		}
		switch {
		case !strings.EqualFold(u.Scheme, "http"):
			return Host{}, 0, fmt.Errorf("the URL's scheme is %q: only http is proxied as a URL, all else by CONNECT", u.Scheme)
		case u.User != nil:
			return Host{}, 0, errors.New("the URL has a user name")
		}
		defaultPort = 80
		host, port, err = authority(u.Host, defaultPort)
	}
	if err != nil {
		return Host{}, 0, err
	}
	return host, port, h.checkHostHeader(host, port, defaultPort)
}

// checkInTunnel checks that a request in a tunnel is for the tunnel's host.
func (h head) checkInTunnel(host Host, port int) error {
	switch {
	case h.method == "CONNECT":
		return errors.New("a tunnel must not have a CONNECT in it")
	case !strings.HasPrefix(h.target, "/") && h.target != "*":
		return errors.New("a request within a tunnel must have a path, not a URL")
	case len(h.hosts) == 0:
		return errors.New("there is no Host header")
	}
	return h.checkHostHeader(host, port, 80)
}

func (h head) checkHostHeader(host Host, port, defaultPort int) error {
	for _, value := range h.hosts {
		if a, p, err := authority(value, defaultPort); err != nil || a != host || p != port {
			return fmt.Errorf("the Host header is not %s", net.JoinHostPort(host.String(), fmt.Sprint(port)))
		}
	}
	return nil
}

func isToken(s string) bool {
	for i := range len(s) {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

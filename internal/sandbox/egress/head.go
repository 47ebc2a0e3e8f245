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

// maxHead is the most that the request line and the headers of a request may take.
const maxHead = 32 << 10

var errHeadTooLong = errors.New("the headers are longer than 32 KB")

// head is what decides about a request: its line, and the Host header, which net/http drops where the line has a URL.
type head struct {
	method, target string
	hosts          []string // values of Host headers
}

// peekHead waits for a whole head, leaving it in the reader, whose buffer is maxHead long.
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

// parseHead is strict, so that no two programs can read one head in two ways: lines end in CRLF, none is folded, names
// are tokens, and what frames the body is said once.
func parseHead(b []byte) (head, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\r\n\r\n"), "\r\n")
	for _, l := range lines {
		if strings.ContainsAny(l, "\r\n\x00") {
			return head{}, errors.New("a line has a control character")
		}
	}
	parts := strings.Split(lines[0], " ")
	if len(parts) != 3 || !token(parts[0]) || parts[1] == "" || parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0" {
		return head{}, errors.New("the request line is not that of HTTP/1.1")
	}
	for i := range len(parts[1]) {
		if c := parts[1][i]; c <= ' ' || c >= 0x7f {
			return head{}, errors.New("the request's target has a character that must be escaped")
		}
	}
	h := head{method: parts[0], target: parts[1]}
	var lengths, encodings []string
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		value = strings.Trim(value, " \t")
		if !ok || !token(name) || !httpguts.ValidHeaderFieldValue(value) {
			return head{}, errors.New("a header line is not well-formed")
		}
		switch strings.ToLower(name) {
		case "host":
			h.hosts = append(h.hosts, value)
		case "content-length":
			lengths = append(lengths, value)
		case "transfer-encoding":
			encodings = append(encodings, strings.ToLower(value))
		}
	}
	switch {
	case len(h.hosts) > 1:
		return head{}, errors.New("there is more than one Host header")
	case len(h.hosts) == 0 && parts[2] != "HTTP/1.0":
		return head{}, errors.New("there is no Host header")
	case len(lengths) > 1, len(encodings) > 1, len(lengths) > 0 && len(encodings) > 0,
		len(encodings) > 0 && (encodings[0] != "chunked" || parts[2] == "HTTP/1.0"),
		len(lengths) > 0 && (lengths[0] == "" || strings.Trim(lengths[0], "0123456789") != ""):
		return head{}, errors.New("the length of the body is not clear")
	case h.method == "CONNECT" && len(lengths)+len(encodings) > 0 && !slices.Equal(lengths, []string{"0"}):
		return head{}, errors.New("a CONNECT has no body")
	}
	return h, nil
}

// authority reads host:port; without a port it has the default, 0 being none.
func authority(s string, defaultPort int) (Host, int, error) {
	host, port := s, defaultPort
	if bare := strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"); bare {
		host = s[1 : len(s)-1]
	} else if strings.Contains(s, ":") {
		h, p, err := net.SplitHostPort(s)
		if err != nil {
			return Host{}, 0, fmt.Errorf("%q is no host:port", s)
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
		return Host{}, 0, fmt.Errorf("%q is no host:port", s)
	}
	h, err := ParseHost(host)
	if err != nil {
		return Host{}, 0, fmt.Errorf("host %q: %w", host, err)
	}
	return h, port, nil
}

// destination says whom a request is for, and that its Host header says so too.
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
	return host, port, h.sameHost(host, port, defaultPort)
}

// within says that a request in a tunnel is for the host that the tunnel was asked for.
func (h head) within(host Host, port int) error {
	switch {
	case h.method == "CONNECT":
		return errors.New("there is no CONNECT within a tunnel")
	case !strings.HasPrefix(h.target, "/") && h.target != "*":
		return errors.New("a request within a tunnel has a path, not a URL")
	case len(h.hosts) == 0:
		return errors.New("there is no Host header")
	}
	return h.sameHost(host, port, 80)
}

func (h head) sameHost(host Host, port, defaultPort int) error {
	for _, value := range h.hosts {
		if a, p, err := authority(value, defaultPort); err != nil || a != host || p != port {
			return fmt.Errorf("the Host header is not %s", net.JoinHostPort(host.String(), fmt.Sprint(port)))
		}
	}
	return nil
}

func token(s string) bool {
	for i := range len(s) {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

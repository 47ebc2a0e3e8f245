package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Rule is an entry of the allowlist: a name, every name below one ("*.example.com"), or an IP address. Without a port
// it is for 80 and 443.
type Rule struct {
	Host    string     // normalised, without the "*." of a suffix; "" for an address
	Suffix  bool       // matches every name below Host, not Host itself
	Address netip.Addr // valid for an address
	Port    int        // 0 is 80 and 443
}

// ParseRule parses "example.com", "*.example.com", "example.com:8443", "192.0.2.7" or "[2001:db8::1]:443".
func ParseRule(s string) (Rule, error) {
	wrong := func(why string) (Rule, error) { return Rule{}, fmt.Errorf("host %q: %s", s, why) }
	var r Rule
	text := s
	switch {
	case text == "":
		return wrong("it is empty")
	case strings.Contains(text, "/"):
		return wrong("a host has no scheme and no path")
	case text == "*":
		return wrong("to let every host through, set the mode to open")
	}
	// An IPv6 address without brackets has no port.
	if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
		text = "[" + text + "]"
	}
	host := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.Contains(text, ":") {
		h, p, err := net.SplitHostPort(text)
		if err != nil {
			return wrong("it must be a name, name:port or an address")
		}
		host = h
		if r.Port, err = parsePort(p); err != nil {
			return wrong(err.Error())
		}
	}
	if strings.HasPrefix(text, "[") && !strings.Contains(host, ":") {
		return wrong("only an IPv6 address has brackets")
	}
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		r.Suffix, host = true, rest
	}
	h, err := ParseHost(host)
	if err != nil {
		return wrong(err.Error())
	}
	if h.Address.IsValid() {
		switch {
		case r.Suffix:
			return wrong("an address has no names below it")
		case h.Address.IsUnspecified(), h.Address.IsMulticast():
			return wrong("no host has this address")
		}
	}
	r.Host, r.Address = h.Name, h.Address
	return r, nil
}

// String returns the rule as settings spell it.
func (r Rule) String() string {
	host := r.Host
	if r.Suffix {
		host = "*." + host
	}
	if r.Address.IsValid() {
		host = r.Address.String()
	}
	if r.Port == 0 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(r.Port))
}

// Matches reports whether the rule allows this port of h.
func (r Rule) Matches(h Host, port int) bool {
	if r.Port != port && (r.Port != 0 || port != 80 && port != 443) {
		return false
	}
	if h.Address.IsValid() || r.Address.IsValid() {
		return r.Address == h.Address
	}
	if r.Suffix {
		return len(h.Name) > len(r.Host)+1 && strings.HasSuffix(h.Name, "."+r.Host)
	}
	return h.Name == r.Host
}

// Host is the normalised host of a request or of a rule: a name or an address.
type Host struct {
	Name    string
	Address netip.Addr
}

// String returns the name or the address.
func (h Host) String() string {
	if h.Address.IsValid() {
		return h.Address.String()
	}
	return h.Name
}

// ParseHost normalises a name (case, a final dot, letters beyond ASCII) or an address. An IPv4 address must have four
// decimal numbers: resolvers do not agree on the meaning of 0x7f.1, 2130706433 or 0177.0.0.1.
func ParseHost(s string) (Host, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return Host{}, errors.New("an address with a zone is not of the internet")
		}
		return Host{Address: a.Unmap()}, nil
	}
	name := strings.TrimSuffix(s, ".")
	if name == "" {
		return Host{}, errors.New("it is empty")
	}
	if !hasHostCharacters(name) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return Host{}, fmt.Errorf("it is not a host name: %w", err)
		}
		name = ascii
	}
	name = strings.ToLower(name)
	if len(name) > 253 {
		return Host{}, errors.New("it is longer than a host name can be")
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") || !hasHostCharacters(l) {
			return Host{}, errors.New("it is not a host name")
		}
		// A label that does not decode is refused: resolvers could ask for another name than the one that we compare.
		if strings.HasPrefix(l, "xn--") {
			if _, err := idna.Lookup.ToUnicode(l); err != nil {
				return Host{}, fmt.Errorf("it is not a host name: %w", err)
			}
		}
	}
	// As in browsers, a name whose last label is a number is an address.
	if last := labels[len(labels)-1]; isNumber(last) {
		return Host{}, errors.New("it is an unusual form of an IPv4 address")
	}
	return Host{Name: name}, nil
}

func parsePort(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return n, nil
}

// hasHostCharacters reports whether s has only characters of host names. Underscores occur in practice.
func hasHostCharacters(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

func isNumber(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

package devcontainer

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// hostPort is an entry of forwardPorts that names a host. The specification allows only lower-case letters, digits and
// dashes; services of Compose may have capitals, dots and underscores too.
var hostPort = regexp.MustCompile(`^(?:([A-Za-z0-9][A-Za-z0-9._-]*):)?([0-9]{1,5})$`)

// ParseForwardPort reads an entry of forwardPorts: "3000", "db:5432". localhost and 127.0.0.1 are the dev container.
func ParseForwardPort(s string) (ForwardPort, error) {
	m := hostPort.FindStringSubmatch(s)
	if m == nil {
		return ForwardPort{}, errors.New(jsonc.Quote(s) + " is neither a port nor a host:port")
	}
	port, err := strconv.Atoi(m[2])
	if err != nil || port > 65535 {
		return ForwardPort{}, errors.New(jsonc.Quote(s) + " has no port (0–65535)")
	}
	if m[1] == "localhost" || m[1] == "127.0.0.1" {
		m[1] = ""
	}
	return ForwardPort{Host: m[1], Port: port}, nil
}

// String is the port, with its host if that is not the dev container.
func (p ForwardPort) String() string {
	if p.open != "" {
		return p.open
	}
	if p.Host == "" {
		return strconv.Itoa(p.Port)
	}
	return p.Host + ":" + strconv.Itoa(p.Port)
}

// MarshalJSON writes a number, or "db:5432".
func (p ForwardPort) MarshalJSON() ([]byte, error) {
	if p.open == "" && p.Host == "" {
		return []byte(strconv.Itoa(p.Port)), nil
	}
	return []byte(jsonc.Quote(p.String())), nil
}

func (d *decoder) forwardPorts(n *jsonc.Node) []ForwardPort {
	var out []ForwardPort
	for _, e := range d.Array(n, "ports") {
		switch e.Kind {
		case '0':
			out = append(out, ForwardPort{Port: d.Number(e, 0, 65535, "port")})
		case '"':
			p, err := ParseForwardPort(e.Text)
			if d.open(e.Text) {
				p, err = ForwardPort{open: e.Text}, nil
			}
			if err != nil {
				d.Fail(e, "%w", err)
			}
			out = append(out, p)
		default:
			d.Fail(e, "%s is neither a port nor a host:port", e.Show())
		}
	}
	return out
}

func (d *decoder) portAttributes(n *jsonc.Node) PortAttributes {
	d.Object(n)
	return PortAttributes{
		Label:            d.Text(n.Get("label")),
		Protocol:         d.Text(n.Get("protocol")),
		OnAutoForward:    d.Text(n.Get("onAutoForward")),
		RequireLocalPort: d.Boolean(n.Get("requireLocalPort")),
		ElevateIfNeeded:  d.Boolean(n.Get("elevateIfNeeded")),
		written:          n,
	}
}

// Equal says whether two say the same, however they were written.
func (a PortAttributes) Equal(b PortAttributes) bool {
	a.written, b.written = nil, nil
	return reflect.DeepEqual(a, b)
}

// MarshalJSON writes what is set; what was read and not changed since is written as it was, unknown keys too.
func (a PortAttributes) MarshalJSON() ([]byte, error) {
	if a.written != nil && (&decoder{}).portAttributes(a.written).Equal(a) {
		return a.written.JSON(), nil
	}
	type plain PortAttributes // without the methods
	return json.Marshal(plain(a))
}

func (d *decoder) portsAttributes(n *jsonc.Node) map[string]PortAttributes {
	if n == nil {
		return nil
	}
	out := make(map[string]PortAttributes, len(n.Members))
	for _, m := range d.Object(n) {
		out[m.Name] = d.portAttributes(m.Value)
	}
	return out
}

func (d *decoder) otherPorts(n *jsonc.Node) *PortAttributes {
	if n == nil {
		return nil
	}
	a := d.portAttributes(n)
	return &a
}

// Attributes are those of a port of the dev container (host "") or of another service. Command is the command line of
// the process that listens, "" if that is not known. As in VS Code each attribute comes from the key that is the port
// itself, otherwise from the first key that fits: ranges and host:port by their number, then expressions by their text.
// Where that says nothing, otherPortsAttributes count (devcontainer.json reference, "Port attributes").
func (m *Merged) Attributes(host string, port int, command string) PortAttributes {
	return attributes(m.PortsAttributes, m.OtherPortsAttributes, host, port, command)
}

func attributes(
	all map[string]PortAttributes, other *PortAttributes, host string, port int, command string,
) PortAttributes {
	keys := make([]portKey, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		keys = append(keys, parsePortKey(k))
	}
	slices.SortStableFunc(keys, func(a, b portKey) int { return cmp.Compare(a.low, b.low) })
	var out PortAttributes
	for _, exact := range []bool{true, false} {
		for _, k := range keys {
			if k.exact == exact && k.fits(host, port, command) {
				out = out.or(all[k.text])
			}
		}
	}
	if other != nil && out == (PortAttributes{}) {
		return *other
	}
	return out
}

// or fills what a does not say from b.
func (a PortAttributes) or(b PortAttributes) PortAttributes {
	return PortAttributes{
		Label:            cmp.Or(a.Label, b.Label),
		Protocol:         cmp.Or(a.Protocol, b.Protocol),
		OnAutoForward:    cmp.Or(a.OnAutoForward, b.OnAutoForward),
		RequireLocalPort: cmp.Or(a.RequireLocalPort, b.RequireLocalPort),
		ElevateIfNeeded:  cmp.Or(a.ElevateIfNeeded, b.ElevateIfNeeded),
	}
}

// portKey is one key of portsAttributes: a port, a range a-b, a host:port, otherwise an expression.
type portKey struct {
	text      string
	exact     bool
	host      string
	low, high int
	command   *regexp.Regexp
}

// noPort sorts expressions after all ports.
const noPort = 1 << 16

var portRange = regexp.MustCompile(`^([0-9]{1,5})\s*-\s*([0-9]{1,5})$`)

func parsePortKey(key string) portKey {
	if m := portRange.FindStringSubmatch(key); m != nil {
		low, _ := strconv.Atoi(m[1]) // the expression allows only digits
		high, _ := strconv.Atoi(m[2])
		return portKey{text: key, low: low, high: high}
	}
	if p, err := ParseForwardPort(strings.TrimSpace(key)); err == nil {
		return portKey{text: key, exact: true, host: p.Host, low: p.Port, high: p.Port}
	}
	// An expression that Go does not know, such as a look-ahead, fits nothing.
	command, _ := regexp.Compile(key)
	return portKey{text: key, low: noPort, high: noPort, command: command}
}

func (k portKey) fits(host string, port int, command string) bool {
	if k.low == noPort {
		return k.command != nil && command != "" && k.command.MatchString(command)
	}
	return k.host == host && k.low <= port && port <= k.high
}

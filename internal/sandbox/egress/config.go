// Package egress is the one way out of a sandbox: an allowlisting proxy, the forwarders that keep published ports, the
// control channel that adds hosts while it runs, and the check that proves that nothing else is open. It runs as process 1
// of a sidecar whose image holds only this program's binary; see [Main].
package egress

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Mode says how much of the outside the proxy lets through.
type Mode string

const (
	// None refuses every request.
	None Mode = "none"
	// Restricted lets through what [Config].Allow lists.
	Restricted Mode = "restricted"
	// Open lets every name through that resolves to a public address.
	Open Mode = "open"
)

// Port is where the proxy listens in its sidecar.
const Port = 3128

// Names of the variables that hand a sidecar its [Config], and a check its [Check], as JSON.
const (
	ConfigVariable = "LOOM_EGRESS"
	CheckVariable  = "LOOM_EGRESS_CHECK"
)

// Socket is the control channel's path in the sidecar: on a tmpfs that only the sidecar has, and on no network.
const Socket = "/run/egress.sock"

// Config is what a sidecar is told at its start.
type Config struct {
	Mode Mode `json:"mode"`
	// Allow is the whole list of [Rule]s: the proxy adds no defaults.
	Allow []string `json:"allow,omitempty"`
	// AllowPrivate lists rules that are allowed as those of Allow, and whose names may resolve to private addresses
	// (RFC 1918, ULA, CGNAT; never to loopback, link-local or metadata addresses).
	AllowPrivate []string `json:"allowPrivate,omitempty"`
	// Closed are addresses that are never dialled though they are public: those of the machine that runs the sandbox.
	Closed []netip.Prefix `json:"closed,omitempty"`
	// Clients are the subnets whose requests the proxy takes; none is every address. The forwarders are open to all.
	Clients []netip.Prefix `json:"clients,omitempty"`
	// Forwards keep ports published that a service on an internal network cannot publish itself.
	Forwards []Forward `json:"forwards,omitempty"`
	// Services are the names that the client should reach without the proxy; a denial says so.
	Services []string `json:"services,omitempty"`
	// Hint is the command that allows a host, which a denial shows with the host appended: "docker loom agent allow".
	Hint string `json:"hint,omitempty"`
}

// Forward takes connections, or datagrams, on a port of the sidecar to a service.
type Forward struct {
	Listen   int    `json:"listen"`
	Protocol string `json:"protocol,omitempty"` // tcp or udp; "" is tcp
	Target   string `json:"target"`             // name:port, resolved at each connection
}

// Verdict is what became of a request.
type Verdict string

const (
	// Allowed marks what was let through.
	Allowed Verdict = "allowed"
	// Denied marks what the policy refused.
	Denied Verdict = "denied"
	// Failed marks what was allowed and did not come about: no such host, no connection.
	Failed Verdict = "failed"
)

// Decision is one line of the sidecar's log on stdout, as JSON. It says nothing of paths, headers and bodies.
type Decision struct {
	Time    time.Time `json:"time"`
	Source  string    `json:"source"` // address of the client
	Kind    string    `json:"kind"`   // http or connect
	Host    string    `json:"host"`
	Port    int       `json:"port"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Address string    `json:"address,omitempty"` // the address that was dialled
}

// ParseConfig reads the JSON of a [Config] and checks it.
func ParseConfig(text string) (Config, error) {
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Config{}, fmt.Errorf("the proxy's configuration: %w", err)
	}
	return c, c.Validate()
}

// Validate says whether a sidecar can start with c.
func (c Config) Validate() error {
	switch c.Mode {
	case None, Restricted, Open:
	default:
		return fmt.Errorf("egress mode %q is none of none, restricted, open", c.Mode)
	}
	for _, list := range [][]string{c.Allow, c.AllowPrivate} {
		for _, s := range list {
			if _, err := ParseRule(s); err != nil {
				return err
			}
		}
	}
	for _, f := range c.Forwards {
		if err := f.validate(); err != nil {
			return fmt.Errorf("forward of port %d: %w", f.Listen, err)
		}
	}
	return nil
}

func (f Forward) validate() error {
	if f.Listen < 1 || f.Listen > 65535 {
		return fmt.Errorf("%d is no port", f.Listen)
	}
	if f.Protocol == "" || f.Protocol == "tcp" {
		if f.Listen == Port {
			return fmt.Errorf("the proxy itself listens there")
		}
	} else if f.Protocol != "udp" {
		return fmt.Errorf("protocol %q is neither tcp nor udp", f.Protocol)
	}
	host, port, err := net.SplitHostPort(f.Target)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return fmt.Errorf("target %q is no name:port", f.Target)
	}
	return nil
}

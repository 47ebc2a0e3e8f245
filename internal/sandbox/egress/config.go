// Package egress is the one way out of a sandbox: an allowlisting proxy, the forwards that keep published ports, a
// control channel that adds hosts, and the check that proves that nothing else is open. It runs as process 1 of a
// sidecar whose image has only this program's binary; see [Main].
package egress

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Mode is how much of the outside the proxy allows.
type Mode string

const (
	// None refuses every request but those to the loom's services.
	None Mode = "none"
	// Restricted allows what [Config].Allow lists.
	Restricted Mode = "restricted"
	// Open allows every name that resolves to a public address.
	Open Mode = "open"
)

// Port is the proxy's port in its sidecar.
const Port = 3128

// Variables that hold a sidecar's [Config] and a [Check] as JSON.
const (
	ConfigVariable = "LOOM_EGRESS"
	CheckVariable  = "LOOM_EGRESS_CHECK"
)

// Socket is the path of the control channel, on a tmpfs that only the sidecar has.
const Socket = "/run/egress.sock"

// Config is the configuration that a sidecar starts with.
type Config struct {
	Mode Mode `json:"mode"`
	// Allow is the whole list of rules: the proxy adds no defaults.
	Allow []string `json:"allow,omitempty"`
	// AllowPrivate lists more rules, whose names may also resolve to private addresses (RFC 1918, ULA, CGNAT; never to
	// loopback, link-local or metadata addresses).
	AllowPrivate []string `json:"allowPrivate,omitempty"`
	// Closed are public addresses that the proxy does not connect to: those of the machine that runs the sandbox.
	Closed []netip.Prefix `json:"closed,omitempty"`
	// Clients are the subnets that the proxy serves. Without any it serves all. The forwards are open to all.
	Clients []netip.Prefix `json:"clients,omitempty"`
	// Forwards publish ports that a service on an internal network cannot publish itself.
	Forwards []Forward `json:"forwards,omitempty"`
	// Services are names of what a client reaches on its own network. Clients that ask the proxy for them are connected.
	Services []string `json:"services,omitempty"`
	// Hint is the command that allows a host, as "docker loom agent allow". A denial shows it with the host appended.
	Hint string `json:"hint,omitempty"`
}

// Forward sends connections or datagrams from a port of the sidecar to a service.
type Forward struct {
	Listen   int    `json:"listen"`
	Protocol string `json:"protocol,omitempty"` // tcp or udp; "" is tcp
	Target   string `json:"target"`             // name:port, resolved for each connection
}

// Verdict is the result of a request.
type Verdict string

const (
	// Allowed marks a request that was sent on.
	Allowed Verdict = "allowed"
	// Denied marks a request that the policy refused.
	Denied Verdict = "denied"
	// Failed marks an allowed request without a result: no such host, no connection.
	Failed Verdict = "failed"
)

// Decision is one line of the sidecar's log on stdout, as JSON. It has no paths, headers or bodies.
type Decision struct {
	Time    time.Time `json:"time"`
	Source  string    `json:"source"` // address of the client
	Kind    string    `json:"kind"`   // http or connect
	Host    string    `json:"host"`
	Port    int       `json:"port"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Address string    `json:"address,omitempty"` // the address of the connection
}

// ParseConfig decodes and validates the JSON of a [Config].
func ParseConfig(text string) (Config, error) {
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Config{}, fmt.Errorf("the proxy's configuration: %w", err)
	}
	return c, c.Validate()
}

// Validate returns why a sidecar cannot start with c.
func (c Config) Validate() error {
	switch c.Mode {
	case None, Restricted, Open:
	default:
		return fmt.Errorf("egress mode must be none, restricted or open, not %q", c.Mode)
	}
	for _, list := range [][]string{c.Allow, c.AllowPrivate} {
		for _, s := range list {
			if _, err := ParseRule(s); err != nil {
				return err
			}
		}
	}
	for _, f := range c.Forwards {
		if err := f.checkFields(); err != nil {
			return fmt.Errorf("forward of port %d: %w", f.Listen, err)
		}
	}
	return nil
}

func (f Forward) checkFields() error {
	if f.Listen < 1 || f.Listen > 65535 {
		return fmt.Errorf("%d is not a port", f.Listen)
	}
	if f.Protocol == "" || f.Protocol == "tcp" {
		if f.Listen == Port {
			return fmt.Errorf("the proxy itself listens there")
		}
	} else if f.Protocol != "udp" {
		return fmt.Errorf("protocol must be tcp or udp, not %q", f.Protocol)
	}
	host, port, err := net.SplitHostPort(f.Target)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return fmt.Errorf("target must be name:port, not %q", f.Target)
	}
	return nil
}

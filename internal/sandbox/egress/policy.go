package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Closed gives what [Config].Closed has to say of a machine with these addresses: only those that would count as public.
// A sidecar has no IPv6, whose addresses change by the day.
func Closed(machine []netip.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range machine {
		a = a.Unmap()
		if kind, _ := classify(a); kind == public && a.Is4() {
			list = append(list, netip.PrefixFrom(a, 32))
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return slices.Compact(list)
}

// policy is the Config in force. Hosts can be added while it is used; nothing that was decided is remembered.
type policy struct {
	mu             sync.RWMutex
	config         Config
	allow, private []Rule
}

func newPolicy(c Config) (*policy, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &policy{config: c}
	p.config.Allow, p.config.AllowPrivate = nil, nil
	if err := p.add(c.Allow, c.AllowPrivate); err != nil {
		return nil, err
	}
	return p, nil
}

// add takes all of the rules or none.
func (p *policy) add(allow, private []string) error {
	read := func(list []string) ([]Rule, error) {
		var rules []Rule
		for _, s := range list {
			r, err := ParseRule(s)
			if err != nil {
				return nil, err
			}
			rules = append(rules, r)
		}
		return rules, nil
	}
	a, err := read(allow)
	if err != nil {
		return err
	}
	b, err := read(private)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range a {
		if !slices.Contains(p.allow, r) {
			p.allow = append(p.allow, r)
			p.config.Allow = append(p.config.Allow, r.String())
		}
	}
	for _, r := range b {
		if !slices.Contains(p.private, r) {
			p.private = append(p.private, r)
			p.config.AllowPrivate = append(p.config.AllowPrivate, r.String())
		}
	}
	return nil
}

// inForce is a copy of what holds now.
func (p *policy) inForce() Config {
	p.mu.RLock()
	defer p.mu.RUnlock()
	c := p.config
	c.Allow, c.AllowPrivate = slices.Clone(c.Allow), slices.Clone(c.AllowPrivate)
	return c
}

// ruling is what the policy says of a host and a port, before any address is known.
type ruling struct {
	allowed bool
	reason  string // of a denial
	private bool   // the name may have a private address
	raw     bool   // a tunnel may carry what is neither TLS nor HTTP
}

func (p *policy) rule(h Host, port int) ruling {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.config.Mode == None {
		return ruling{reason: "the egress mode is none"}
	}
	var r ruling
	for i, list := range [][]Rule{p.allow, p.private} {
		for _, rule := range list {
			if rule.Matches(h, port) {
				r.allowed = true
				r.private = r.private || i == 1
				r.raw = r.raw || rule.Port != 0
			}
		}
	}
	if p.config.Mode == Open && !h.Address.IsValid() {
		r.allowed, r.raw = true, true
	}
	// What browsers and package managers speak on these two is known, and looked at.
	r.raw = r.raw && port != 80 && port != 443
	switch {
	case r.allowed:
	case h.Address.IsValid():
		r.reason = "an address that is not on the allowlist"
	case slices.ContainsFunc(p.config.Services, func(s string) bool { return strings.EqualFold(s, h.Name) }):
		r.reason = "a service of the loom, which is reached without the proxy (NO_PROXY)"
	default:
		r.reason = "not on the allowlist"
	}
	return r
}

// refusedError says that a host is allowed and the address that was to be dialled is not.
type refusedError struct {
	address netip.Addr
	reason  string
}

// Error names the address and what it is.
func (e *refusedError) Error() string { return fmt.Sprintf("%s is %s", e.address, e.reason) }

// dial decides about the very address that is about to be dialled for a host that is allowed.
func (p *policy) dial(a netip.AddrPort, r ruling) error {
	addr := a.Addr().WithZone("").Unmap()
	kind, why := classify(addr)
	if slices.ContainsFunc(p.config.Closed, func(n netip.Prefix) bool { return n.Contains(addr) }) {
		kind, why = closed, "an address of the machine that runs the sandbox"
	}
	if kind == public || kind == private && r.private {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, rule := range p.allow {
		if rule.Address.IsValid() && rule.Matches(Host{Address: addr}, int(a.Port())) {
			return nil
		}
	}
	return &refusedError{addr, why}
}

// client says whether the proxy takes requests from an address.
func (p *policy) client(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	return len(p.config.Clients) == 0 || slices.ContainsFunc(p.config.Clients, func(n netip.Prefix) bool { return n.Contains(a) })
}

// denial is the body of a refusal: it names the host, why, and what allows it.
func (p *policy) denial(h Host, port int, reason string) string {
	target := h.String()
	if port != 80 && port != 443 || h.Address.Is6() {
		target = Rule{Host: h.Name, Address: h.Address, Port: port}.String()
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.config.Mode == None {
		return fmt.Sprintf("docker loom: the sandbox may not reach %s: %s.\n"+
			"The setting container.agent.egress.mode says what a sandbox may reach.\n", target, reason)
	}
	hint := p.config.Hint
	if hint == "" {
		hint = "docker loom agent allow"
	}
	return fmt.Sprintf("docker loom: the sandbox may not reach %s: %s.\n"+
		"If it should, run on the host: %s %s\n"+
		"The setting is container.agent.egress.allow.\n", target, reason, hint, target)
}

package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Closed returns the [Config].Closed of a machine with these addresses: the public ones, the others are closed
// anyway. A sidecar has no IPv6, so the machine's IPv6 addresses, which change often, are left out.
func Closed(machine []netip.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range machine {
		a = a.Unmap()
		if kind, _ := classify(a); kind == classPublic && a.Is4() {
			list = append(list, netip.PrefixFrom(a, 32))
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return slices.Compact(list)
}

// policy is the current Config. Hosts can be added while it is used. No decision is cached.
type policy struct {
	mu             sync.RWMutex
	config         Config
	allow, private []Rule
	// networks are those of this process; tests have others.
	networks func() []netip.Prefix
}

func newPolicy(c Config) (*policy, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &policy{config: c, networks: func() []netip.Prefix { return networksOf(net.InterfaceAddrs) }}
	p.config.Allow, p.config.AllowPrivate = nil, nil
	if err := p.add(c.Allow, c.AllowPrivate); err != nil {
		return nil, err
	}
	return p, nil
}

// add adds all of the rules. If one is wrong, it adds none.
func (p *policy) add(allow, private []string) error {
	a, err := parseRules(allow)
	if err != nil {
		return err
	}
	b, err := parseRules(private)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	addRules(&p.allow, &p.config.Allow, a)
	addRules(&p.private, &p.config.AllowPrivate, b)
	return nil
}

func parseRules(list []string) ([]Rule, error) {
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

// addRules adds the rules that are new, and their texts.
func addRules(rules *[]Rule, texts *[]string, more []Rule) {
	for _, r := range more {
		if !slices.Contains(*rules, r) {
			*rules = append(*rules, r)
			*texts = append(*texts, r.String())
		}
	}
}

// current returns a copy of the Config with the rules that were added.
func (p *policy) current() Config {
	p.mu.RLock()
	defer p.mu.RUnlock()
	c := p.config
	c.Allow, c.AllowPrivate = slices.Clone(c.Allow), slices.Clone(c.AllowPrivate)
	return c
}

// ruling is the policy's answer for a host and a port, before any address is known.
type ruling struct {
	allowed bool
	reason  string // of a denial
	private bool   // the name may have a private address
	raw     bool   // a tunnel may carry protocols other than TLS and HTTP
	own     bool   // the client reaches it on its own network, and only there
}

// decide rules on a request of a client. A name that a rule allows is a host of the outside, also if a service has it.
func (p *policy) decide(client netip.Addr, h Host, port int) ruling {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r := p.decideByRules(h, port)
	if r.allowed {
		return r
	}
	if h.Address.IsValid() && p.isNeighbour(client, h.Address) || !h.Address.IsValid() && p.isService(h.Name) {
		return ruling{allowed: true, own: true}
	}
	switch {
	case p.config.Mode == None:
		r.reason = "the egress mode is none"
	case h.Address.IsValid():
		r.reason = "an address that is not on the allowlist"
	case p.config.Mode == Open:
		return ruling{allowed: true, raw: port != 80 && port != 443}
	default:
		r.reason = "not on the allowlist"
	}
	return r
}

// decideByRules rules by the allowlist alone.
func (p *policy) decideByRules(h Host, port int) ruling {
	var r ruling
	if p.config.Mode == None {
		return r
	}
	for i, list := range [][]Rule{p.allow, p.private} {
		for _, rule := range list {
			if rule.Matches(h, port) {
				r.allowed = true
				r.private = r.private || i == 1
				r.raw = r.raw || rule.Port != 0
			}
		}
	}
	// On these two ports browsers and package managers use TLS and HTTP, which are checked.
	r.raw = r.raw && port != 80 && port != 443
	return r
}

// refusedError is returned for an allowed host whose address is not allowed.
type refusedError struct {
	address netip.Addr
	reason  string
}

// Error implements error.
func (e *refusedError) Error() string { return fmt.Sprintf("%s is %s", e.address, e.reason) }

// checkAddress checks the address that is about to be connected to for an allowed host of a client's request.
func (p *policy) checkAddress(client netip.Addr, a netip.AddrPort, r ruling) error {
	addr := a.Addr().WithZone("").Unmap()
	if r.own {
		if p.isNeighbour(client, addr) {
			return nil
		}
		return &refusedError{addr, "not on the network that the sandbox shares with the loom's services"}
	}
	kind, why := classify(addr)
	if slices.ContainsFunc(p.config.Closed, func(n netip.Prefix) bool { return n.Contains(addr) }) {
		kind, why = classClosed, "an address of the machine that runs the sandbox"
	}
	if kind == classPublic || kind == classPrivate && r.private {
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

// isClient reports whether the proxy serves an address.
func (p *policy) isClient(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	return len(p.config.Clients) == 0 ||
		slices.ContainsFunc(p.config.Clients, func(n netip.Prefix) bool { return n.Contains(a) })
}

// denial returns the body of a refusal: the host, the reason, and the command that allows it.
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

package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	probeTime = 800 * time.Millisecond // for each probe; they run in parallel
	checkTime = 20 * time.Second       // for all
	proxyTime = 5 * time.Second        // until the proxy answers
)

// Check lists what is tried from inside a sandbox's network namespace. Nothing but Proxy may be reachable.
type Check struct {
	Mode Mode `json:"mode"`
	// Proxy is the name:port of the sidecar's proxy in the sandbox. It must answer.
	Proxy string `json:"proxy"`
	// Unlisted is a host that the policy does not list. Except in mode open, the proxy must refuse it.
	Unlisted string `json:"unlisted,omitempty"`
	// Hosts are addresses of the machine: its own, and the gateways of the sandbox's and of Docker's other networks.
	Hosts []string `json:"hosts,omitempty"`
	// Ports are tried on each of Hosts: published ports of other looms, and ports that are often open (22, 2375 …).
	Ports []int `json:"ports,omitempty"`
	// Closed are other address:port pairs that must not accept a TCP connection.
	Closed []string `json:"closed,omitempty"`
	// Public are addresses of the internet: ports 53, 80 and 443 are tried, and DNS over UDP. Empty means well-known ones.
	Public []string `json:"public,omitempty"`
	// Names must not resolve. Empty means well-known ones.
	Names []string `json:"names,omitempty"`
	// Peers are addresses of containers in the sandbox's networks. They may be reached, and are not tried.
	Peers []string `json:"peers,omitempty"`
}

// Report is the JSON output of `egress check`. Only OK means that the check passed: one that could not run has no
// report.
type Report struct {
	OK        bool       `json:"ok"`
	Probes    int        `json:"probes"`
	Surprises []Surprise `json:"surprises"`
}

// Surprise is something that is reachable and must not be, or a proxy that does not refuse what it must.
type Surprise struct {
	What   string `json:"what"`   // gateway, public address, DNS, UDP, IPv6, metadata, proxy …
	Target string `json:"target"` // address:port or name
	Detail string `json:"detail"` // what the probe saw
}

// String returns the surprise in one line.
func (s Surprise) String() string { return s.What + " " + s.Target + ": " + s.Detail }

// Addresses, names and ports of checks that do not name any.
var (
	publicAddresses = []string{"1.1.1.1", "8.8.8.8", "9.9.9.9", "2606:4700:4700::1111", "2001:4860:4860::8888"}
	publicNames     = []string{"example.com", "github.com", "registry.npmjs.org"}
	publicPorts     = []int{53, 80, 443}
	hostPorts       = []int{22, 53, 80, 443, 2375, 2376}
)

// Run makes all probes from the network namespace of this process. A probe that cannot be made counts as a surprise.
func (c Check) Run(ctx context.Context) (Report, error) {
	if c.Proxy == "" || c.Unlisted == "" && c.Mode != Open {
		return Report{}, errors.New("a check needs the proxy and a host that is not listed")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	n, err := readNamespace()
	if err != nil {
		return Report{}, err
	}
	r := &runner{slots: make(chan struct{}, 256)}
	c.probeAddresses(ctx, r, n)
	c.probeNames(ctx, r, n)
	r.probe(ctx, "IPv6", "interfaces", func(context.Context, string) (string, error) {
		if len(n.ipv6) == 0 {
			return "", nil
		}
		return "there is the address " + strings.Join(n.ipv6, ", "), nil
	})
	// An answer of the proxy also shows that probes from here can reach anything at all.
	r.probe(ctx, "proxy", c.Proxy, c.probeProxy)
	r.wait.Wait()
	if ctx.Err() != nil {
		return Report{}, fmt.Errorf("the check did not end in time: %w", ctx.Err())
	}
	slices.SortFunc(r.found, func(a, b Surprise) int { return strings.Compare(a.String(), b.String()) })
	return Report{OK: len(r.found) == 0, Probes: r.probes, Surprises: append([]Surprise{}, r.found...)}, nil
}

// probeAddresses tries the addresses that must not answer.
func (c Check) probeAddresses(ctx context.Context, r *runner, n namespace) {
	public := c.Public
	if len(public) == 0 {
		public = publicAddresses
	}
	tried := map[string]bool{}
	try := func(what string, addresses []string, ports []int) {
		for _, address := range addresses {
			if c.isOpen(address, n) {
				continue
			}
			for _, port := range ports {
				target := net.JoinHostPort(address, strconv.Itoa(port))
				if !tried[target] {
					tried[target] = true
					r.probe(ctx, what, target, probeTCP)
				}
			}
			if !tried[address] {
				tried[address] = true
				r.probe(ctx, what+" by UDP", net.JoinHostPort(address, "53"), probeDNSServer)
				r.probe(ctx, what+" by ICMP", address, probePing)
			}
		}
	}
	try("host", slices.Concat(c.Hosts, n.gateways), slices.Concat(hostPorts, c.Ports))
	try("public address", public, publicPorts)
	for a := range metadata {
		try("metadata address", []string{a.String()}, []int{80})
	}
	for _, target := range c.Closed {
		r.probe(ctx, "closed port", target, probeTCP)
	}
}

// isOpen reports whether an address may be reached: the namespace's own ones and the peers.
func (c Check) isOpen(address string, n namespace) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	return a.IsUnspecified() || a.IsLoopback() || slices.Contains(n.own, a) ||
		slices.ContainsFunc(c.Peers, func(p string) bool { b, err := netip.ParseAddr(p); return err == nil && a == b })
}

// probeNames asks the namespace's name servers for names that must not resolve.
func (c Check) probeNames(ctx context.Context, r *runner, n namespace) {
	names := c.Names
	if len(names) == 0 {
		names = publicNames
	}
	for _, server := range n.resolvers {
		for _, network := range []string{"udp", "tcp"} {
			for _, name := range append([]string{"."}, names...) {
				r.probe(ctx, "DNS", name, func(ctx context.Context, name string) (string, error) {
					return probeResolver(ctx, network, server, name)
				})
			}
		}
	}
}

// runner runs probes in parallel.
type runner struct {
	slots  chan struct{}
	wait   sync.WaitGroup
	mu     sync.Mutex
	probes int
	found  []Surprise
}

// probe calls try, which returns what it saw that must not be, or an error if the probe could not be made.
func (r *runner) probe(ctx context.Context, what, target string, try func(context.Context, string) (string, error)) {
	r.slots <- struct{}{}
	r.wait.Go(func() {
		defer func() { <-r.slots }()
		seen, err := try(ctx, target)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.probes++
		if err != nil {
			seen = "could not be tried: " + err.Error()
		}
		if seen != "" {
			r.found = append(r.found, Surprise{What: what, Target: target, Detail: seen})
		}
	})
}

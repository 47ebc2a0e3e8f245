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
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	probeTime = 800 * time.Millisecond // for each probe; they run side by side
	checkTime = 20 * time.Second       // for all
	proxyTime = 5 * time.Second        // for the proxy to begin to answer
)

// Check says what is tried from inside a sandbox's network namespace. Everything in it but Proxy must be closed.
type Check struct {
	Mode Mode `json:"mode"`
	// Proxy is the sidecar's proxy as the sandbox knows it, name:port. It must answer.
	Proxy string `json:"proxy"`
	// Unlisted is a host that the policy does not list: the proxy must refuse it, but for mode open.
	Unlisted string `json:"unlisted,omitempty"`
	// Hosts are addresses of the machine: gateways of the sandbox's networks and of Docker's others, the machine's own.
	Hosts []string `json:"hosts,omitempty"`
	// Ports are tried on each of Hosts: published ports of other looms, and what often listens (22, 2375 …).
	Ports []int `json:"ports,omitempty"`
	// Closed are further address:port pairs that must not accept a TCP connection.
	Closed []string `json:"closed,omitempty"`
	// Public are addresses of the internet, of which ports 53, 80 and 443 are tried, and DNS over UDP. Empty is a set of well-known ones.
	Public []string `json:"public,omitempty"`
	// Names must not resolve. Empty is a set of well-known ones.
	Names []string `json:"names,omitempty"`
	// Peers are addresses of containers on the sandbox's networks. They may be reached, and are not tried.
	Peers []string `json:"peers,omitempty"`
}

// Report is what `egress check` writes as JSON. It is good only with OK: a check that could not run has none.
type Report struct {
	OK        bool       `json:"ok"`
	Probes    int        `json:"probes"`
	Surprises []Surprise `json:"surprises"`
}

// Surprise is something that is reachable and must not be, or a proxy that does not do what it must.
type Surprise struct {
	What   string `json:"what"`   // gateway, public address, DNS, UDP, IPv6, metadata, proxy …
	Target string `json:"target"` // address:port or name
	Detail string `json:"detail"` // what was seen
}

// String gives the surprise in one line.
func (s Surprise) String() string { return s.What + " " + s.Target + ": " + s.Detail }

// Addresses and names that are tried where a Check names none.
var (
	publicAddresses = []string{"1.1.1.1", "8.8.8.8", "9.9.9.9", "2606:4700:4700::1111", "2001:4860:4860::8888"}
	publicNames     = []string{"example.com", "github.com", "registry.npmjs.org"}
	publicPorts     = []int{53, 80, 443}
	hostPorts       = []int{22, 53, 80, 443, 2375, 2376}
)

// Run tries everything, from the network namespace that this process is in. A probe that cannot be made counts as a surprise.
func (c Check) Run(ctx context.Context) (Report, error) {
	if c.Proxy == "" || c.Unlisted == "" && c.Mode != Open {
		return Report{}, errors.New("a check needs the proxy and a host that is not listed")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	n, err := thisNetwork()
	if err != nil {
		return Report{}, err
	}
	r := &runner{slots: make(chan struct{}, 256)}
	public, names := c.Public, c.Names
	if len(public) == 0 {
		public = publicAddresses
	}
	if len(names) == 0 {
		names = publicNames
	}
	hosts := slices.Concat(c.Hosts, n.gateways)
	ports := slices.Concat(hostPorts, c.Ports)
	tried := map[string]bool{}
	skip := func(address string) bool {
		a, err := netip.ParseAddr(address)
		return err == nil && (a.IsUnspecified() || a.IsLoopback() || slices.Contains(n.own, a) ||
			slices.ContainsFunc(c.Peers, func(p string) bool { b, err := netip.ParseAddr(p); return err == nil && a == b }))
	}
	each := func(what string, addresses []string, ports []int) {
		for _, address := range addresses {
			if skip(address) {
				continue
			}
			for _, port := range ports {
				target := net.JoinHostPort(address, strconv.Itoa(port))
				if !tried[target] {
					tried[target] = true
					r.probe(ctx, what, target, connects)
				}
			}
			if !tried[address] {
				tried[address] = true
				r.probe(ctx, what+" by UDP", net.JoinHostPort(address, "53"), answersDNS)
				r.probe(ctx, what+" by ICMP", address, answersPing)
			}
		}
	}
	each("host", hosts, ports)
	each("public address", public, publicPorts)
	for a := range metadata {
		each("metadata address", []string{a.String()}, []int{80})
	}
	for _, target := range c.Closed {
		r.probe(ctx, "closed port", target, connects)
	}
	for _, server := range n.resolvers {
		for _, network := range []string{"udp", "tcp"} {
			for _, name := range append([]string{"."}, names...) {
				r.probe(ctx, "DNS", name, func(ctx context.Context, name string) (string, error) {
					return resolves(ctx, network, server, name)
				})
			}
		}
	}
	r.probe(ctx, "IPv6", "interfaces", func(context.Context, string) (string, error) {
		if len(n.ipv6) == 0 {
			return "", nil
		}
		return "there is the address " + strings.Join(n.ipv6, ", "), nil
	})

	// That the proxy is reached shows, too, that probes from here can reach anything at all.
	r.probe(ctx, "proxy", c.Proxy, c.proxyAnswers)
	r.wait.Wait()
	if ctx.Err() != nil {
		return Report{}, fmt.Errorf("the check did not end in time: %w", ctx.Err())
	}
	slices.SortFunc(r.found, func(a, b Surprise) int { return strings.Compare(a.String(), b.String()) })
	return Report{OK: len(r.found) == 0, Probes: r.probes, Surprises: append([]Surprise{}, r.found...)}, nil
}

// runner runs probes side by side.
type runner struct {
	slots  chan struct{}
	wait   sync.WaitGroup
	mu     sync.Mutex
	probes int
	found  []Surprise
}

// probe calls try, which says what it saw that must not be, or that it could not be made.
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

// shut says whether an error of a connection means that nothing was reached.
func shut(err error) bool {
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

// connects is about a TCP connection. One that is refused was refused by somebody: the host is reachable.
func connects(ctx context.Context, target string) (string, error) {
	conn, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, "tcp", target)
	switch {
	case err == nil:
		conn.Close()
		return "takes a connection", nil
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return "refuses the connection, and so is reachable", nil
	case shut(err):
		return "", nil
	}
	return "", err
}

// question asks for the addresses of a name, or of the servers of the root, ".", which every resolver of the internet knows.
func question(name string) ([]byte, error) {
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

// exchange gives the answer to a question, nil where there was none.
func exchange(ctx context.Context, network, server, name string) (answer []byte, refused bool, err error) {
	q, err := question(name)
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
				// Some servers send the length by itself.
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
	case shut(err), errors.Is(err, io.EOF):
		return nil, false, nil
	}
	return nil, false, err
}

// answersDNS is about a datagram to an address of which nothing must come back, not even that nobody listens there.
func answersDNS(ctx context.Context, server string) (string, error) {
	b, refused, err := exchange(ctx, "udp", server, ".")
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

// resolves is about what the sandbox's own name server knows of the outside.
func resolves(ctx context.Context, network, server, name string) (string, error) {
	b, _, err := exchange(ctx, network, server, name)
	if err != nil || b == nil {
		return "", err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		// Cut off or unknown to us: somebody did answer.
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

// network is what this network namespace has.
type network struct {
	own       []netip.Addr
	gateways  []string // where a gateway is, or usually is
	resolvers []string // host:port
	ipv6      []string // addresses beyond loopback
}

func thisNetwork() (network, error) {
	var n network
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return network{}, fmt.Errorf("the interfaces of the network namespace: %w", err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLoopback() {
			continue
		}
		n.own = append(n.own, p.Addr().Unmap())
		if p.Addr().Is6() {
			n.ipv6 = append(n.ipv6, p.Addr().String())
		}
		// Docker gives a bridge the first address of its subnet.
		n.gateways = append(n.gateways, p.Masked().Addr().Next().String())
	}
	if len(n.own) == 0 {
		return network{}, errors.New("the network namespace has no network")
	}
	n.gateways = append(n.gateways, "172.17.0.1")
	n.gateways = append(n.gateways, routes()...)

	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return network{}, err
	}
	servers := []string{"127.0.0.11"}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" && !slices.Contains(servers, f[1]) {
			servers = append(servers, f[1])
		}
	}
	for _, s := range servers {
		n.resolvers = append(n.resolvers, net.JoinHostPort(s, "53"))
	}
	return n, nil
}

// routes are the gateways of the routing table, where there is one.
func routes() []string {
	b, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] == "00000000" {
			continue
		}
		// In the machine's byte order, which is little on all that Docker runs on but s390x.
		if v, err := strconv.ParseUint(f[2], 16, 32); err == nil {
			list = append(list, netip.AddrFrom4([4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}).String())
		}
	}
	return list
}

// proxyAnswers waits for the proxy, and says where it does not refuse what it must.
func (c Check) proxyAnswers(ctx context.Context, proxy string) (string, error) {
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
		refused, status, err := askProxy(ctx, proxy, request)
		for err != nil && time.Now().Before(until) && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
			refused, status, err = askProxy(ctx, proxy, request)
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

// askProxy says whether a request is refused as only the proxy of a sandbox does it.
func askProxy(ctx context.Context, proxy, request string) (refused bool, status string, err error) {
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
	refused = resp.StatusCode == http.StatusForbidden && resp.Header.Get(deniedHeader) != "" && bytes.Contains(body, []byte("docker loom:"))
	return refused, resp.Status, err
}

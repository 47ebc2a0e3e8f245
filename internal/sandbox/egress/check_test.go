package egress

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"gotest.tools/v3/assert"
)

func run1(t *testing.T, try func(target string) (string, error), target string) string {
	t.Helper()
	seen, err := try(target)
	assert.NilError(t, err)
	return seen
}

func TestProbesSeeWhatIsOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	open := l.Addr().String()
	tcp := func(target string) (string, error) { return probeTCP(t.Context(), target) }
	assert.Equal(t, run1(t, tcp, open), "takes a connection")
	l.Close()
	assert.Equal(t, run1(t, tcp, open), "refuses the connection, and so is reachable")

	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	assert.NilError(t, err)
	silent := server.LocalAddr().String()
	udp := func(target string) (string, error) { return probeDNSServer(t.Context(), target) }
	assert.Equal(t, run1(t, udp, silent), "")
	server.Close()
	assert.Equal(t, run1(t, udp, silent), "refuses the datagram, and so is reachable")

	// A resolver that knows a name, one that knows none, and nobody.
	names := &zone{answers: map[string][]string{"example.com": {"192.0.2.1"}}}
	resolver, err := names.resolver(t).Dial(t.Context(), "udp", "")
	assert.NilError(t, err)
	defer resolver.Close()
	address := resolver.RemoteAddr().String()
	knows := func(name string) string {
		seen, err := probeResolver(t.Context(), "udp", address, name)
		assert.NilError(t, err)
		return seen
	}
	assert.Assert(t, strings.Contains(knows("example.com"), "resolves it"))
	assert.Equal(t, knows("example.org"), "")
	assert.Equal(t, run1(t, udp, address), "answers a DNS query")
	seen, err := probeResolver(t.Context(), "udp", silent, "example.com")
	assert.NilError(t, err)
	assert.Equal(t, seen, "")
	q, err := dnsQuery(".")
	assert.NilError(t, err)
	var m dnsmessage.Message
	assert.NilError(t, m.Unpack(q))
	assert.Equal(t, m.Questions[0].Name.String(), ".")
	assert.Equal(t, m.Questions[0].Type, dnsmessage.TypeNS)
}

func TestTheProxyOfACheckMustRefuse(t *testing.T) {
	c := Check{Mode: Restricted, Unlisted: "unlisted.test"}
	for mode, want := range map[string]bool{"restricted": true, "none": true, "open": false} {
		f := start(t, Config{Mode: Mode(mode)}, nil)
		seen, err := c.probeProxy(t.Context(), f.address)
		assert.NilError(t, err)
		assert.Equal(t, seen == "", want, "%s: %s", mode, seen)
		open := Check{Mode: Open}
		seen, err = open.probeProxy(t.Context(), f.address)
		assert.NilError(t, err)
		assert.Equal(t, seen, "")
	}
	// Somebody else's proxy, whose refusal is not ours.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		_ = accept(l, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			c.Close()
		})
	}()
	seen, err := c.probeProxy(t.Context(), l.Addr().String())
	assert.NilError(t, err)
	assert.Assert(t, strings.Contains(seen, "does not refuse CONNECT unlisted.test:443"), seen)
}

func TestACheckThatCannotRunIsNotGood(t *testing.T) {
	for _, text := range []string{"", "{}", `{"mode":"restricted","proxy":"127.0.0.1:1"}`, "null", "no JSON"} {
		var stdout, stderr strings.Builder
		code := Main(t.Context(), []string{"check"}, Process{Getenv: noVariables, Stdin: strings.NewReader(text), Stdout: &stdout, Stderr: &stderr})
		assert.Equal(t, code, 1, text)
		assert.Equal(t, stdout.String(), "")
		assert.Assert(t, stderr.String() != "")
	}
}

// This machine is not a sandbox: the check finds what listens on it.
func TestACheckOutsideOfASandboxFindsSurprises(t *testing.T) {
	n, err := readNamespace()
	if err != nil {
		t.Skip(err)
	}
	f := start(t, Config{Mode: None}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	in, err := json.Marshal(Check{
		Mode: None, Proxy: f.address, Unlisted: "unlisted.test", Closed: []string{l.Addr().String()},
		Public: []string{n.own[0].String()}, Names: []string{"unlisted.invalid"},
	})
	assert.NilError(t, err)
	var stdout, stderr strings.Builder
	code := Main(t.Context(), []string{"check"}, Process{Getenv: noVariables, Stdin: strings.NewReader(string(in)), Stdout: &stdout, Stderr: &stderr})
	assert.Equal(t, code, 1, stderr.String())
	var r Report
	assert.NilError(t, json.Unmarshal([]byte(stdout.String()), &r))
	assert.Assert(t, !r.OK && r.Probes > 0)
	found := false
	for _, s := range r.Surprises {
		assert.Assert(t, s.What != "proxy", s)
		found = found || s.String() == fmt.Sprintf("closed port %s: takes a connection", l.Addr())
	}
	assert.Assert(t, found, "%v", r.Surprises)
}

func noVariables(string) string { return "" }

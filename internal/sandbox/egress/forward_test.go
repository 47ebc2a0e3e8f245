package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

func forwarders(t *testing.T, names map[string][]string) (dialer *net.Dialer, tcp func(target string) string, udp func(target string) string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	dialer = &net.Dialer{Resolver: (&zone{answers: names}).resolver(t)}
	tcp = func(target string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		assert.NilError(t, err)
		t.Cleanup(func() { l.Close() })
		go func() { _ = forwardTCP(ctx, l, target, dialer) }()
		return l.Addr().String()
	}
	udp = func(target string) string {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		assert.NilError(t, err)
		t.Cleanup(func() { conn.Close() })
		go func() { _ = forwardUDP(ctx, conn, target, dialer) }()
		return conn.LocalAddr().String()
	}
	return dialer, tcp, udp
}

func TestForwardedConnectionsKeepTheirHalfClose(t *testing.T) {
	web := answering(t, func(c net.Conn) {
		b, _ := io.ReadAll(c) // ends when the client has closed its half
		fmt.Fprintf(c, "%d bytes", len(b))
	})
	_, tcp, _ := forwarders(t, map[string][]string{"web": {"127.0.0.1"}})
	conn, err := net.Dial("tcp", tcp(fmt.Sprintf("web:%d", web.Port())))
	assert.NilError(t, err)
	defer conn.Close()
	_, err = conn.Write(make([]byte, 1<<20))
	assert.NilError(t, err)
	assert.NilError(t, conn.(*net.TCPConn).CloseWrite())
	b, err := io.ReadAll(conn)
	assert.NilError(t, err)
	assert.Equal(t, string(b), fmt.Sprintf("%d bytes", 1<<20))
}

func TestAForwardResolvesAtEachConnection(t *testing.T) {
	_, tcp, _ := forwarders(t, map[string][]string{"web": {"127.0.0.2", "127.0.0.1"}})
	to := echo(t)
	address := tcp(fmt.Sprintf("web:%d", to.Port()))
	// The first address has no listener: as at a closed port, the connection is reset, at times before Dial has returned.
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	assert.ErrorContains(t, err, "reset")
	roundTrip(t, "", address).Close()
}

func TestDatagramsFindBackToTheirSenders(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	assert.NilError(t, err)
	t.Cleanup(func() { server.Close() })
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = server.WriteToUDPAddrPort(append([]byte("re "), b[:n]...), from)
		}
	}()
	_, _, udp := forwarders(t, map[string][]string{"dns": {"127.0.0.1"}})
	address := udp(fmt.Sprintf("dns:%d", netip.MustParseAddrPort(server.LocalAddr().String()).Port()))
	var conns []net.Conn
	for range 3 {
		c, err := net.Dial("udp", address)
		assert.NilError(t, err)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		conns = append(conns, c)
	}
	for round := range 3 {
		for i, c := range conns {
			_, err := fmt.Fprintf(c, "%d-%d", i, round)
			assert.NilError(t, err)
		}
		for i, c := range conns {
			b := make([]byte, 100)
			n, err := c.Read(b)
			assert.NilError(t, err)
			assert.Equal(t, string(b[:n]), fmt.Sprintf("re %d-%d", i, round))
		}
	}
}

func TestNamesOfTargetsAreNotCompleted(t *testing.T) {
	for target, want := range map[string]string{"web:80": "web.:80", "web.:80": "web.:80", "10.0.0.1:80": "10.0.0.1:80", "[::1]:80": "[::1]:80"} {
		assert.Equal(t, absoluteTarget(target), want)
	}
}

func TestAWrongConfigurationDoesNotStart(t *testing.T) {
	for config, want := range map[string]string{
		"":                                      "configuration",
		"{}":                                    "mode",
		`{"mode":"closed"}`:                     "mode",
		`{"mode":"restricted","allow":["a b"]}`: "not a host name",
		`{"mode":"none","forwards":[{"listen":3128,"target":"web:80"}]}`:                 "the proxy itself",
		`{"mode":"none","forwards":[{"listen":0,"target":"web:80"}]}`:                    "not a port",
		`{"mode":"none","forwards":[{"listen":80,"target":"web"}]}`:                      "port",
		`{"mode":"none","forwards":[{"listen":80,"protocol":"sctp","target":"web:80"}]}`: "must be tcp or udp",
	} {
		var stdout, stderr strings.Builder
		getenv := func(name string) string { return map[string]string{ConfigVariable: config}[name] }
		code := Main(t.Context(), []string{"serve"}, Process{Getenv: getenv, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
		assert.Equal(t, code, 1)
		assert.Assert(t, strings.Contains(stderr.String(), want), "%s: %s", config, stderr.String())
	}
}

func TestChownGivesAllBelowAndFollowsNoLink(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	home := filepath.Join(dir, "home")
	assert.NilError(t, os.MkdirAll(filepath.Join(home, "a"), 0o700))
	assert.NilError(t, os.WriteFile(outside, nil, 0o600))
	assert.NilError(t, os.WriteFile(filepath.Join(home, "a", "file"), nil, 0o600))
	assert.NilError(t, os.Symlink(outside, filepath.Join(home, "link")))
	assert.NilError(t, os.Symlink(dir, filepath.Join(home, "up")))
	isOwnedBy := func(path string, uid int) bool {
		info, err := os.Lstat(path)
		assert.NilError(t, err)
		u, g := owner(info)
		return u == uid && g == uid
	}
	assert.NilError(t, chown("61000:61000", []string{home}))
	for _, p := range []string{home, filepath.Join(home, "a"), filepath.Join(home, "a", "file"), filepath.Join(home, "link"), filepath.Join(home, "up")} {
		assert.Assert(t, isOwnedBy(p, 61000), p)
	}
	assert.Assert(t, isOwnedBy(outside, 0))
	assert.Assert(t, isOwnedBy(dir, 0))
	folders := []string{filepath.Join(home, "b"), filepath.Join(home, "b", "c")}
	assert.NilError(t, prepareHome("61000:61000", home, folders))
	for _, p := range folders {
		assert.Assert(t, isOwnedBy(p, 61000), p)
	}
	assert.ErrorContains(t, prepareHome("61000:61000", home, []string{filepath.Join(home, "up", "x")}), "escapes")
	assert.ErrorContains(t, prepareHome("61000:61000", home, []string{outside}), "is not below")
	assert.NilError(t, os.Lchown(filepath.Join(home, "b"), 4711, 4711))
	assert.NilError(t, give("61000", "0:0", []string{home}))
	for _, p := range []string{home, filepath.Join(home, "link"), filepath.Join(home, "b", "c")} {
		assert.Assert(t, isOwnedBy(p, 0), p)
	}
	assert.Assert(t, isOwnedBy(filepath.Join(home, "b"), 4711), "what is another's stays")
	assert.ErrorContains(t, give("agent", "0:0", []string{home}), "not a UID")
	assert.ErrorContains(t, chown("agent", []string{home}), "UID:GID")
	assert.ErrorContains(t, chown("1:1", []string{home + "x"}), "no such file")
}

// A service of the files can be called like a host or an address, with no container of the name.
func TestForwardsLeadToTheServicesNetworksOnly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	for clients, reached := range map[string]bool{"127.0.0.0/8": true, "10.1.0.0/24": false} {
		c := Config{Mode: None, Clients: []netip.Prefix{netip.MustParsePrefix(clients)}}
		p, err := newPolicy(c)
		assert.NilError(t, err)
		conn, err := newProxy(p, io.Discard, nil).serviceDialer(c).DialContext(t.Context(), "tcp", l.Addr().String())
		assert.Equal(t, err == nil, reached, clients)
		if reached {
			conn.Close()
		}
	}
}

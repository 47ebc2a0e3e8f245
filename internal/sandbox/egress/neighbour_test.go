package egress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// on lets a proxy have these networks.
func on(networks ...string) func(*proxy) {
	return func(x *proxy) {
		x.policy.networks = func() []netip.Prefix { return prefixes(networks...) }
	}
}

// sendFrom sends a request from an address of loopback.
func (f *fixture) sendFrom(t *testing.T, from, text string) (answer, string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", f.address)
	assert.NilError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, text)
	assert.NilError(t, err)
	resp := receive(t, bufio.NewReader(conn), http.MethodGet)
	b, err := io.ReadAll(resp.Body)
	assert.NilError(t, err)
	return resp, string(b)
}

func get(host string, port int) string {
	return fmt.Sprintf("GET http://%[1]s:%[2]d/x HTTP/1.1\r\nHost: %[1]s:%[2]d\r\n\r\n", host, port)
}

func TestAServiceIsReachedThroughTheProxyAsWithoutIt(t *testing.T) {
	_, _, port := site(t, hello)
	names := map[string][]string{"web": {"127.0.0.1"}, "away": {"127.9.0.1"}, "example.test": {"127.0.0.1"}, "listed": {"127.0.0.1"}}
	config := Config{Allow: []string{fmt.Sprintf("listed:%d", port)}, Services: []string{"Web", "away", "listed", "gone"}}
	for _, mode := range []Mode{None, Restricted, Open} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			config := config
			config.Mode = mode
			f := start(t, config, names, on("10.0.0.0/8", "127.0.0.0/24"))
			for host, want := range map[string]int{
				"web": http.StatusOK, "WEB.": http.StatusOK, "127.0.0.1": http.StatusOK, "gone": http.StatusBadGateway,
				// Elsewhere than on the client's network: what only has a service's name, and other addresses.
				"away": http.StatusForbidden, "127.9.0.1": http.StatusForbidden,
			} {
				resp, body := f.sendFrom(t, "127.0.0.2", get(host, port))
				assert.Equal(t, resp.StatusCode, want, "%s: %s", host, body)
			}
			// No service, and a host of the outside by a rule.
			for _, host := range []string{"example.test", "listed"} {
				resp, _ := f.sendFrom(t, "127.0.0.2", get(host, port))
				assert.Assert(t, resp.StatusCode == http.StatusForbidden || mode == None && host == "listed", host)
			}
			resp, _ := f.sendFrom(t, "127.9.0.2", get("web", port))
			assert.Equal(t, resp.StatusCode, http.StatusForbidden, "a client of another network")
			resp, _ = f.sendFrom(t, "127.9.0.2", get("127.0.0.1", port))
			assert.Equal(t, resp.StatusCode, http.StatusForbidden, "a client of another network")
		})
	}
}

// A connection that a client had with a service must not serve a client of another network.
func TestAConnectionToAServiceServesOneClient(t *testing.T) {
	t.Parallel()
	_, _, port := site(t, hello)
	f := start(t, Config{Mode: None, Services: []string{"web"}}, map[string][]string{"web": {"127.0.0.1"}}, on("127.0.0.0/31", "127.0.0.2/31"))
	for range 3 {
		resp, _ := f.sendFrom(t, "127.0.0.1", get("web", port))
		assert.Equal(t, resp.StatusCode, http.StatusOK)
		resp, _ = f.sendFrom(t, "127.0.0.2", get("web", port))
		assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	}
}

// Such as MySQL and SMTP, where the server speaks first, and TLS with whatever name.
func TestATunnelToAServiceCarriesAnything(t *testing.T) {
	t.Parallel()
	mail := answering(t, func(c net.Conn) {
		fmt.Fprint(c, "220 mail\r\n")
		b, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %s", b)
	})
	f := start(t, Config{Mode: Restricted, Services: []string{"mail"}}, map[string][]string{"mail": {"127.0.0.1"}}, on("127.0.0.0/8"))
	conn, br := tunnel(t, f, fmt.Sprintf("mail:%d", mail.Port()))
	line, err := br.ReadString('\n')
	assert.NilError(t, err)
	assert.Equal(t, line, "220 mail\r\n")
	fmt.Fprint(conn, "\x16\x03\x01")
	assert.NilError(t, conn.(*net.TCPConn).CloseWrite())
	b, err := io.ReadAll(br)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "got \x16\x03\x01")
	assert.Equal(t, f.log.all(t)[0].Verdict, Allowed)
}

func TestServicesThatComeLaterAreReachedAtOnce(t *testing.T) {
	t.Parallel()
	_, _, port := site(t, hello)
	f := start(t, Config{Mode: Restricted, Services: []string{"db"}}, map[string][]string{"web": {"127.0.0.1"}}, on("127.0.0.0/8"))
	socket := t.TempDir() + "/s"
	l, err := listenControl(socket)
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() { _ = serveControl(l, f.policy) }()
	resp, _ := f.send(t, get("web", port))
	assert.Equal(t, resp.StatusCode, http.StatusForbidden)
	env := func(name string) string { return map[string]string{socketVariable: socket}[name] }
	var stderr strings.Builder
	code := Main(t.Context(), []string{"services", "db", "web"}, Process{Getenv: env, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr})
	assert.Equal(t, code, 0, stderr.String())
	resp, _ = f.send(t, get("web", port))
	assert.Equal(t, resp.StatusCode, http.StatusOK)
}

// The proxy never takes loopback for a network that it shares with a client.
func TestNetworksAreThoseOfInterfaces(t *testing.T) {
	t.Parallel()
	address := func(s string) net.Addr {
		ip, n, err := net.ParseCIDR(s)
		assert.NilError(t, err)
		return &net.IPNet{IP: ip, Mask: n.Mask}
	}
	networks := networksOf(func() ([]net.Addr, error) {
		return []net.Addr{address("127.0.0.1/8"), address("::1/128"), address("fe80::1/64"), address("169.254.1.1/16"), address("172.20.3.4/24")}, nil
	})
	assert.DeepEqual(t, fmt.Sprint(networks), "[172.20.3.0/24]")
}

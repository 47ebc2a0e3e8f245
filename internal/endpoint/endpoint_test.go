package endpoint_test

import (
	"net/url"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/endpoint"
)

func TestAPublishedPortHasAURLAndAnAddress(t *testing.T) {
	t.Parallel()
	local, main := endpoint.Names{Host: "localhost", Label: "feat-x"}, endpoint.Names{Host: "localhost"}
	remote, six := endpoint.Names{Host: "build.example.com"}, endpoint.Names{Host: "fd00::2"}
	for _, c := range []struct {
		names     endpoint.Names
		ip        string
		url, dial string
	}{
		{local, "", "http://feat-x.localhost:8203", "localhost:8203"},
		{local, "0.0.0.0", "http://feat-x.localhost:8203", "localhost:8203"},
		{local, "::", "http://feat-x.localhost:8203", "localhost:8203"},
		{local, "0:0::0", "http://feat-x.localhost:8203", "localhost:8203"},
		{local, "127.0.0.1", "http://feat-x.localhost:8203", "127.0.0.1:8203"},
		{local, "127.0.0.2", "http://127.0.0.2:8203", "127.0.0.2:8203"},
		{local, "::1", "http://[::1]:8203", "[::1]:8203"},
		{local, "192.0.2.1", "http://192.0.2.1:8203", "192.0.2.1:8203"},
		{local, "fe80::1%eth0", "http://[fe80::1%25eth0]:8203", "[fe80::1%eth0]:8203"},
		{main, "", "http://localhost:8203", "localhost:8203"},
		{main, "127.0.0.1", "http://localhost:8203", "127.0.0.1:8203"},
		{remote, "", "http://build.example.com:8203", "build.example.com:8203"},
		{remote, "127.0.0.1", "http://build.example.com:8203", "127.0.0.1:8203"},
		{remote, "10.0.0.7", "http://10.0.0.7:8203", "10.0.0.7:8203"},
		{six, "", "http://[fd00::2]:8203", "[fd00::2]:8203"},
	} {
		assert.Check(t, c.names.URL("http", c.ip, 8203) == c.url, "%+v: %s", c, c.names.URL("http", c.ip, 8203))
		assert.Check(t, c.names.Dial(c.ip, 8203) == c.dial, "%+v: %s", c, c.names.Dial(c.ip, 8203))
	}
}

func TestPublishedIsAsDockerPortPrintsIt(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"": "0.0.0.0:80", "127.0.0.1": "127.0.0.1:80", "::": "[::]:80"} {
		assert.Equal(t, endpoint.Published(ip, 80), want)
	}
}

func TestSchemeFollowsTheContainerPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target         int
		protocol, want string
	}{
		{80, "tcp", "http"}, {3000, "", "http"}, {443, "tcp", "https"}, {8443, "tcp", "https"}, {443, "udp", ""}, {5432, "tcp", ""}, {80, "sctp", ""},
	} {
		assert.Equal(t, endpoint.Scheme(c.target, c.protocol), c.want)
	}
}

func TestEveryURLParsesToItsPort(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := endpoint.Names{
			Host:  rapid.SampledFrom([]string{"localhost", "host-1", "fd00::1"}).Draw(t, "host"),
			Label: rapid.StringMatching(`([a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?)?`).Draw(t, "label"),
		}
		ip := rapid.SampledFrom([]string{"", "::", "::1", "127.0.0.1", "10.1.2.3", "fe80::1%eth0"}).Draw(t, "ip")
		u, err := url.Parse(n.URL("https", ip, 65535))
		assert.NilError(t, err)
		assert.Equal(t, u.Port(), "65535")
		assert.Assert(t, u.Hostname() != "")
	})
}

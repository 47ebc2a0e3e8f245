package report

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

func TestBrowsersFindPortsThatMaySpeakHTTP(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		endpoint, id string
		target       int
		protocol, ip string
		url, dialled string
	}{
		{worldtest.Local, identity.Main, 80, "tcp", "", "http://localhost:8203", "localhost:8203"},
		{worldtest.Local, "123", 80, "tcp", "", "http://123.localhost:8203", "localhost:8203"},
		{worldtest.Local, "feat/X_y", 80, "tcp", "0.0.0.0", "http://feat-x-y.localhost:8203", "localhost:8203"},
		{worldtest.Local, "日本", 80, "tcp", "", "http://localhost:8203", "localhost:8203"},
		{worldtest.Local, identity.Main, 443, "tcp", "::", "https://localhost:8203", "localhost:8203"},
		{worldtest.Local, identity.Main, 8443, "tcp", "127.0.0.1", "https://localhost:8203", "127.0.0.1:8203"},
		{worldtest.Local, "123", 3000, "tcp", "192.168.1.2", "http://192.168.1.2:8203", "192.168.1.2:8203"},
		{worldtest.Local, "123", 3000, "tcp", "::1", "http://[::1]:8203", "[::1]:8203"},
		{worldtest.Local, identity.Main, 5432, "tcp", "", "", "localhost:8203"},
		{worldtest.Local, identity.Main, 80, "udp", "", "", "localhost:8203"},
		{worldtest.Local, identity.Main, 80, "", "", "http://localhost:8203", "localhost:8203"},
		{worldtest.Remote, "123", 80, "tcp", "", "http://192.0.2.1:8203", "192.0.2.1:8203"},
		{"ssh://me@box", "123", 80, "tcp", "0.0.0.0", "http://box:8203", "box:8203"},
		{"tcp://[2001:db8::1]:2375", "123", 80, "tcp", "", "http://[2001:db8::1]:8203", "[2001:db8::1]:8203"},
	} {
		w := worldtest.New(t, tc.endpoint)
		p := newPort(w.Engine, tc.id, plan.PublishedPort{Service: "web", Target: tc.target, Host: 8203, Protocol: tc.protocol, HostIP: tc.ip})
		assert.Check(t, p.URL == tc.url && p.DialAddress(w.Engine) == tc.dialled, "%+v: %s, %s", tc, p.URL, p.DialAddress(w.Engine))
	}
}

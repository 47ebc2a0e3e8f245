package loom

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// t0 is a moment.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// said is a verdict in words.
func said(v verdict) string {
	var parts []string
	if v.dead != nil {
		parts = append(parts, "dead: "+v.dead.Service+" "+v.why)
	}
	for _, s := range v.waiting {
		parts = append(parts, "wait for "+s)
	}
	for _, p := range v.probe {
		parts = append(parts, fmt.Sprintf("ask %s:%d %v", p.Service, p.Published, p.behind))
	}
	if len(parts) == 0 {
		return "ready"
	}
	return strings.Join(parts, ", ")
}

func TestAServiceIsReadyByHealthByItsEndOrByItsPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	published := []engine.Published{{Target: 80, Protocol: "tcp", Host: 8203}, {Target: 53, Protocol: "udp", Host: 5300}}
	for _, tc := range []struct {
		restart string
		c       engine.Container
		want    string
	}{
		{"", engine.Container{State: "running"}, "ready"},
		{"", engine.Container{State: "running", Health: "healthy", Published: published}, "ready"},
		{"", engine.Container{State: "running", Health: "starting", Published: published}, "wait for web (healthcheck)"},
		{"", engine.Container{State: "running", Health: "unhealthy", Published: published}, "dead: web is unhealthy"},
		{"", engine.Container{State: "running", Published: published}, "ask web:8203 []"},
		{"", engine.Container{State: "running", Published: published, Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}, "ask web:8203 [10.1.0.2:80]"},
		{"", engine.Container{State: "created"}, "wait for web (created)"},
		{"", engine.Container{State: "paused"}, "wait for web (paused)"},
		{"", engine.Container{State: "removing"}, "wait for web (removing)"},
		{"always", engine.Container{State: "restarting", ExitCode: 1}, "wait for web (restarting)"},
		{"", engine.Container{State: "dead", ExitCode: -1}, "dead: web exited with code -1"},

		{"", engine.Container{State: "exited", ExitCode: 0}, "ready"},
		{"no", engine.Container{State: "exited", ExitCode: 0}, "ready"},
		{"on-failure", engine.Container{State: "exited", ExitCode: 0}, "ready"},
		{"on-failure:3", engine.Container{State: "exited", ExitCode: 0}, "ready"},
		{"always", engine.Container{State: "exited", ExitCode: 0}, "wait for web (restarting)"},
		{"unless-stopped", engine.Container{State: "exited", ExitCode: 0}, "wait for web (restarting)"},
		{"", engine.Container{State: "exited", ExitCode: 3}, "dead: web exited with code 3"},
		{"no", engine.Container{State: "exited", ExitCode: 3}, "dead: web exited with code 3"},
		{"always", engine.Container{State: "exited", ExitCode: 3}, "wait for web (restarting)"},
		// While the engine tries again it says restarting: exited means that it has given up.
		{"on-failure:3", engine.Container{State: "exited", ExitCode: 3}, "dead: web exited with code 3"},
		{"on-failure", engine.Container{State: "exited", ExitCode: -1}, "dead: web exited with code -1"},

		// Neither a run command's container nor one of a service that the files no longer have says anything about web.
		{"", engine.Container{State: "exited", ExitCode: 3, OneOff: true}, "wait for web (no container)"},
		{"", engine.Container{Service: "orphan", State: "exited", ExitCode: 3}, "wait for web (no container)"},
	} {
		plan := &Plan{Target: &Target{ID: "1"}, Project: &types.Project{Services: types.Services{"web": {Name: "web", Restart: tc.restart}}}}
		if tc.c.Service == "" {
			tc.c.Service = "web"
		}
		got := said(w.looms.judge(plan, []engine.Container{tc.c}))
		assert.Check(t, got == tc.want, "restart %q, %s, %d, %s: %s, want %s", tc.restart, tc.c.State, tc.c.ExitCode, tc.c.Health, got, tc.want)
	}
}

func TestReadinessIsThatOfAllServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	none := 0
	plan := &Plan{Target: &Target{ID: "1"}, Project: &types.Project{Services: types.Services{
		"web": {Name: "web"}, "db": {Name: "db"}, "migrate": {Name: "migrate"}, "off": {Name: "off", Scale: &none},
	}}}
	v := w.looms.judge(plan, []engine.Container{
		{Service: "migrate", State: "exited"},
		{Service: "web", State: "running", Published: []engine.Published{{Target: 80, Protocol: "tcp", Host: 8203}}},
		{Service: "web", State: "running", Published: []engine.Published{{Target: 80, Protocol: "tcp", Host: 8204}}},
	})
	assert.Equal(t, said(v), "wait for db (no container), ask web:8203 [], ask web:8204 []")
}

func TestErrorsOfReadinessNameServicesAndTheirLastLines(t *testing.T) {
	t.Parallel()
	assert.Error(t, &DeadError{Service: "web", Container: "shop-web-1", What: "exited with code 1", Tail: []string{"a", "b"}},
		"service web: container shop-web-1 exited with code 1; its last lines:\n  a\n  b")
	assert.Error(t, &DeadError{Service: "web", Container: "shop-web-1", What: "is unhealthy"}, "service web: container shop-web-1 is unhealthy")
	assert.Error(t, &SlowError{Timeout: 3 * time.Second, Waiting: []string{"web (port 1)", "db (healthcheck)"}}, "not ready after 3s: web (port 1), db (healthcheck)")
}

func TestBrowsersFindPortsThatMaySpeakHTTP(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		endpoint, id string
		target       int
		protocol, ip string
		url, dialled string
	}{
		{worldtest.Local, Main, 80, "tcp", "", "http://localhost:8203", "localhost:8203"},
		{worldtest.Local, "123", 80, "tcp", "", "http://123.localhost:8203", "localhost:8203"},
		{worldtest.Local, "feat/X_y", 80, "tcp", "0.0.0.0", "http://feat-x-y.localhost:8203", "localhost:8203"},
		{worldtest.Local, "日本", 80, "tcp", "", "http://localhost:8203", "localhost:8203"},
		{worldtest.Local, Main, 443, "tcp", "::", "https://localhost:8203", "localhost:8203"},
		{worldtest.Local, Main, 8443, "tcp", "127.0.0.1", "https://localhost:8203", "127.0.0.1:8203"},
		{worldtest.Local, "123", 3000, "tcp", "192.168.1.2", "http://192.168.1.2:8203", "192.168.1.2:8203"},
		{worldtest.Local, "123", 3000, "tcp", "::1", "http://[::1]:8203", "[::1]:8203"},
		{worldtest.Local, Main, 5432, "tcp", "", "", "localhost:8203"},
		{worldtest.Local, Main, 80, "udp", "", "", "localhost:8203"},
		{worldtest.Local, Main, 80, "", "", "http://localhost:8203", "localhost:8203"},
		{worldtest.Remote, "123", 80, "tcp", "", "http://192.0.2.1:8203", "192.0.2.1:8203"},
		{"ssh://me@box", "123", 80, "tcp", "0.0.0.0", "http://box:8203", "box:8203"},
		{"tcp://[2001:db8::1]:2375", "123", 80, "tcp", "", "http://[2001:db8::1]:8203", "[2001:db8::1]:8203"},
	} {
		w := newWorld(t, tc.endpoint)
		p := w.looms.port(tc.id, "web", tc.target, 8203, tc.protocol, tc.ip)
		assert.Check(t, p.URL == tc.url && w.looms.dial(p) == tc.dialled, "%+v: %s, %s", tc, p.URL, w.looms.dial(p))
	}
}

package apply

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
)

// said is a verdict in words.
func said(v verdict) string {
	var parts []string
	for _, f := range v.failures {
		parts = append(parts, "dead: "+f.Service+" "+f.what)
	}
	for _, n := range v.waiting {
		parts = append(parts, "wait for "+n.String())
	}
	for _, p := range v.probes {
		parts = append(parts, fmt.Sprintf("ask %s:%d %v", p.Service, p.Host, p.behind))
	}
	if len(parts) == 0 {
		return "ready"
	}
	return strings.Join(parts, ", ")
}

func TestAServiceIsReadyByHealthByItsEndOrByItsPorts(t *testing.T) {
	t.Parallel()
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
		p := &plan.Plan{ID: "1", Project: &types.Project{Services: types.Services{"web": {Name: "web", Restart: tc.restart}}}}
		if tc.c.Service == "" {
			tc.c.Service = "web"
		}
		got := said(judge(p, []engine.Container{tc.c}))
		assert.Check(t, got == tc.want, "restart %q, %s, %d, %s: %s, want %s", tc.restart, tc.c.State, tc.c.ExitCode, tc.c.Health, got, tc.want)
	}
}

func TestReadinessIsThatOfAllServices(t *testing.T) {
	t.Parallel()
	none := 0
	p := &plan.Plan{ID: "1", Project: &types.Project{Services: types.Services{
		"web": {Name: "web"}, "db": {Name: "db"}, "migrate": {Name: "migrate"}, "off": {Name: "off", Scale: &none},
	}}}
	v := judge(p, []engine.Container{
		{Service: "migrate", State: "exited"},
		{Service: "web", State: "running", Published: []engine.Published{{Target: 80, Protocol: "tcp", Host: 8203}}},
		{Service: "web", State: "running", Published: []engine.Published{{Target: 80, Protocol: "tcp", Host: 8204}}},
	})
	assert.Equal(t, said(v), "wait for db (no container), ask web:8203 [], ask web:8204 []")
}

func TestErrorsOfReadinessNameServicesAndWhatTheySay(t *testing.T) {
	t.Parallel()
	log := Said{Tail: []string{"a", "b"}}
	check := &engine.HealthcheckResult{ExitCode: 1, Output: []string{"cannot reach the database"}}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{
			&DeadError{Service: "web", Container: "shop-web-1", What: "exited with code 1", Said: log},
			"service web: container shop-web-1 exited with code 1; its last lines:\n  a\n  b",
		},
		{&DeadError{Service: "web", Container: "shop-web-1", What: isUnhealthy}, "service web: container shop-web-1 is unhealthy"},
		{
			&DeadError{Service: "db", Container: "shop-db-1", What: "exited with code 1", NeededBy: []string{"api", "web"}, Said: log},
			"service db: container shop-db-1 exited with code 1; services api, web wait for it; its last lines:\n  a\n  b",
		},
		{
			&DeadError{Service: "web", Container: "shop-web-1", What: isUnhealthy, Said: Said{Check: check, Tail: log.Tail}},
			"service web: container shop-web-1 is unhealthy; its healthcheck exits with code 1 and says:\n" +
				"  cannot reach the database\nits last lines:\n  a\n  b",
		},
		{
			&DeadError{Service: "web", Container: "shop-web-1", What: isUnhealthy, Said: Said{Check: &engine.HealthcheckResult{ExitCode: -1}}},
			"service web: container shop-web-1 is unhealthy; its healthcheck does not end in time or cannot run",
		},
		{
			&SlowError{Timeout: 3 * time.Second, Waiting: []string{"web (port 1)", "db (healthcheck)"}, AtFault: []Speaker{
				{"shop-db-1", Said{Check: check}}, {"shop-silent-1", Said{}}, {"shop-web-1", log},
			}},
			"not ready after 3s: web (port 1), db (healthcheck)\n" +
				"container shop-db-1: its healthcheck exits with code 1 and says:\n  cannot reach the database\n" +
				"container shop-web-1: its last lines:\n  a\n  b",
		},
	} {
		assert.Check(t, tc.err.Error() == tc.want, "%s\nwant\n%s", tc.err, tc.want)
	}
}

func TestTheServiceAtFaultIsTheOneThatOthersDependOn(t *testing.T) {
	t.Parallel()
	needs := func(names ...string) types.ServiceConfig {
		on := types.DependsOnConfig{}
		for _, name := range names {
			on[name] = types.ServiceDependency{Condition: types.ServiceConditionStarted}
		}
		return types.ServiceConfig{DependsOn: on}
	}
	services := types.Services{"web": needs("api"), "api": needs("db"), "db": needs(), "redis": needs(), "a": needs("b"), "b": needs("a")}
	for _, tc := range []struct{ among, want string }{
		{"web", "web"}, {"web db", "db"}, {"api db redis web", "db redis"}, {"web redis", "web redis"}, {"a", "a"},
	} {
		assert.Check(t, strings.Join(atFault(services, strings.Fields(tc.among)), " ") == tc.want, tc.among)
	}
}

package survey

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// reader reads files of this machine.
func reader() *Surveyor { return &Surveyor{Process: host.Current(), Teller: tell.Nowhere()} }

func TestValuesOfALoomNeverBecomeBases(t *testing.T) {
	t.Parallel()
	state := &registry.State{Looms: []*registry.Loom{
		{
			ID: "5", Repository: "/src/shop", Project: "iloom-shop-5", Variables: map[string]string{"WEB_PORT": "3000", "API_PORT": "4000"},
			Ports: []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 3005}, {Protocol: "tcp", Base: 4000, Count: 1, Host: 4005}},
		},
		{
			ID: "6", Repository: "/src/other", Project: "iloom-other-6", Variables: map[string]string{"WEB_PORT": "3000"},
			Ports: []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 3006}},
		},
		{ID: identity.Main, Repository: "/src/shop", Project: "shop"},
	}}
	shell := host.Process{Environ: []string{"ILOOM_REWRITTEN=DATABASE_URL WEB_PORT"}}
	variable := Ours(state, &Target{Repository: "/src/shop"}, shell).Variable
	for _, tc := range []struct {
		name, variable, value string
		process               bool
		base                  string
		drop                  bool
	}{
		{"the loom's name", "ILOOM_LOOM", "5", false, "", true},
		{"the loom's name in the shell", "ILOOM_LOOM", "5", true, "", true},
		{"a base as the shell has it", "ILOOM_BASE_WEB", "3000", true, "", true},
		{"a port of ours in the shell", "ILOOM_PORT_WEB", "3005", true, "", true},
		{"a port of ours in the user's .env is a base", "ILOOM_PORT_WEB", "3000", false, "3000", false},
		{"a loom's project", "COMPOSE_PROJECT_NAME", "iloom-shop-5", true, "iloom-shop-5", true},
		{"main's project", "COMPOSE_PROJECT_NAME", "shop", true, "shop", false},
		{"the user's project", "COMPOSE_PROJECT_NAME", "mine", true, "mine", false},
		{"our lease, from a shell that evaluated the environment", "WEB_PORT", "3005", true, "3000", false},
		{"our lease, from a file", "WEB_PORT", "3005", false, "3000", false},
		{"any lease of that loom", "WEB_PORT", "4005", true, "3000", false},
		{"another repository's lease", "WEB_PORT", "3006", false, "3006", false},
		{"a port of a loom that is gone, from the shell", "WEB_PORT", "3000", true, "", true},
		{"a value of a loom, from the shell", "DATABASE_URL", "postgres://localhost:5437", true, "", true},
		{"the user's value, from a file", "DATABASE_URL", "postgres://localhost:5432", false, "postgres://localhost:5432", false},
		{"the list of these", "ILOOM_REWRITTEN", "DATABASE_URL WEB_PORT", true, "", true},
		{"the base", "WEB_PORT", "3000", false, "3000", false},
		{"a new base", "WEB_PORT", "3001", false, "3001", false},
		{"a variable that was never shifted", "OTHER_PORT", "3005", true, "3005", false},
	} {
		base, drop := variable(tc.variable, tc.value, tc.process)
		assert.Check(t, drop == tc.drop && (drop || base == tc.base), "%s: %q, %v", tc.name, base, drop)
	}
}

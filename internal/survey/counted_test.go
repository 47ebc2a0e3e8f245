package survey

import (
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestAPortWithTheOffsetInItIsNotABase(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, id, compose, env, main string
		exported                     []string
		base                         string
	}{
		{"iloom's PORT and the default", "123", "${PORT:-3000}", "PORT=3123\n", "", nil, "3000"},
		{"iloom's PORT and its own default", "123", "${PORT:-8080}", "PORT=3123\n", "", nil, "3000"},
		{"main's value", "123", "${WEB_PORT:-1111}", "WEB_PORT=3123\n", "WEB_PORT=3000\n", nil, "3000"},
		{"a key", "MARK-324", "${PORT:-3000}", "PORT=3324\n", "", nil, "3000"},
		{"a branch", "feature/login", "${PORT:-3000}", "PORT=3330\n", "", nil, "3000"},
		{"the offset that the loom has moved to", "7", "${PORT:-3000}", "PORT=4007\n", "", nil, "3000"},
		{"ILOOM_PORT_ and the default", "123", "${ILOOM_PORT_WEB:-3000}", "ILOOM_PORT_WEB=3123\n", "", nil, "3000"},
		{"ILOOM_PORT_ alone", "123", "${ILOOM_PORT_WEB}", "ILOOM_PORT_WEB=3123\n", "", nil, "3000"},
		{"exported", "123", "${PORT:-3000}", "", "", []string{"PORT=3123"}, "3000"},
		{"exported by another loom's shell", "124", "${PORT:-3000}", "", "", []string{"PORT=3123", "ILOOM_LOOM=123"}, "3000"},
		{"exported over iloom's own", "123", "${PORT:-3000}", "PORT=3123\n", "PORT=3000\n", []string{"PORT=3123"}, "3000"},
		{"copied from another loom's tree", "124", "${PORT:-3000}", "ILOOM_LOOM=\"123\"\nPORT=\"3123\"\n", "", nil, "3000"},
		{"a chain of defaults", "123", "${A:-${PORT:-3000}}", "PORT=3123\n", "", nil, "3000"},
		// Those are bases.
		{"a copy of main's", "123", "${PORT:-3000}", "PORT=3123\n", "PORT=3123\n", nil, "3123"},
		{"another port", "123", "${WEB_PORT:-3000}", "WEB_PORT=4000\n", "", nil, "4000"},
		{"an exported base", "123", "${WEB_PORT:-3000}", "", "", []string{"WEB_PORT=4000"}, "4000"},
		{"the default", "123", "${WEB_PORT:-3123}", "", "WEB_PORT=3000\n", nil, "3123"},
		{"main's ILOOM_PORT_", "123", "${ILOOM_PORT_WEB}", "ILOOM_PORT_WEB=3000\n", "ILOOM_PORT_WEB=3000\n", nil, "3000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{
				"tree/compose.yaml": "services:\n  web:\n    image: x\n    environment: {INSIDE: \"${PORT}\"}\n    ports: [\"" + tc.compose + ":80\"]\n",
				"tree/.env":         tc.env, "main/.env": tc.main,
			})
			tree, main := filepath.Join(dir, "tree"), filepath.Join(dir, "main")
			f := &Facts{
				Target: &Target{ID: tc.id, Repository: main, WorkTree: tree}, Settings: &settings.Settings{},
				State: &registry.State{Looms: []*registry.Loom{
					{ID: "7", Repository: main, Offset: 1007, Ports: []ports.Lease{{Base: 3000, Host: 4007}}},
				}},
				Process: host.Process{Environ: tc.exported}, Host: Host{process: host.Process{Environ: tc.exported}}, DotEnv: []byte(tc.env),
			}
			var err error
			f.Found, err = stack.Find(stack.Source{Dir: tree, Top: tree, Environ: tc.exported}, stack.Ours{})
			assert.NilError(t, err)
			m, err := (&stack.Stack{}).Load(t.Context(), f.Found, "p", nil)
			assert.NilError(t, err)
			inside := *m.Project.Services["web"].Environment["INSIDE"]
			f.uncount(m, nil)
			assert.DeepEqual(t, m.Project.Services["web"].Ports, []types.ServicePortConfig{
				{Mode: "ingress", Target: 80, Published: tc.base, Protocol: "tcp"},
			})
			assert.Equal(t, m.Variables[0].Published, tc.base)
			// In other places of the files it keeps its value.
			assert.Equal(t, *m.Project.Services["web"].Environment["INSIDE"], inside)
		})
	}
}

func TestAPortOfTheSettingsIsABase(t *testing.T) {
	t.Parallel()
	m := &stack.Model{
		Project:   &types.Project{Services: types.Services{"web": {}}},
		Variables: []stack.Variable{{Name: "ILOOM_PORT_WEB", Service: "web", Published: "3123", Default: "3000"}},
	}
	f := &Facts{Target: &Target{ID: "123"}}
	f.uncount(m, map[string]string{"ILOOM_PORT_WEB": "3123"})
	assert.Equal(t, m.Variables[0].Published, "3123")
}

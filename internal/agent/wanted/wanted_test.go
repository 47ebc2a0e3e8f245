package wanted

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// wantedFor decides on the settings of a main work tree, in the JSON of container.
func wantedFor(t *testing.T, container, agent string, flags Flags, env map[string]string) (*Sandbox, error) {
	t.Helper()
	src := settings.Sources{WorkTree: t.TempDir()}
	path := filepath.Join(src.WorkTree, ".iloom", "settings.json")
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(`{"container": {`+container+`}}`), 0o600))
	w, err := Read(src, agent, func(name string) string { return env[name] }, flags)
	if err != nil {
		err = errorString(strings.ReplaceAll(err.Error(), path, "FILE"))
	}
	return w, err
}

type errorString string

func (e errorString) Error() string { return string(e) }

func TestAFlagIsStrongerThanTheEnvironmentAndTheSettings(t *testing.T) {
	t.Parallel()
	const set = `"agent": {"memory": "1g", "cpus": 1, "pids": 100, "runtime": "a", "dockerAccess": "socket", "image": "i", "vault": "v",
		"egress": {"mode": "open", "allow": ["a.test"]}, "servicesEgress": "open", "command": ["x"]}`
	w, err := wantedFor(t, set, "", Flags{}, nil)
	assert.NilError(t, err)
	assert.DeepEqual(t, w.Policy.Limits, sandbox.Limits{Memory: 1 << 30, CPUs: 1, PIDs: 100})
	assert.Equal(t, w.Policy.Runtime+" "+w.Policy.Vault+" "+w.Images.Project+" "+w.Policy.Command[0], "a v i x")
	assert.Equal(t, w.Policy.Egress, egress.Open)
	assert.Equal(t, w.Services, egress.Open)
	assert.Assert(t, w.confinement("image") == nil)
	assert.Assert(t, w.Policy.DockerSocket != "")

	w, err = wantedFor(t, set, "", Flags{Image: "f", Egress: "restricted", ServicesEgress: "restricted", Vault: "w"}, map[string]string{
		"AGENT_MEMORY_LIMIT": "536870912", "AGENT_CPU_LIMIT": "0.5", "AGENT_PIDS_LIMIT": "50", "AGENT_RUNTIME": "a", "AGENT_DOCKER_ACCESS": "none",
		"AGENT_EGRESS": "none",
	})
	assert.NilError(t, err)
	assert.DeepEqual(t, w.Policy.Limits, sandbox.Limits{Memory: 512 << 20, CPUs: 0.5, PIDs: 50})
	assert.Equal(t, w.Policy.Runtime+" "+w.Policy.Vault+" "+w.Images.Flag, "a w f")
	assert.Equal(t, w.Policy.DockerSocket, "")
	c := w.confinement("image")
	assert.Equal(t, c.Mode, "restricted")
	for _, host := range []string{"a.test", "github.com"} {
		assert.Assert(t, strings.Contains(strings.Join(c.Allow, " "), host), host)
		assert.Assert(t, strings.Contains(strings.Join(w.Policy.Allow, " "), host), host)
	}
}

func TestWithoutSettingsAnAgentIsRestricted(t *testing.T) {
	t.Parallel()
	w, err := wantedFor(t, ``, "", Flags{}, nil)
	assert.NilError(t, err)
	assert.DeepEqual(t, w.Policy.Command, []string{"claude", "--dangerously-skip-permissions"})
	assert.DeepEqual(t, w.Policy.Limits, sandbox.DefaultLimits())
	assert.Equal(t, w.Policy.Egress, egress.Restricted)
	assert.Equal(t, w.Services, egress.Restricted)
	assert.Assert(t, w.Policy.DockerSocket == "" && len(w.Policy.Credentials) == 0 && len(w.Mounts) == 0 && !w.Policy.ReadOnly)
	// What leads out for nobody leads out for no service either.
	w, err = wantedFor(t, ``, "", Flags{Egress: "none"}, nil)
	assert.NilError(t, err)
	assert.Equal(t, w.confinement("").Mode, "none")
	assert.Equal(t, len(w.Policy.Allow)+len(w.confinement("").Allow), 0)
}

func TestAWrongSettingNamesItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set   string
		agent string
		flags Flags
		env   map[string]string
		want  string
	}{
		{set: `"agent": {"egress": {"allow": ["a", "b c"]}}`, want: `FILE:1:52: container.agent.egress.allow[1]: host "b c"`},
		{set: `"agent": {"memory": "1k"}`, want: `FILE:1:36: container.agent.memory: memory limit must be at least 64m, as 4g, 512m or 4294967296 bytes, not "1k"`},
		{set: `"agents": {"x": {"memory": "1k"}}`, agent: "x", want: `FILE:1:43: container.agents.x.memory: memory limit must be at least 64m`},
		{env: map[string]string{"AGENT_CPU_LIMIT": "all"}, want: `AGENT_CPU_LIMIT: CPU limit must be a number of CPUs from 0.01 to 1024, as 2 or 0.5, not "all"`},
		{env: map[string]string{"AGENT_DOCKER_ACCESS": "yes"}, want: `AGENT_DOCKER_ACCESS must be none or socket, not "yes"`},
		{flags: Flags{Egress: "x"}, want: `egress must be none, restricted or open, not "x"`},
	} {
		_, err := wantedFor(t, c.set, c.agent, c.flags, c.env)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestAnAgentThatReachesAllOpensNothingForTheOthers(t *testing.T) {
	t.Parallel()
	others := func(config string) *registry.Confined {
		c := &registry.Confined{Mode: "open"}
		narrow(c, config)
		return c
	}
	assert.DeepEqual(t, others(`{"mode":"restricted","allow":["a.test"]}`), &registry.Confined{Mode: "restricted", Allow: []string{"a.test"}})
	assert.DeepEqual(t, others(`{"mode":"none"}`), &registry.Confined{Mode: "none"})
	assert.DeepEqual(t, others(`?`), &registry.Confined{Mode: "none"})
	assert.DeepEqual(t, others(`{"mode":"open"}`), &registry.Confined{Mode: "open"})
}

func TestServicesAreAsClosedAsTheStrictestAgentWants(t *testing.T) {
	t.Parallel()
	const restricted, none = `{"mode":"restricted","allow":["a.test"]}`, `{"mode":"none"}`
	open := Sandbox{Services: egress.Open}
	opened := Sandbox{Services: egress.Open, ServicesOpened: true}
	some := Sandbox{Services: egress.Restricted, RestrictedHosts: []string{"a.test", "b.test"}}
	now := &registry.Confined{Mode: "restricted"}
	confined := func(mode string, allow ...string) *registry.Confined {
		return &registry.Confined{Mode: mode, Allow: allow, Image: "sidecar"}
	}
	for name, tc := range map[string]struct {
		w      Sandbox
		others []string
		now    *registry.Confined
		want   *registry.Confined
	}{
		"nobody confines":                        {open, nil, nil, nil},
		"the other agents do not run any more":   {open, nil, now, nil},
		"another agent is restricted":            {open, []string{restricted}, now, confined("restricted", "a.test")},
		"another agent has nothing":              {open, []string{restricted, none}, now, confined("none")},
		"the user opens them whatever others do": {opened, []string{none}, now, nil},
		"this agent is restricted":               {some, nil, nil, confined("restricted", "a.test", "b.test")},
		"both are":                               {some, []string{restricted}, nil, confined("restricted", "a.test")},
		"a configuration that cannot be read":    {some, []string{"?"}, nil, confined("none")},
	} {
		t.Run(name, func(t *testing.T) {
			assert.DeepEqual(t, tc.w.ConfinementBeside(tc.others, "sidecar", tc.now), tc.want)
		})
	}
}

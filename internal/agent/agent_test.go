package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// wantedFor decides on the settings of a main work tree, in the JSON of container.
func wantedFor(t *testing.T, container string, req Request, env map[string]string) (*wanted, error) {
	t.Helper()
	src := settings.Sources{WorkTree: t.TempDir()}
	path := filepath.Join(src.WorkTree, ".iloom", "settings.json")
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(`{"container": {`+container+`}}`), 0o600))
	set, err := settings.Read(src)
	assert.NilError(t, err)
	name := req.Agent
	if name == "" {
		name = DefaultName
	}
	w, err := policySettings{name: name, set: set, src: src, env: func(name string) string { return env[name] }}.decide(&req)
	if err != nil {
		err = errorString(strings.ReplaceAll(err.Error(), path, "FILE"))
	}
	return w, err
}

type errorString string

func (e errorString) Error() string { return string(e) }

func TestAFlagIsStrongerThanTheEnvironmentAndThatThanSettings(t *testing.T) {
	t.Parallel()
	const set = `"agent": {"memory": "1g", "cpus": 1, "pids": 100, "runtime": "a", "dockerAccess": "socket", "image": "i", "vault": "v",
		"egress": {"mode": "open", "allow": ["a.test"]}, "servicesEgress": "open", "command": ["x"]}`
	w, err := wantedFor(t, set, Request{}, nil)
	assert.NilError(t, err)
	assert.DeepEqual(t, w.policy.Limits, sandbox.Limits{Memory: 1 << 30, CPUs: 1, PIDs: 100})
	assert.Equal(t, w.policy.Runtime+" "+w.policy.Vault+" "+w.images.Project+" "+w.policy.Command[0], "a v i x")
	assert.Equal(t, w.policy.Egress, egress.Open)
	assert.Equal(t, w.services, egress.Open)
	assert.Assert(t, w.confinement("image") == nil)
	assert.Assert(t, w.policy.DockerSocket != "")

	w, err = wantedFor(t, set, Request{Image: "f", Egress: "restricted", ServicesEgress: "restricted", Vault: "w"}, map[string]string{
		"AGENT_MEMORY_LIMIT": "2147483648", "AGENT_CPU_LIMIT": "3", "AGENT_PIDS_LIMIT": "50", "AGENT_RUNTIME": "b", "AGENT_DOCKER_ACCESS": "none",
	})
	assert.NilError(t, err)
	assert.DeepEqual(t, w.policy.Limits, sandbox.Limits{Memory: 2 << 30, CPUs: 3, PIDs: 50})
	assert.Equal(t, w.policy.Runtime+" "+w.policy.Vault+" "+w.images.Flag, "b w f")
	assert.Equal(t, w.policy.DockerSocket, "")
	c := w.confinement("image")
	assert.Equal(t, c.Mode, "restricted")
	for _, host := range []string{"a.test", "github.com"} {
		assert.Assert(t, strings.Contains(strings.Join(c.Allow, " "), host), host)
		assert.Assert(t, strings.Contains(strings.Join(w.policy.Allow, " "), host), host)
	}
}

func TestWithoutSettingsAnAgentIsRestricted(t *testing.T) {
	t.Parallel()
	w, err := wantedFor(t, ``, Request{}, nil)
	assert.NilError(t, err)
	assert.DeepEqual(t, w.policy.Command, []string{"claude", "--dangerously-skip-permissions"})
	assert.DeepEqual(t, w.policy.Limits, sandbox.DefaultLimits())
	assert.Equal(t, w.policy.Egress, egress.Restricted)
	assert.Equal(t, w.services, egress.Restricted)
	assert.Assert(t, w.policy.DockerSocket == "" && len(w.policy.Credentials) == 0 && len(w.mounts) == 0 && !w.policy.ReadOnly)
	// What leads out for nobody leads out for no service either.
	w, err = wantedFor(t, ``, Request{Egress: "none"}, nil)
	assert.NilError(t, err)
	assert.Equal(t, w.confinement("").Mode, "none")
	assert.Equal(t, len(w.policy.Allow)+len(w.confinement("").Allow), 0)
}

func TestAWrongSettingNamesItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  string
		req  Request
		env  map[string]string
		want string
	}{
		{set: `"agent": {"egress": {"allow": ["a", "b c"]}}`, want: `FILE:1:52: container.agent.egress.allow[1]: host "b c"`},
		{set: `"agent": {"memory": "1k"}`, want: `FILE:1:36: container.agent.memory: memory limit must be at least 64m, as 4g, 512m or 4294967296 bytes, not "1k"`},
		{set: `"agents": {"x": {"memory": "1k"}}`, req: Request{Agent: "x"}, want: `FILE:1:43: container.agents.x.memory: memory limit must be at least 64m`},
		{env: map[string]string{"AGENT_CPU_LIMIT": "all"}, want: `AGENT_CPU_LIMIT: CPU limit must be a number of CPUs from 0.01 to 1024, as 2 or 0.5, not "all"`},
		{env: map[string]string{"AGENT_DOCKER_ACCESS": "yes"}, want: `AGENT_DOCKER_ACCESS must be none or socket, not "yes"`},
		{req: Request{Egress: "x"}, want: `egress must be none, restricted or open, not "x"`},
	} {
		_, err := wantedFor(t, c.set, c.req, c.env)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestMovedTellsOfAllRefsButTheOwn(t *testing.T) {
	t.Parallel()
	before := map[string]string{"refs/heads/own": "1111111111", "refs/heads/main": "2222222222", "refs/heads/gone": "3333333333", "refs/tags/v1": "4444444444"}
	after := map[string]string{"refs/heads/own": "5555555555", "refs/heads/main": "6666666666", "refs/tags/v1": "4444444444", "refs/heads/next": "7777777777", "refs/stash": "8888888888"}
	assert.DeepEqual(t, movedRefs(before, after, "refs/heads/own", "refs/heads/next"), []string{
		"refs/heads/gone is gone, it was at 33333333", "refs/heads/main moved from 22222222 to 66666666", "refs/stash is new, at 88888888",
	})
}

func TestAnAgentIsNeverRoot(t *testing.T) {
	t.Parallel()
	remapped := engine.Capabilities{RootDir: "/var/lib/docker/100000.200000"}
	remapped.Confines.Remapped = true
	for _, c := range []struct {
		info     engine.Capabilities
		uid, gid int
		want     agentUser
	}{
		{engine.Capabilities{}, 1000, 100, agentUser{1000, 100, 1000, 100}},
		{engine.Capabilities{}, 0, 0, agentUser{61000, 61000, 61000, 61000}},
		{engine.Capabilities{}, 1000, 0, agentUser{1000, 61000, 1000, 61000}},
		{remapped, 1000, 1000, agentUser{61000, 61000, 161000, 261000}},
		{remapped, 101000, 201000, agentUser{1000, 1000, 101000, 201000}},
		{remapped, 100000, 200000, agentUser{61000, 61000, 161000, 261000}},
	} {
		got, err := userOn(c.info, c.uid, c.gid)
		assert.NilError(t, err)
		assert.Equal(t, got, c.want)
	}
	_, err := userOn(engine.Capabilities{Confines: engine.Confines{Remapped: true}, RootDir: "/var/lib/docker"}, 1000, 1000)
	assert.ErrorContains(t, err, "does not tell")
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

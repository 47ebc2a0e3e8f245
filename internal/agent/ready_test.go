package agent

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/agent/record"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

func TestASandboxIsReadyOnlyAsItWasChecked(t *testing.T) {
	t.Parallel()
	guarded := filepath.Join(t.TempDir(), "config")
	assert.NilError(t, os.WriteFile(guarded, nil, 0o600))
	state := record.Sandbox{
		SandboxStart: "1", EgressStart: "2", ImageID: "image", WantedDigest: "digest",
		GuardedFiles: []string{guarded}, GuardedStamp: sandbox.Fingerprint([]string{guarded}),
	}
	ready := func() observed {
		c := agentContainers{sandbox: &engine.Container{Networks: []string{"own"}}, sidecar: &engine.Container{}}
		return observed{agentContainers: c, starts: [2]string{"1", "2"}, network: "own", imageID: "image"}
	}
	assert.Equal(t, ready().whyNotReady(state), "")
	assert.Equal(t, ready().whyNotWanted(state, "digest"), "")
	for name, tc := range map[string]struct {
		change func(*observed)
		want   string
	}{
		"the sandbox was restarted": {func(o *observed) { o.starts[0] = "3" }, "it was started again since its last check"},
		"the sidecar was restarted": {func(o *observed) { o.starts[1] = "3" }, "it was started again since its last check"},
		"it has another network":    {func(o *observed) { o.sandbox.Networks = []string{"own", "bridge"} }, "it is on the networks [own bridge]"},
		"it has no network":         {func(o *observed) { o.sandbox.Networks = nil }, "it is on the networks []"},
	} {
		o := ready()
		tc.change(&o)
		assert.Equal(t, o.whyNotReady(state), tc.want, name)
	}
	o := ready()
	o.imageID = "other"
	assert.Equal(t, o.whyNotWanted(state, "digest"), "its image was replaced")
	assert.Equal(t, ready().whyNotWanted(state, "other"), "something else is wanted of it")

	assert.NilError(t, os.Remove(guarded))
	assert.Equal(t, ready().whyNotReady(state), "a guarded file was replaced since it was started")
}

func TestAgentsOwnTheirContainersAlone(t *testing.T) {
	t.Parallel()
	of := func(service, agent, state string) engine.Container {
		c := engine.Container{Service: service, State: state, Networks: []string{"n"}, Labels: map[string]string{}}
		if agent != "" {
			c.Labels[sandbox.LabelAgent] = agent
		}
		return c
	}
	own := []engine.Container{
		of("web", "", "running"), of("db", "", "exited"), of("loom-egress", "", "running"),
		of("loom-agent", "agent", "running"), of("loom-agent-egress", "agent", "running"),
		of("loom-agent-reviewer", "reviewer", "exited"),
	}
	assert.DeepEqual(t, servicesOf(own), []string{"db", "web"})
	assert.Assert(t, containersOf(own, DefaultName).areRunning())
	reviewer := containersOf(own, "reviewer")
	assert.Equal(t, reviewer.sandbox.Service, "loom-agent-reviewer")
	assert.Assert(t, reviewer.sidecar == nil && !reviewer.areRunning())
	var joined, owned []string
	for _, c := range own {
		if canJoin(c) {
			joined = append(joined, c.Service)
		}
		if (*Companion)(nil).Owns(c) {
			owned = append(owned, c.Service)
		}
	}
	assert.DeepEqual(t, joined, []string{"web"})
	assert.DeepEqual(t, owned, []string{"loom-agent", "loom-agent-egress", "loom-agent-reviewer"})
}

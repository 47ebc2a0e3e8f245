package agent

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

func TestASandboxIsReadyOnlyAsItWasChecked(t *testing.T) {
	t.Parallel()
	guarded := filepath.Join(t.TempDir(), "config")
	assert.NilError(t, os.WriteFile(guarded, nil, 0o600))
	state := sandboxState{
		SandboxStart: "1", EgressStart: "2", ImageID: "image", WantedDigest: "digest",
		GuardedFiles: []string{guarded}, GuardedStamp: sandbox.Fingerprint([]string{guarded}),
	}
	ready := func() observed {
		c := agentContainers{sandbox: &engine.Container{Networks: []string{"own"}}, sidecar: &engine.Container{}}
		return observed{agentContainers: c, starts: [2]string{"1", "2"}, network: "own", imageID: "image"}
	}
	assert.Equal(t, state.whyNotReady(ready()), "")
	assert.Equal(t, state.whyNotWanted(ready(), "digest"), "")
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
		assert.Equal(t, state.whyNotReady(o), tc.want, name)
	}
	o := ready()
	o.imageID = "other"
	assert.Equal(t, state.whyNotWanted(o, "digest"), "its image was replaced")
	assert.Equal(t, state.whyNotWanted(ready(), "other"), "something else is wanted of it")

	assert.NilError(t, os.Remove(guarded))
	assert.Equal(t, state.whyNotReady(ready()), "a guarded file was replaced since it was started")
}

func TestTheStateOfASandboxIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := sandboxState{
		WantedDigest: "a", Sandbox: "b", SandboxStart: "c", Egress: "d", EgressStart: "e", Image: "f", ImageID: "g", User: "1:2",
		WorkTree: "/w", GrantedUID: 3, GitPointers: "h", Access: []string{"i"}, Warnings: []string{"j"}, Sources: []string{"k"},
		GuardedFiles: []string{"l"}, GuardedStamp: "m",
	}
	assert.NilError(t, w.agents.writeState("p", "", want))
	got, ok := w.agents.readState("p", DefaultName)
	assert.Assert(t, ok)
	assert.DeepEqual(t, got, want)
	// An earlier docker loom wrote these names.
	text, err := os.ReadFile(w.agents.statePath("p", ""))
	assert.NilError(t, err)
	assert.Equal(t, string(text), `{"Wanted":"a","Sandbox":"b","SandboxStart":"c","Egress":"d","EgressStart":"e","Image":"f","ImageID":"g",`+
		`"User":"1:2","Dir":"/w","Owner":3,"Git":"h","Access":["i"],"Loud":["j"],"Sources":["k"],"Guard":["l"],"Stamp":"m"}`)
}

func TestServicesAreAsClosedAsTheStrictestAgentWants(t *testing.T) {
	t.Parallel()
	const restricted, none = `{"mode":"restricted","allow":["a.test"]}`, `{"mode":"none"}`
	open := wanted{services: egress.Open}
	opened := wanted{services: egress.Open, servicesOpened: true}
	some := wanted{services: egress.Restricted, restrictedHosts: []string{"a.test", "b.test"}}
	now := &registry.Confined{Mode: "restricted"}
	confined := func(mode string, allow ...string) *registry.Confined {
		return &registry.Confined{Mode: mode, Allow: allow, Image: "sidecar"}
	}
	for name, tc := range map[string]struct {
		w      wanted
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
			assert.DeepEqual(t, tc.w.confinementBeside(tc.others, "sidecar", tc.now), tc.want)
		})
	}
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
		if (*Agents)(nil).Owns(c) {
			owned = append(owned, c.Service)
		}
	}
	assert.DeepEqual(t, joined, []string{"web"})
	assert.DeepEqual(t, owned, []string{"loom-agent", "loom-agent-egress", "loom-agent-reviewer"})
}

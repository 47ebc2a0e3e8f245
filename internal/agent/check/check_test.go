package check

import (
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

func checkIn(w *worldtest.World) Check {
	spec := sandbox.Spec{Policy: sandbox.Policy{Agent: "agent", Egress: egress.Restricted}, Project: "shop-1", Loom: "1"}
	return Check{Engine: w.Engine, Teller: w.Teller(), Spec: spec, ContainerID: "shop-1-agent"}
}

func TestWhatOthersPublishIsTried(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Local)
	w.Run(
		worldtest.Container{Name: "db", Published: []string{"0.0.0.0:15432:5432/tcp"}},
		worldtest.Container{Name: "dns", Published: []string{"0.0.0.0:15353:53/udp"}},
		worldtest.Container{Name: "old", State: "exited", Published: []string{"0.0.0.0:18080:80/tcp"}},
	)
	w.Networks = []map[string]any{{
		"Name": "bridge", "Labels": map[string]string{},
		"IPAM": map[string]any{"Config": []map[string]string{{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}}},
	}}
	c, err := checkIn(w).probes(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, c.Mode, egress.Restricted)
	assert.Equal(t, c.Unlisted, UnlistedName)
	assert.Assert(t, strings.HasPrefix(c.Proxy, sandbox.EgressName("agent")+":"))
	assert.Assert(t, slices.Contains(c.Hosts, "172.17.0.1"), c.Hosts)
	assert.Assert(t, slices.Contains(c.Ports, 15432) && slices.Contains(c.Ports, 2375), c.Ports)
	assert.Assert(t, !slices.Contains(c.Ports, 15353) && !slices.Contains(c.Ports, 18080), c.Ports)
}

func TestASandboxThatCannotBeCheckedIsStopped(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t, worldtest.Local)
	assert.ErrorContains(t, checkIn(w).Run(t.Context()), "check of the sandbox")
	assert.Assert(t, slices.Contains(w.Requests(), "POST /containers/shop-1-agent/stop"), w.Requests())
}

func TestALeakListsWhatWasReached(t *testing.T) {
	t.Parallel()
	e := &LeakError{Loom: "1", Agent: "agent", Surprises: make([]egress.Surprise, 22)}
	text := e.Error()
	assert.Assert(t, strings.HasPrefix(text, "the sandbox of loom 1 is not closed, and was stopped:\n"), text)
	assert.Assert(t, strings.HasSuffix(text, "and 2 more"), text)
}

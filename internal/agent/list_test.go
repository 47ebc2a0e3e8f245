package agent

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// The looms of a machine come and go while they are listed.
func TestAgentsAreListedWithoutThoseThatWentMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	labels := func(id string) map[string]string {
		return map[string]string{sandbox.LabelAgent: "agent", engine.LabelLoom: id, engine.LabelRepo: "/shop"}
	}
	box, sidecar := sandbox.ServiceName("agent"), sandbox.EgressName("agent")
	w.Run(
		worldtest.Container{Name: "box1", Project: "shop-1", Service: box, Labels: labels("1"), Gone: true},
		worldtest.Container{Name: "sidecar1", Project: "shop-1", Service: sidecar, Labels: labels("1"), Gone: true},
		worldtest.Container{Name: "box2", Project: "shop-2", Service: box, Labels: labels("2")},
		worldtest.Container{Name: "sidecar2", Project: "shop-2", Service: sidecar, Labels: labels("2"), Gone: true},
	)
	list, err := New(&loom.Looms{Engine: w.Engine}).List(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, len(list), 1)
	assert.Equal(t, list[0].Container, "box2")
	assert.Equal(t, list[0].Egress, "")
}

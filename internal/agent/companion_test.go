package agent

import (
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// The sandbox need not be in the project whose services mount more.
func TestServicesThatMountMoreStopTheSandboxAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agents := func(id string) map[string]string {
		return map[string]string{sandbox.LabelAgent: "agent", engine.LabelLoom: id, engine.LabelRepo: "/shop"}
	}
	w.Run(
		worldtest.Container{Name: "web", Project: "shop-1", Service: "web"},
		worldtest.Container{Name: "sandbox", Project: "shop-1", Service: sandbox.ServiceName("agent"), Labels: agents("1")},
		worldtest.Container{Name: "sidecar", Project: "shop-1", Service: sandbox.EgressName("agent"), Labels: agents("1")},
		worldtest.Container{Name: "other", Project: "shop-2", Service: sandbox.ServiceName("agent"), Labels: agents("2")},
	)
	for _, project := range []string{"shop-1", "shop-api-1"} {
		before := len(w.Requests())
		k := &registry.Loom{ID: "1", Repository: "/shop", Project: project}
		// The fake engine stops nothing.
		assert.ErrorContains(t, w.companion.ServicesMountMore(t.Context(), k), "stop")
		stops := slices.DeleteFunc(w.Requests()[before:], func(request string) bool { return !strings.HasSuffix(request, "/stop") })
		assert.DeepEqual(t, stops, []string{"POST /containers/sandbox/stop"})
	}
}

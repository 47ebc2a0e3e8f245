package agent

import (
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestServicesThatMountMoreStopTheSandboxAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agents := map[string]string{sandbox.LabelAgent: "agent"}
	w.Run(
		worldtest.Container{Name: "web", Project: "shop-1", Service: "web"},
		worldtest.Container{Name: "sandbox", Project: "shop-1", Service: sandbox.ServiceName("agent"), Labels: agents},
		worldtest.Container{Name: "sidecar", Project: "shop-1", Service: sandbox.EgressName("agent"), Labels: agents},
	)
	// The fake engine stops nothing.
	assert.ErrorContains(t, w.companion.ServicesMountMore(t.Context(), &registry.Loom{ID: "1", Project: "shop-1"}), "stop")
	stops := slices.DeleteFunc(w.Requests(), func(request string) bool { return !strings.HasSuffix(request, "/stop") })
	assert.DeepEqual(t, stops, []string{"POST /containers/sandbox/stop"})
}

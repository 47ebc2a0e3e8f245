package loom

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/trust"
)

func TestAVariableCountsIfTheUserHasSetIt(t *testing.T) {
	t.Parallel()
	l := &Looms{Process: host.Process{Environ: []string{"LOOM_TEST_TOKEN=x"}}}
	all := []string{trust.ReadsVariable + "LOOM_TEST_TOKEN", trust.ReadsVariable + "LOOM_TEST_OTHER"}
	assert.DeepEqual(t, l.notAccepted(&registry.Loom{ID: "pr/5", Repository: "/r"}, &registry.State{}, all), all[:1])
}

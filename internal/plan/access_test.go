package plan

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/overrides"
)

// What confinement mounts is not what the files ask for.
func TestAccessDoesNotChangeWithConfinement(t *testing.T) {
	t.Parallel()
	own := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/r", Target: "/src"}
	added := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/r/conf", Target: "/src/conf"}
	p := &types.Project{Services: types.Services{"web": {Name: "web", Volumes: []types.ServiceVolumeConfig{own, added}}, EgressService: {}}}
	edits := []overrides.Edit{overrides.ProtectMounts{Service: "web", Mounts: []types.ServiceVolumeConfig{added}, Added: []types.ServiceVolumeConfig{added}}}
	assert.DeepEqual(t, withoutGuards(p, edits).Services, types.Services{"web": {Name: "web", Volumes: []types.ServiceVolumeConfig{own}}})
	assert.Equal(t, len(p.Services["web"].Volumes), 2)
}

func TestNamesOfOurOwnAreReserved(t *testing.T) {
	t.Parallel()
	assert.DeepEqual(t, Reserved, trust.Reserved{
		Sidecar: "loom-egress", Outer: "loom-egress-out", Sandbox: "loom-agent",
		Labels: []string{"ai.iloom.loom", "ai.iloom.repo", "ai.iloom.build"},
	})
}

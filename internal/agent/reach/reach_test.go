package reach

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/overrides"
)

func TestAServiceThatWritesWhatTheHostObeysIsNamed(t *testing.T) {
	t.Parallel()
	tree, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	for _, name := range []string{".git", ".iloom", "src"} {
		assert.NilError(t, os.Mkdir(filepath.Join(tree, name), 0o755))
	}
	bind := func(source, target string, readOnly bool) types.ServiceVolumeConfig {
		return types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: filepath.Join(tree, source), Target: target, ReadOnly: readOnly}
	}
	git, settings := filepath.Join(tree, ".git"), filepath.Join(tree, ".iloom")
	tests := map[string]struct {
		volumes []types.ServiceVolumeConfig
		want    []string
	}{
		"all of it":        {[]types.ServiceVolumeConfig{bind(".", "/src", false)}, []string{git, settings}},
		"the folder above": {[]types.ServiceVolumeConfig{bind("..", "/src", false)}, []string{git, settings}},
		"confined":         {[]types.ServiceVolumeConfig{bind(".", "/src/", false), bind(".git", "/src/.git", true), bind(".iloom", "/src/.iloom", true)}, nil},
		"a dev container":  {[]types.ServiceVolumeConfig{bind(".", "/src", false), bind(".iloom", "/src/.iloom", true)}, []string{git}},
		"beside them":      {[]types.ServiceVolumeConfig{bind("src", "/src", false)}, nil},
		"itself":           {[]types.ServiceVolumeConfig{bind(".git", "/git", false)}, []string{git}},
		"read-only":        {[]types.ServiceVolumeConfig{bind(".", "/src", true)}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &plan.Plan{ID: "1", WorkTree: tree, RealWorkTree: tree, Project: &types.Project{Services: types.Services{"web": {Name: "web", Volumes: tt.volumes}}}}
			assert.DeepEqual(t, writesGuarded(p, "web"), tt.want)
		})
	}
}

func TestWhatLeavesWithoutTheSidecarIsNamed(t *testing.T) {
	t.Parallel()
	services := types.Services{"web": {}, "none": {NetworkMode: "none"}, "beside": {NetworkMode: "service:web"}, "team": {}, "with": {NetworkMode: "service:team"}}
	open := &plan.Plan{ID: "1", Project: &types.Project{Services: services}}
	closed := &plan.Plan{ID: "1", Project: open.Project, Open: []overrides.OpenPath{{Service: "team", Network: true}, {Service: "web"}}}
	closed.Entry.Confined = &registry.Confined{}
	for name, want := range map[string][2]bool{"web": {true, false}, "none": {false, false}, "beside": {true, false}, "team": {true, true}, "with": {true, true}} {
		assert.DeepEqual(t, [2]bool{leaves(open, name), leaves(closed, name)}, want)
	}
}

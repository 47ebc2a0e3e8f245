package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
)

func TestTheDoctorNamesProjectsWithoutAFolderOfTheirOwn(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	web := filepath.Join(top, "apps", "web")
	assert.NilError(t, os.MkdirAll(web, 0o755))
	entry := func(id, project, workTree, dir string) *registry.Loom {
		return &registry.Loom{ID: id, Repository: top, Project: project, WorkTree: workTree, Dir: dir}
	}
	gone := filepath.Join(top, "gone")
	state := &registry.State{Looms: []*registry.Loom{
		entry("7", "p7-web", top, web), entry("7", "p7-web-old", top, web), entry("7", "p7-api", top, filepath.Join(top, "apps", "api")),
		entry("8", "p8-web", gone, filepath.Join(gone, "web")), entry("8", "p8-api", gone, filepath.Join(gone, "api")),
	}}
	d := &Diagnosis{}
	d.checkRegistry(state, []engine.Loom{{Project: "p8-api", ID: "8", Repo: top}})
	var got []string
	for _, f := range d.Findings {
		got = append(got, strings.NewReplacer(top, "TOP", filepath.Base(top), "shop").Replace(f.Subject+" "+f.Message+" | "+f.Remedy))
	}
	assert.DeepEqual(t, got, []string{
		"loom shop/8 its work tree TOP/gone is gone; its containers or volumes are still there | docker loom prune",
		"loom shop/7 the folder of its project p7-api is gone: TOP/apps/api | cd TOP && docker loom --project apps/api down 7 --volumes ends the project",
		"folder TOP/apps/web has several projects of loom shop/7: p7-web, p7-web-old | " +
			"cd TOP && docker loom down 7 --volumes ends the loom; up makes one of them again",
	})
}

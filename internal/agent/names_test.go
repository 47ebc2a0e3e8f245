package agent

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// projectsIn are projects of a loom in folders, the oldest first, each with the folder as its Compose project.
func projectsIn(folders ...string) []*registry.Loom {
	var list []*registry.Loom
	for i, folder := range folders {
		list = append(list, &registry.Loom{
			ID: "7", Repository: "/src/shop", WorkTree: "/src/shop", Project: folder, Space: "local",
			Dir: filepath.Join("/src/shop", filepath.FromSlash(folder)), Created: time.Unix(int64(i+1), 0).UTC(),
		})
	}
	return list
}

func namesIn(projects []*registry.Loom, services map[string][]string) serviceNames {
	return namesOf(projects, func(k *registry.Loom) []string { return services[k.Project] })
}

func TestANameOfTwoProjectsStaysWithTheOlder(t *testing.T) {
	t.Parallel()
	services := map[string][]string{"apps/web": {"app", "db"}, "apps/api": {"app", "store"}, "apps/evil": {"db", "app.api", "store.api", "x"}}
	one := namesIn(projectsIn("apps/web"), services)
	assert.DeepEqual(t, one.all, []string{"app", "db"})
	n := namesIn(projectsIn("apps/web", "apps/api", "apps/evil"), services)
	assert.DeepEqual(t, n.reachedBy("apps/web", "app"), []string{"app", "app.web"})
	assert.DeepEqual(t, n.reachedBy("apps/api", "app"), []string{"app.api"})
	assert.DeepEqual(t, n.reachedBy("apps/api", "store"), []string{"store", "store.api"})
	assert.DeepEqual(t, n.reachedBy("apps/evil", "db"), []string{"db.evil"})
	// A service cannot be called like an older project's with its folder.
	assert.DeepEqual(t, n.reachedBy("apps/evil", "store.api"), []string{"store.api.evil"})
	assert.DeepEqual(t, n.all, []string{
		"app", "app.api", "app.api.evil", "app.web", "db", "db.evil", "db.web", "store", "store.api", "store.api.evil", "x", "x.evil",
	})

	of := func(project, service string) engine.Container {
		return engine.Container{Project: project, Service: service}
	}
	assert.DeepEqual(t, n.aliases(of("apps/web", "app"), []string{"app", "shop"}), []string{"app", "app.web", "shop"})
	// Nor does an alias of the files take a name.
	assert.DeepEqual(t, n.aliases(of("apps/evil", "x"), []string{"x", "db", "app.web", "own"}), []string{"own", "x", "x.evil"})
	oneOff := of("apps/evil", "x")
	oneOff.OneOff = true
	assert.DeepEqual(t, n.aliases(oneOff, []string{"db", "run-1"}), []string{"run-1"})
}

func TestFoldersThatEndAlikeHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	got := folderNames(projectsIn(".", "apps/api", "libs/api", "shop", "apps-api", "apps/API", "日本", "日/本"))
	assert.Equal(t, got["."], "shop")
	assert.Equal(t, got["apps/api"], "api")
	assert.Equal(t, got["libs/api"], "libs-api")
	assert.Equal(t, got["apps-api"], "apps-api")
	seen := map[string]bool{}
	for _, name := range got {
		assert.Assert(t, name != "" && !seen[name], got)
		seen[name] = true
	}
}

// Whatever projects and services a loom has: no name is two projects', each service has one, and a project that is added
// changes no name.
func TestNamesAreOneProjectsAndStay(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"api", "web", "a", "a.b", "b", "apps"}
	pick := func() string { return parts[random.IntN(len(parts))] }
	for range 300 {
		services, before := map[string][]string{}, map[string]string{}
		var folders []string
		for range 1 + random.IntN(5) {
			folder := pick() + "/" + pick()
			if slices.Contains(folders, folder) {
				continue
			}
			folders = append(folders, folder)
			for range 1 + random.IntN(3) {
				services[folder] = append(services[folder], pick()+[]string{"", ".api", ".apps-api"}[random.IntN(3)])
			}
			n := namesIn(projectsIn(folders...), services)
			for name, project := range before {
				assert.Equal(t, n.owners[name], project, fmt.Sprint(folders, services))
			}
			before = maps.Clone(n.owners)
			for project, list := range services {
				for _, service := range list {
					for _, name := range n.aliases(engine.Container{Project: project, Service: service}, nil) {
						assert.Equal(t, n.owners[name], project)
					}
				}
			}
		}
	}
}

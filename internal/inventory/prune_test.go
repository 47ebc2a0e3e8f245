package inventory

import (
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestPruneTakesOnlyWhatIsSurelyNobodys(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{worldtest.Local, worldtest.Remote} {
		w := newWorld(t, endpoint)
		repo := w.Repo("shop")
		labels := func(id, repo, tree string) map[string]string {
			return map[string]string{engine.LabelLoom: id, engine.LabelRepo: repo, engine.LabelWorkTree: tree}
		}
		w.Know(
			registry.Loom{ID: "1", Repository: repo, Project: "p1", WorkTree: repo},                           // merely down
			registry.Loom{ID: "2", Repository: repo, Project: "p2", WorkTree: w.Path("gone")},                 // its work tree is gone
			registry.Loom{ID: "3", Repository: repo, Project: "p3"},                                           // its work tree is not known
			registry.Loom{ID: "4", Repository: repo, Project: "p4", WorkTree: w.Path("gone"), Space: "other"}, // on another engine
		)
		w.Run(
			worldtest.Container{Name: "a", Project: "p1", Labels: labels("1", repo, repo)},
			worldtest.Container{Name: "b", Project: "p5", Labels: labels("5", repo, repo)},
			worldtest.Container{Name: "c", Project: "p6", Labels: labels("6", w.Path("no"), w.Path("no"))},
			worldtest.Container{Name: "d", Project: "p7", Labels: labels("7", repo, w.Path("gone"))},
			worldtest.Container{Name: "e", Project: "shop", Labels: labels(identity.Main, repo, repo)},
		)
		list, err := FindPrunable(t.Context(), w.looms)
		assert.NilError(t, err)
		var got []string
		for _, p := range list {
			got = append(got, p.ID+": "+strings.ReplaceAll(p.Why, w.Dir, ""))
		}
		want := []string{"2: its work tree /gone is gone", "6: its repository /no is gone", "7: its work tree /gone is gone"}
		if endpoint == worldtest.Remote {
			// Other machines use it too, and what is in their registries cannot be known here.
			want = want[:1]
		}
		assert.Equal(t, len(got), len(want), "%v", got)
		for _, line := range want {
			assert.Check(t, strings.Contains(strings.Join(got, "\n"), line), "%s is missing: %v", line, got)
		}
	}
	assert.Assert(t, !host.IsGone("") && !host.IsGone(t.TempDir()) && host.IsGone(filepath.Join(t.TempDir(), "x")))
}

func TestPruneEndsALoomOnceWithAllItsProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Local)
	repo := w.Repo("shop")
	gone := w.Path("gone")
	entry := func(folder string) registry.Loom {
		return registry.Loom{ID: "2", Repository: repo, Project: "p2-" + folder, WorkTree: gone, Dir: filepath.Join(gone, folder)}
	}
	w.Know(entry("web"), entry("api"), registry.Loom{ID: "3", Repository: repo, Project: "p3", WorkTree: repo, Dir: repo})
	orphan := func(id, folder string) worldtest.Container {
		return worldtest.Container{
			Name: "p" + id + "-" + folder, Project: "p" + id + "-" + folder, Service: "x",
			Labels: map[string]string{
				engine.LabelLoom: id, engine.LabelRepo: repo, engine.LabelWorkTree: gone, stack.LabelWorkingDir: filepath.Join(gone, folder),
			},
		}
	}
	// Of loom 3 the registry does not know one project; the loom itself is there.
	w.Run(orphan("9", "web"), orphan("9", "api"), orphan("3", "old"))
	list, err := FindPrunable(t.Context(), w.looms)
	assert.NilError(t, err)
	var got []string
	for _, p := range list {
		line := p.ID
		for _, k := range p.Projects {
			line += " " + k.Project + ":" + k.Folder()
		}
		got = append(got, line)
	}
	assert.DeepEqual(t, got, []string{"2 p2-api:api p2-web:web", "9 p9-api:api p9-web:web"})
	assert.Assert(t, list[0].Known == list[0].Projects[0] && !list[0].Recovered && list[1].Recovered)
}

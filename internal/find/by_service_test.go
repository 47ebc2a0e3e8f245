package find

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// knowMonorepo makes loom 7 with apps/web (web, db) and apps/api (api, db), and loom 8 with apps/web alone.
func (w *testWorld) knowMonorepo() (repo string) {
	repo = w.Repo("mono")
	assert.NilError(w.T, os.Remove(filepath.Join(repo, "compose.yaml")))
	var entries []registry.Loom
	for _, id := range []string{"7", "8"} {
		for _, folder := range []string{"web", "api"} {
			dir := filepath.Join(repo, "apps", folder)
			assert.NilError(w.T, os.MkdirAll(dir, 0o755))
			if id == "7" || folder == "web" {
				entries = append(entries, registry.Loom{ID: id, Repository: repo, Project: "p" + id + "-" + folder, WorkTree: repo, Dir: dir})
			}
		}
	}
	w.Know(entries...)
	w.finder.Services = func(_ context.Context, t *Target) ([]string, error) {
		own := filepath.Base(t.Known.Dir)
		if t.Source.Dir != t.Known.Dir && !t.Part {
			return nil, errors.New("looked for in " + t.Source.Dir)
		}
		return []string{own, "db"}, nil
	}
	return repo
}

func TestAServiceTellsItsProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.knowMonorepo()
	for _, tc := range []struct {
		dir, project, service, want string
	}{
		{repo, "", "web", "p7-web"},
		{repo, "", "api", "p7-api"},
		{repo, "", "db", "service db is in several projects of loom 7: apps/api, apps/web"},
		{repo, "", "no", "loom 7 has several projects: apps/api, apps/web"},
		{repo, "", "", "loom 7 has several projects: apps/api, apps/web"},
		{repo, "apps/web", "db", "p7-web"},
		{filepath.Join(repo, "apps", "api"), "", "db", "p7-api"},
	} {
		where := in(tc.dir, "7")
		where.Project = tc.project
		target, err := w.finder.ResolveService(t.Context(), where, tc.service)
		got := ""
		if err != nil {
			got = sorted(err)
		} else {
			got = target.Known.Project
		}
		assert.Check(t, got == tc.want, "%+v: %s", tc, got)
	}
}

// sorted is the text of an error, with the folders in their order.
func sorted(err error) string {
	if several, ok := errors.AsType[*SeveralProjectsError](err); ok {
		slices.Sort(several.Folders)
	}
	return err.Error()
}

func TestACommandWithoutServicesIsAboutTheWholeLoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.knowMonorepo()
	for _, tc := range []struct {
		dir   string
		words []string
		meant int
		want  string
	}{
		{repo, []string{"7"}, 2, ""},
		{filepath.Join(repo, "apps", "api"), []string{"7"}, 2, "p7-api"},
		{repo, []string{"7", "web"}, 2, "p7-web"},
		{repo, []string{"8"}, 1, "p8-web"},
	} {
		target, rest, err := w.finder.FindWhole(t.Context(), Query{Where: in(tc.dir, ""), Words: tc.words, Purpose: Reading})
		assert.NilError(t, err)
		assert.DeepEqual(t, append([]string{tc.words[0]}, rest...), tc.words)
		assert.Check(t, len(target.Meant()) == tc.meant && (tc.want == "" || target.Known.Project == tc.want), "%+v: %s", tc, target.Known.Project)
	}
	_, _, err := w.finder.FindWhole(t.Context(), Query{Where: in(repo, ""), Words: []string{"7", "db"}, Purpose: Reading})
	assert.Equal(t, sorted(err), "service db is in several projects of loom 7: apps/api, apps/web")
	where := in(repo, "")
	where.Project = "apps/api"
	target, _, err := w.finder.FindWhole(t.Context(), Query{Where: where, Words: []string{"7"}, Purpose: Reading})
	assert.NilError(t, err)
	assert.Equal(t, target.Meant()[0].Project, "p7-api")
}

func TestAllLoomsAreThoseWithTheProjectThatIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	where := in(w.knowMonorepo(), "")
	for folder, want := range map[string]int{"": 2, "apps/web": 2, "apps/api": 1} {
		where.Project = folder
		targets, err := w.finder.FindAll(t.Context(), where)
		assert.NilError(t, err)
		assert.Check(t, len(targets) == want, "%q: %d", folder, len(targets))
	}
}

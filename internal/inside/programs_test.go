package inside

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/overrides"
)

// readerOf reads the .env files of a loom with the work tree dir/tree, whose main work tree is dir/main.
func readerOf(t *testing.T, files map[string]string) (programs, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, tree := range []string{"main/apps/api", "tree/apps/api"} {
		assert.NilError(t, os.MkdirAll(filepath.Join(dir, tree), 0o755))
	}
	p := &loom.Plan{WorkTree: filepath.Join(dir, "tree"), Repository: filepath.Join(dir, "main")}
	p.Base.Dir = p.WorkTree
	p.Programs = endpoint.Moved{Ports: map[int]int{5432: 5555, 3000: 3123}, Browser: "123.localhost"}
	return programs{
		Looms: &loom.Looms{Teller: tell.Nowhere(), Process: host.Process{}}, plans: []*loom.Plan{p}, folder: p.WorkTree, own: true,
	}, dir
}

func TestTheNearestEnvFileIsTheStrongest(t *testing.T) {
	t.Parallel()
	r, dir := readerOf(t, map[string]string{
		"tree/.env": "A=localhost:5432\nB=localhost:5432\nC=localhost:5432\n", "tree/.env.local": "B=db:5432\n",
		"tree/.env.production": "C=db:5432\n", "tree/.env.example": "D=localhost:5432\n",
		"tree/apps/api/.env": "A=http://localhost:3000\n", "main/.env": "E=localhost:5432\n",
	})
	e := &Env{}
	r.addTo(e)
	assert.DeepEqual(t, lines(e.Vars), []string{"A=localhost:5555", "C=localhost:5555", "ILOOM_REWRITTEN=A C"})
	assert.DeepEqual(t, e.Watch, []string{filepath.Join(dir, "tree/.env"), filepath.Join(dir, "tree/.env.local")})

	// In a folder below, of this work tree and of the main one alike.
	for _, folder := range []string{"tree/apps/api", "main/apps/api"} {
		r.folder = filepath.Join(dir, folder)
		e = &Env{Vars: []overrides.Var{{Name: "ILOOM_LOOM", Value: "123"}, {Name: "C", Value: "given"}}}
		r.addTo(e)
		assert.DeepEqual(t, lines(e.Vars), []string{"ILOOM_LOOM=123", "C=given", "A=http://123.localhost:3123", "ILOOM_REWRITTEN=C A"})
	}
}

func TestAWorkTreeWithoutEnvFilesHasThoseOfTheMainOne(t *testing.T) {
	t.Parallel()
	r, _ := readerOf(t, map[string]string{"main/.env": "E=localhost:5432\n"})
	e := &Env{}
	r.addTo(e)
	assert.DeepEqual(t, lines(e.Vars), []string{"E=localhost:5555", "ILOOM_REWRITTEN=E"})
}

func TestWhatOthersWroteIntoAWorkTreeIsNotExported(t *testing.T) {
	t.Parallel()
	r, _ := readerOf(t, map[string]string{
		"tree/.env": "PATH=/tree/bin:localhost:5432\nNODE_OPTIONS=--require ./x.js#localhost:5432\n", "main/.env": "E=localhost:5432\n",
	})
	r.plans[0].Entry = registry.Loom{ID: "123", Sandboxed: true}
	e := &Env{}
	r.addTo(e)
	assert.DeepEqual(t, lines(e.Vars), []string{"E=localhost:5555", "ILOOM_REWRITTEN=E"})
	r.plans[0].Repository = r.plans[0].WorkTree
	e = &Env{}
	r.addTo(e)
	assert.Equal(t, len(e.Vars), 0)
}

func TestABaseOfSeveralProjectsStaysIfNoneIsMeant(t *testing.T) {
	t.Parallel()
	r, _ := readerOf(t, map[string]string{"tree/.env": "A=localhost:5432\nB=localhost:3000\n"})
	other := *r.plans[0]
	other.Programs.Ports = map[int]int{5432: 5556, 3000: 3123}
	r.plans, r.own = append(r.plans, &other), false
	e := &Env{}
	r.addTo(e)
	assert.DeepEqual(t, lines(e.Vars), []string{"B=localhost:3123", "ILOOM_REWRITTEN=B"})
}

func TestAnEnvironmentLosesWhatItHadOfAnotherLoom(t *testing.T) {
	t.Parallel()
	e := &Env{Vars: []overrides.Var{{Name: "ILOOM_LOOM", Value: "8"}, {Name: "A", Value: "new"}}}
	got := e.Over([]string{
		"HOME=/h", "A=old", "B=of 7", "ILOOM_REWRITTEN=A B", "ILOOM_LOOM=7", "ILOOM_PORT_X=1", "ILOOM_BASE_X=2", "C=mine",
	})
	slices.Sort(got)
	assert.DeepEqual(t, got, []string{"A=new", "C=mine", "HOME=/h", "ILOOM_LOOM=8"})
}

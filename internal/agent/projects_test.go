package agent

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/agent/record"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// know puts a loom with projects in these folders into the registry, and returns it as it is found in its root.
func (w *testWorld) know(repo string, folders ...string) *loom.Target {
	w.T.Helper()
	for _, k := range projectsIn(folders...) {
		k.Repository, k.WorkTree, k.Dir = repo, repo, filepath.Join(repo, filepath.FromSlash(k.Project))
		k.Project, k.Space = "shop-"+filepath.Base(k.Dir), ""
		assert.NilError(w.T, os.MkdirAll(k.Dir, 0o700))
		w.Know(*k)
	}
	t, err := w.companion.resolve(w.T.Context(), loom.Where{ID: "7", Source: stack.Source{Dir: repo}})
	assert.NilError(w.T, err)
	return t
}

func sandboxIn(project string, labels map[string]string) worldtest.Container {
	labels[sandbox.LabelAgent] = "agent"
	return worldtest.Container{Name: project + "-sandbox", Project: project, Service: sandbox.ServiceName("agent"), Labels: labels}
}

func TestTheSandboxIsInTheOldestProjectUnlessAnotherHasOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	repo := w.Repo("shop")
	found := w.know(repo, "apps/web", "apps/api", "apps/third")
	assert.Equal(t, found.Known.Project, "shop-web")
	assert.Equal(t, len(found.Projects), 3)

	// A container tells if what it was made for is lost.
	w.Run(sandboxIn("shop-third", map[string]string{engine.LabelLoom: "7", engine.LabelRepo: repo}))
	found, err := w.companion.withLead(t.Context(), found)
	assert.NilError(t, err)
	assert.Equal(t, found.Known.Project, "shop-third")
	assert.Equal(t, found.Source.Dir, filepath.Join(repo, "apps", "third"))

	assert.NilError(t, w.companion.records().Write("shop-api", "", record.Sandbox{}))
	found, err = w.companion.withLead(t.Context(), found)
	assert.NilError(t, err)
	assert.Equal(t, found.Known.Project, "shop-api")
}

func TestTheSandboxIsTheLoomsWhicheverProjectIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	repo := w.Repo("shop")
	w.know(repo, "apps/web", "apps/api")
	for _, where := range []loom.Where{
		{ID: "7", Project: "apps/api", Source: stack.Source{Dir: repo}},
		{ID: "7", Source: stack.Source{Dir: filepath.Join(repo, "apps", "api")}},
	} {
		found, err := w.companion.resolve(t.Context(), where)
		assert.NilError(t, err)
		assert.Equal(t, found.Known.Project, "shop-web")
		assert.Equal(t, len(found.Meant()), 2)
	}
}

func TestAllProjectsAreConfinedAndMarkedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found := w.know(w.Repo("shop"), "apps/web", "apps/api", "apps/third")
	confined := func(want bool) {
		t.Helper()
		entries := w.State().Projects(found.Repository, "7")
		assert.Equal(t, len(entries), 3)
		for _, k := range append(entries, found.Projects...) {
			assert.Equal(t, k.Confined != nil, want, k.Project)
		}
	}
	assert.NilError(t, w.companion.setConfined(t.Context(), found, &registry.Confined{Mode: "none"}))
	confined(true)
	assert.NilError(t, w.companion.setConfined(t.Context(), found, nil))
	confined(false)

	found.State = w.State()
	assert.NilError(t, w.companion.markSandboxed(t.Context(), found))
	for _, k := range append(w.State().Projects(found.Repository, "7"), found.Projects...) {
		assert.Assert(t, k.Sandboxed && !k.WrittenSince.IsZero(), k.Project)
	}
	assert.Assert(t, w.Registry.Written(found.WorkTree) != nil)
}

func TestAProjectWithoutItsFolderIsLeftOutOnlyIfNothingRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found := w.know(w.Repo("shop"), "apps/web", "apps/api")
	gone := found.Projects[1]
	assert.NilError(t, os.RemoveAll(gone.Dir))
	ok, err := canComeUp(found, found.Projects[0], nil)
	assert.Assert(t, ok && err == nil)
	ok, err = canComeUp(found, gone, []engine.Container{{Project: "shop-web"}})
	assert.Assert(t, !ok && err == nil)
	_, err = canComeUp(found, gone, []engine.Container{{Project: "shop-api"}})
	assert.ErrorType(t, err, &GoneProjectError{})
	// A loom with one project goes on with what its files are now.
	found.Projects = found.Projects[1:]
	ok, err = canComeUp(found, gone, []engine.Container{{Project: "shop-api"}})
	assert.Assert(t, ok && err == nil)
}

// While the sandbox runs, git's folder must keep what it was given for it: what is missing there, the agent can make.
func TestGitsFolderIsAsItWasOnceTheSandboxesProjectIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found := w.know(w.Repo("shop"), "apps/web", "apps/api")
	found.Projects[0].Sandboxed, found.Projects[1].Sandboxed = true, true
	git, err := gitOf(found)
	assert.NilError(t, err)
	assert.NilError(t, gitview.Prepare(found.WorkTree, git))
	made := filepath.Join(found.WorkTree, ".git", "commondir")
	for _, lead := range []string{"", "shop-web"} {
		if lead != "" {
			assert.NilError(t, w.companion.records().Write(lead, "", record.Sandbox{}))
		}
		w.companion.Ended(found.Of(found.Projects[1]), nil)
		_, err = os.Lstat(made)
		assert.NilError(t, err)
	}
	w.companion.Ended(found.Of(found.Projects[0]), nil)
	_, err = os.Lstat(made)
	assert.Assert(t, os.IsNotExist(err))
}

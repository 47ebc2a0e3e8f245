package find

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// resolved is a target as a line, with the machine's folder left out: id, repository, work tree, folder of the search, and
// whether the registry knows the loom.
func (w *testWorld) resolved(where Where, purpose Purpose) string {
	w.T.Helper()
	target, err := w.finder.Resolve(w.T.Context(), where, purpose)
	if quick := w.finder.Registered(w.T.Context(), where); quick != nil {
		slow, err := w.finder.Resolve(w.T.Context(), where, Reading)
		assert.NilError(w.T, err)
		assert.Equal(w.T, quick.Name(), slow.Name())
		assert.Equal(w.T, quick.Repository, slow.Repository)
		assert.Equal(w.T, quick.Known.Project, slow.Known.Project)
	}
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), w.Dir, "")
	}
	known := ""
	if target.Known != nil {
		known = " known"
	}
	short := func(path string) string { return strings.TrimPrefix(path, w.Dir) }
	return target.ID + " of " + short(target.Repository) + " in " + short(target.WorkTree) + ", from " + short(target.Source.Dir) + known
}

func TestResolveWithoutAnIDTakesTheLoomOfTheFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Tree(repo, "feat/issue-7__login", "shop-looms", "a")
	w.Tree(repo, "other", "shop-looms", "x_pr_45")
	w.Tree(repo, "feat/y", "shop-looms", "y")
	w.Tree(repo, "issue-0012", "shop-looms", "padded")
	w.Tree(repo, "issue-main", "shop-looms", "z")
	w.Tree(repo, "", "shop-looms", "bisect")
	w.Tree(repo, "kept", "shop-looms", "kept")
	w.Tree(repo, "issue-9", "shop-looms", "nine")
	w.Write("", "shop", "sub", "deep", "file")
	w.Write("", "shop-looms", "a", "sub", "file")
	w.Write(worldtest.Shop, "plain", "compose.yaml")
	w.Write("", "plain", "sub", "file")
	w.Write("", "nothing", "file")
	assert.NilError(t, os.Symlink(w.Path("shop-looms", "a", "sub"), w.Path("link")))
	w.Know(
		registry.Loom{ID: "old", Repository: repo, Project: "p-old", WorkTree: w.Path("shop-looms", "kept")},
		registry.Loom{ID: "9", Repository: repo, Project: "p-9", WorkTree: w.Path("shop-looms", "gone")},
	)
	for _, tc := range []struct{ name, dir, want string }{
		{"the main checkout", "shop", "main of /shop in /shop, from /shop"},
		{"below it", "shop/sub/deep", "main of /shop in /shop, from /shop/sub/deep"},
		{"inside the git folder", "shop/.git", "main of /shop in /shop, from /shop"},
		{"a branch with a pattern", "shop-looms/a", "7 of /shop in /shop-looms/a, from /shop-looms/a"},
		{"below it", "shop-looms/a/sub", "7 of /shop in /shop-looms/a, from /shop-looms/a/sub"},
		{"through a symbolic link", "link", "7 of /shop in /shop-looms/a, from /shop-looms/a/sub"},
		{"a folder with a pattern", "shop-looms/x_pr_45", "pr/45 of /shop in /shop-looms/x_pr_45, from /shop-looms/x_pr_45"},
		{"no pattern", "shop-looms/y", "feat/y of /shop in /shop-looms/y, from /shop-looms/y"},
		{"a number with zeros is the one that users type", "shop-looms/padded", "12 of /shop in /shop-looms/padded, from /shop-looms/padded"},
		{"no name of a linked work tree leads to main", "shop-looms/z", "issue-main of /shop in /shop-looms/z, from /shop-looms/z"},
		{"no branch", "shop-looms/bisect", "bisect of /shop in /shop-looms/bisect, from /shop-looms/bisect"},
		{"the registry's loom, whatever the branch", "shop-looms/kept", "old of /shop in /shop-looms/kept, from /shop-looms/kept known"},
		{"a work tree that moved", "shop-looms/nine", "9 of /shop in /shop-looms/nine, from /shop-looms/nine known"},
		{"no git", "plain", "main of /plain in /plain, from /plain"},
		{"no git, below", "plain/sub", "main of /plain in /plain, from /plain/sub"},
		{"neither git nor project", "nothing", "main of /nothing in /nothing, from /nothing"},
	} {
		assert.Check(t, w.resolved(in(w.Path(tc.dir), ""), Making) == tc.want, "%s: %s", tc.name, w.resolved(in(w.Path(tc.dir), ""), Making))
	}
}

func TestARegisteredWorkTreeIsFoundWithoutGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Tree(repo, "issue-7", "shop-looms", "a")
	w.Write("", "shop", "sub", "file")
	w.Know(
		registry.Loom{ID: "main", Repository: repo, Project: "p-main", WorkTree: repo},
		registry.Loom{ID: "7", Repository: repo, Project: "p-7", WorkTree: w.Path("shop-looms", "a")},
	)
	for _, tc := range []struct{ dir, id, want string }{
		{"shop/sub", "", "p-main"},
		{"shop", "7", "p-7"},
		{"shop-looms/a", "", "p-7"},
		{"shop-looms/a", "main", "p-main"},
		{"shop", "8", ""},
	} {
		got := ""
		if found := w.finder.Registered(t.Context(), in(w.Path(tc.dir), tc.id)); found != nil {
			got = found.Known.Project
		}
		assert.Check(t, got == tc.want, "%s %s: %s", tc.dir, tc.id, got)
	}
}

func TestResolveWithAnIDTakesTheWorkTreeThatBelongsToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Tree(repo, "feat/issue-7__login", "looms", "a")
	w.Tree(repo, "other", "looms", "x_pr_45")
	w.Tree(repo, "feat/y", "looms", "y")
	w.Tree(repo, "eng-3", "looms", "e")
	w.Tree(repo, "b", "looms", "88")
	gone := w.Tree(repo, "issue-66", "looms", "gone")
	assert.NilError(t, os.RemoveAll(gone))
	w.Write("", "shop", "sub", "file")
	w.Write("", "looms", "a", "sub", "file")
	w.Know(
		registry.Loom{ID: "500", Repository: repo, Project: "p-500", WorkTree: w.Path("looms", "y"), Dir: w.Path("looms", "y")},
		registry.Loom{ID: "501", Repository: repo, Project: "p-501", WorkTree: w.Path("looms", "deleted"), Dir: w.Path("looms", "deleted")},
	)
	for _, tc := range []struct{ name, dir, id, want string }{
		{"its branch", "shop", "7", "7 of /shop in /looms/a, from /looms/a"},
		{"its branch, from the same place below", "shop/sub", "#7", "7 of /shop in /looms/a, from /looms/a/sub"},
		{"its folder", "shop", "PR-45", "pr/45 of /shop in /looms/x_pr_45, from /looms/x_pr_45"},
		{"a folder of its name", "shop", "88", "88 of /shop in /looms/88, from /looms/88"},
		{"a branch of its name", "looms/a", "feat/y", "feat/y of /shop in /looms/y, from /looms/y"},
		{"a key", "shop", "eng-3", "ENG-3 of /shop in /looms/e, from /looms/e"},
		{"none: the folder", "shop/sub", "123", "123 of /shop in /shop, from /shop/sub"},
		{"none, from a linked work tree: the folder", "looms/a/sub", "123", "123 of /shop in /looms/a, from /looms/a/sub"},
		{"a work tree that is gone is none", "shop", "66", "66 of /shop in /shop, from /shop"},
		{"main is the main checkout from everywhere", "looms/a/sub", "main", "main of /shop in /shop, from /shop/sub"},
		{"the registry's", "shop", "500", "500 of /shop in /looms/y, from /looms/y known"},
		{"the registry's is gone: the folder", "shop", "501", "501 of /shop in /shop, from /shop known"},
		{"no id", "shop", "--", `error: "--" is not an id: give an issue number, a key such as ENG-324, or a branch`},
	} {
		assert.Check(t, w.resolved(in(w.Path(tc.dir), tc.id), Making) == tc.want, "%s: %s", tc.name, w.resolved(in(w.Path(tc.dir), tc.id), Making))
	}
}

func TestResolveSaysWhichFolderItTook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	seven := w.Tree(repo, "issue-7", "looms", "seven")
	w.Tree(repo, "issue-8", "looms", "eight")
	w.Know(
		registry.Loom{ID: "7", Repository: repo, Project: "p-7", WorkTree: repo},
		registry.Loom{ID: "9", Repository: repo, Project: "p-9", WorkTree: w.Path("looms", "gone")},
	)
	for _, tc := range []struct {
		name, dir, id string
		want          []string
	}{
		{"a work tree of its own", repo, "8", nil},
		{"none", repo, "123", []string{"no work tree belongs to 123: using this folder, " + repo}},
		{"gone", repo, "9", []string{"no work tree belongs to 9: using this folder, " + repo, "the loom's work tree " + w.Path("looms", "gone") + " is gone"}},
		{"elsewhere than here", seven, "", []string{"loom 7 has the work tree " + repo + ": using that, not this folder"}},
	} {
		target, err := w.finder.Resolve(t.Context(), in(tc.dir, tc.id), Making)
		assert.NilError(t, err, tc.name)
		assert.DeepEqual(t, target.Notes, tc.want)
	}
}

func TestResolveAddressesLoomsOfOtherRepositories(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	a := w.Repo("a", "shop")
	b := w.Repo("b", "shop")
	w.Repo("here")
	w.Tree(w.Path("here"), "issue-31", "here-31")
	w.Write("", "here", "sub", "file")
	w.Know(
		registry.Loom{ID: "1", Repository: a, Project: "p1", WorkTree: a, Dir: a},
		registry.Loom{ID: "2", Repository: a, Project: "p2", WorkTree: a},
		registry.Loom{ID: "2", Repository: b, Project: "p3", WorkTree: b},
		registry.Loom{ID: "feat/x", Repository: b, Project: "p4", WorkTree: b},
		registry.Loom{ID: identity.Main, Repository: b, Project: "shop", WorkTree: b},
		registry.Loom{ID: "31", Repository: b, Project: "p5", WorkTree: w.Path("gone")},
		registry.Loom{ID: "shop/7", Repository: w.Path("here"), Project: "p6", WorkTree: w.Path("here")},
		registry.Loom{ID: "7", Repository: b, Project: "p7", WorkTree: b},
	)
	for _, tc := range []struct{ typed, want string }{
		{"shop/1", "1 of /a/shop in /a/shop, from /a/shop known"},
		{"shop/#1", "1 of /a/shop in /a/shop, from /a/shop known"},
		{"shop/feat/x", "feat/x of /b/shop in /b/shop, from /b/shop known"},
		{"shop/main", "main of /b/shop in /b/shop, from /b/shop known"},
		{"shop/2", "error: shop/2 is a loom of several repositories: /a/shop, /b/shop"},
		// A branch of this repository that was made a loom is nearer than another repository's loom.
		{"shop/7", "shop/7 of /here in /here, from /here known"},
		// Neither this repository's work tree for 31 nor its folder may stand in for the one that is gone.
		{"shop/31", "31 of /b/shop in /b/shop, from /b/shop known"},
		{"shop/99", "error: no loom here/shop/99"},
		{"other/1", "error: no loom here/other/1"},
		{"99", "error: no loom here/99"},
		{"feat/-", "error: no loom here/feat/-"},
	} {
		got := w.resolved(in(w.Path("here", "sub"), tc.typed), Reading)
		// This repository's own loom is looked for from the same place below.
		got = strings.Replace(got, "from /here/sub", "from /here", 1)
		assert.Check(t, got == tc.want, "%s: %s", tc.typed, got)
	}
	assert.Equal(t, w.resolved(in(w.Path("here"), "shop/99"), Making), "shop/99 of /here in /here, from /here", "a new branch")
}

func TestSeveralLoomsInAFolderAreReadByTheOwnerOfItsFilesAndEndedByNameOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.Know(registry.Loom{ID: "1", Repository: repo, Project: "p1", WorkTree: repo}, registry.Loom{ID: "2", Repository: repo, Project: "p2", WorkTree: repo, Dir: repo, Files: true})
	assert.Equal(t, w.resolved(in(repo, ""), Reading), "2 of /shop in /shop, from /shop known")
	assert.Equal(t, w.resolved(in(repo, ""), Making), "2 of /shop in /shop, from /shop known")
	assert.Equal(t, w.resolved(in(repo, ""), Ending), "error: /shop has several looms: 1, 2")
	assert.Equal(t, w.resolved(in(repo, "1"), Ending), "1 of /shop in /shop, from /shop known")

	_, err := w.finder.Resolve(t.Context(), in(repo, ""), Ending)
	var several *SeveralError
	assert.Assert(t, errors.As(err, &several))
	assert.DeepEqual(t, several.IDs, []string{"1", "2"})

	w.Know(registry.Loom{ID: "2", Repository: repo, Project: "p2", WorkTree: repo, Dir: repo})
	assert.Equal(t, w.resolved(in(repo, ""), Reading), "error: /shop has several looms: 1, 2", "nobody owns the files")
}

func TestExportedLoomCountsInItsOwnWorkTreeOnly(t *testing.T) {
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	tree := w.Tree(repo, "issue-3", "three")
	w.Know(registry.Loom{ID: "1", Repository: repo, Project: "p1", WorkTree: repo}, registry.Loom{ID: "2", Repository: repo, Project: "p2", WorkTree: repo, Dir: repo, Files: true})
	w.finder.Process.Environ = append(w.finder.Process.Environ, "ILOOM_LOOM=1")
	assert.Equal(t, w.resolved(in(repo, ""), Reading), "1 of /shop in /shop, from /shop known")
	assert.Equal(t, w.resolved(in(repo, ""), Ending), "1 of /shop in /shop, from /shop known")
	assert.Equal(t, w.resolved(in(repo, "2"), Ending), "2 of /shop in /shop, from /shop known", "a typed id is stronger")
	assert.Equal(t, w.resolved(in(tree, ""), Making), "3 of /shop in /three, from /three", "the shell has moved on")
	w.finder.Process.Environ = append(w.finder.Process.Environ, "ILOOM_LOOM=99")
	assert.Equal(t, w.resolved(in(repo, ""), Reading), "2 of /shop in /shop, from /shop known", "an ended loom's shell")
}

func TestResolveOfABareRepositoryGivesItsWorkTrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	w.Repo("origin")
	w.Git(w.Dir, "clone", "-q", "--bare", "origin", "bare.git")
	w.Git(w.Path("bare.git"), "worktree", "add", "-q", w.Path("trunk"), "main")
	w.Git(w.Path("bare.git"), "worktree", "add", "-q", "-b", "issue-5", w.Path("five"))
	assert.Equal(t, w.resolved(in(w.Path("trunk"), ""), Making), "main of /bare.git in /trunk, from /trunk")
	assert.Equal(t, w.resolved(in(w.Path("five"), ""), Making), "5 of /bare.git in /five, from /five")
	assert.Equal(t, w.resolved(in(w.Path("trunk"), "5"), Making), "5 of /bare.git in /five, from /five")
}

func TestWithoutGitTheProjectFolderIsTheRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	w.Write(worldtest.Shop, "plain", "compose.yaml")
	w.Write("", "plain", "sub", "file")
	dir := w.Path("plain")
	w.Know(registry.Loom{ID: "5", Repository: dir, Project: "p5", WorkTree: dir, Dir: dir})
	assert.Equal(t, w.resolved(in(w.Path("plain", "sub"), ""), Reading), "5 of /plain in /plain, from /plain/sub known")
	assert.Equal(t, w.resolved(in(w.Path("plain", "sub"), "6"), Making), "6 of /plain in /plain, from /plain/sub")
}

func TestBelongsReadsBranchesAndTheFoldersOfLinkedWorkTrees(t *testing.T) {
	t.Parallel()
	finder := &Finder{UserSettings: filepath.Join(t.TempDir(), "settings.json"), Teller: tell.Nowhere()}
	trees := []worktree.Tree{
		{Path: "/src/1", Branch: "trunk", Main: true},
		{Path: "/looms/a", Branch: "feat/issue-7__x"},
		{Path: "/looms/b_pr_8", Branch: "whatever"},
		{Path: "/looms/9", Branch: ""},
		{Path: "/looms/gone", Branch: "issue-10", Prunable: true},
		{Path: "/looms/bare", Branch: "", Bare: true},
		{Path: "/looms/ENG-11-x", Branch: "eng-11"},
		{Path: "/looms/second", Branch: "issue-7"},
	}
	for id, want := range map[string]string{
		"1": "", "trunk": "/src/1", "7": "/looms/a", "pr/8": "/looms/b_pr_8", "8": "", "9": "/looms/9", "10": "", "bare": "", "ENG-11": "/looms/ENG-11-x",
		"whatever": "/looms/b_pr_8", "feat/issue-7__x": "/looms/a", "second": "/looms/second",
	} {
		assert.Check(t, finder.PathOf(trees, id) == want, "%s: %s", id, finder.PathOf(trees, id))
	}
}

func TestALoomThatOnlyTheEngineKnowsIsFoundByItsLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	tree := w.Tree(repo, "issue-5", "five")
	labels := map[string]string{engine.LabelLoom: "5", engine.LabelRepo: repo, engine.LabelWorkTree: tree, engine.LabelOffset: "1005", stack.LabelWorkingDir: tree}
	w.Run(worldtest.Container{Name: "x-web-1", Project: "odd-name", Service: "web", Labels: labels})
	w.Know() // a registry that knows nothing was not lost

	target, err := w.finder.Resolve(t.Context(), in(repo, "5"), Ending)
	assert.NilError(t, err)
	assert.Equal(t, target.Known.Project, "odd-name")
	assert.Equal(t, target.Known.Offset, 1005)
	assert.Equal(t, target.Known.Dir, tree)
	assert.Equal(t, target.Known.Space, worldtest.RemoteSpace)
	assert.Equal(t, target.WorkTree, tree)
	assert.Equal(t, w.resolved(in(repo, "6"), Ending), "error: no loom shop/6")

	// Another loom of the registry has the project: labels are not stronger than promises.
	w.Know(registry.Loom{ID: "50", Repository: repo, Project: "odd-name", WorkTree: repo})
	assert.Equal(t, w.resolved(in(repo, "5"), Ending), "error: no loom shop/5")
}

func TestALostRegistryIsRebuiltFromLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	labels := func(id, offset string) map[string]string {
		return map[string]string{engine.LabelLoom: id, engine.LabelRepo: repo, engine.LabelWorkTree: repo, engine.LabelOffset: offset, stack.LabelWorkingDir: repo}
	}
	w.Write("# >>> docker loom 5\nCOMPOSE_PROJECT_NAME=\"p5\"\n# <<< docker loom\n", "shop", ".env")
	w.Run(
		worldtest.Container{Name: "p5-web-1", Project: "p5", Service: "web", Labels: labels("5", "5")},
		worldtest.Container{Name: "p6-web-1", Project: "p6", Service: "web", Labels: labels("6", "6")},
		worldtest.Container{Name: "shop-web-1", Project: "shop", Service: "web", Labels: labels(identity.Main, "1000")},
		worldtest.Container{Name: "old-web-1", Project: "p5-old", Service: "web", Labels: labels("5", "9")},
		worldtest.Container{Name: "strange", Project: "q", Service: "web", Labels: map[string]string{engine.LabelLoom: "7"}},
	)
	w.Keep("p8_data", "p8", "8", repo)
	targets, err := w.finder.FindAll(t.Context(), in(repo, ""))
	assert.NilError(t, err)
	assert.Equal(t, len(targets), 4)
	state := w.State()
	assert.Assert(t, !state.Fresh)
	for _, tc := range []struct {
		id, project string
		files       bool
		pinned      bool
		workTree    string
	}{{"5", "p5", true, false, repo}, {"6", "p6", false, false, repo}, {identity.Main, "shop", false, true, repo}, {"8", "p8", false, false, ""}} {
		k := state.Find(repo, tc.id)
		assert.Assert(t, k != nil, tc.id)
		assert.Check(t, k.Project == tc.project && k.Files == tc.files && k.Pinned == tc.pinned && k.WorkTree == tc.workTree && k.Space == worldtest.RemoteSpace, "%+v", k)
	}
}

func TestResolveOfAnEngineThatIsAwayNamesTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	w.GoAway()
	_, err := w.finder.Resolve(t.Context(), in(repo, "5"), Ending)
	assert.Assert(t, worldtest.Unreachable(err), "%v", err)
	assert.Assert(t, !worldtest.Unreachable(errors.New("no")))
}

func TestAllMeansTheLoomsOfThisRepositoryOnThisEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	a, b := w.Repo("a"), w.Repo("b")
	w.Know(registry.Loom{ID: "1", Repository: a, Project: "p1", WorkTree: a}, registry.Loom{ID: "2", Repository: a, Project: "p2", WorkTree: a},
		registry.Loom{ID: "3", Repository: b, Project: "p3", WorkTree: b}, registry.Loom{ID: "4", Repository: a, Project: "p4", WorkTree: a, Space: "another engine"})
	names := func(targets []*Target, err error) string {
		assert.NilError(t, err)
		var list []string
		for _, target := range targets {
			list = append(list, target.Name())
		}
		return strings.Join(list, " ")
	}
	here := in(a, "")
	assert.Equal(t, names(w.finder.FindAll(t.Context(), here)), "a/1 a/2")
	assert.Equal(t, names(w.finder.FindEach(t.Context(), here, []string{"1", "#1", "b/3"}, Ending)), "a/1 b/3")
	assert.Equal(t, names(w.finder.Everywhere(t.Context(), here.Source)), "a/1 a/2 b/3")
	assert.Equal(t, names(w.finder.FindAll(t.Context(), in(w.Repo("empty"), ""))), "")
	_, err := w.finder.FindEach(t.Context(), here, []string{"1", "99"}, Ending)
	assert.Error(t, err, "no loom a/99")
}

func TestFromLabelsReadsNoFilesOfAFolderThatIsGone(t *testing.T) {
	t.Parallel()
	k := FromLabels(engine.Loom{ID: "1", Repo: "/src/shop", Project: "p", Containers: []engine.Container{{Labels: map[string]string{stack.LabelWorkingDir: filepath.Join(t.TempDir(), "gone")}}}})
	assert.Assert(t, !k.Files)
}

func TestLabelsKeepALoomWithASandboxClosed(t *testing.T) {
	t.Parallel()
	of := func(service string, labels map[string]string) engine.Container {
		return engine.Container{Service: service, Labels: labels}
	}
	k := FromLabels(engine.Loom{ID: "1", Containers: []engine.Container{of("web", nil), of("loom-agent", map[string]string{sandbox.LabelAgent: "agent"}), of("loom-egress", nil)}})
	assert.Assert(t, k.Sandboxed && k.Confined != nil && k.Confined.Mode == "none")
	k = FromLabels(engine.Loom{ID: "1", Containers: []engine.Container{of("web", nil)}})
	assert.Assert(t, !k.Sandboxed && k.Confined == nil)
}

package worktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// wishFor is what up wants for an issue.
func wishFor(id string) Wish {
	return Wish{ID: id, Default: "feat/issue-" + id, MainBranch: "main", Belongs: func(branch string) bool {
		return regexp.MustCompile(`(?:^|/)(?:issue-)?` + id + `(?:__|-|$)`).MatchString(branch)
	}}
}

func mustPlan(t *testing.T, r *Repository, w Wish) *Addition {
	t.Helper()
	a, err := r.PlanAdd(t.Context(), w)
	assert.NilError(t, err)
	return a
}

// mustAdd makes a work tree and returns its path.
func mustAdd(t *testing.T, r *Repository, w Wish) string {
	t.Helper()
	a := mustPlan(t, r, w)
	assert.NilError(t, r.Add(t.Context(), a))
	assert.NilError(t, r.Finish(t.Context(), a.Path))
	return a.Path
}

// shopRepo is a repository with a file, in a folder called shop.
func shopRepo(t *testing.T) *Repository {
	t.Helper()
	dir := newRepo(t, filepath.Join(tempDir(t), "shop"))
	write(t, filepath.Join(dir, "page"), "page of main\n")
	mustGit(t, dir, "add", ".")
	mustGit(t, dir, "commit", "-q", "-m", "page")
	return find(t, dir)
}

func treeAt(t *testing.T, r *Repository, path string) Tree {
	t.Helper()
	trees, err := r.Trees(t.Context())
	assert.NilError(t, err)
	for _, tree := range trees {
		if tree.Path == path {
			return tree
		}
	}
	t.Fatalf("no work tree %s in %v", path, trees)
	return Tree{}
}

func TestAddMakesABranchAndAWorkTreeBesideTheRepository(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	a := mustPlan(t, r, wishFor("123"))
	path := filepath.Join(filepath.Dir(r.Main), "shop-looms", "feat-issue-123")
	assert.Equal(t, a.Path, path)
	assert.Assert(t, gone(path), "a plan changes nothing")
	assert.Equal(t, mustGit(t, r.Main, "branch", "--list", "feat/*"), "")

	assert.NilError(t, r.Add(t.Context(), a))
	tree := treeAt(t, r, path)
	assert.DeepEqual(t, tree, Tree{Path: path, Branch: "feat/issue-123", Locked: true, Reason: "docker loom makes it for 123 at " + path, For: "123", Unfinished: true})
	assert.NilError(t, r.Finish(t.Context(), path))
	assert.Equal(t, treeAt(t, r, path).Locked, false)
	assert.Equal(t, mustGit(t, path, "status", "--porcelain"), "")
	assert.Equal(t, mustGit(t, path, "rev-parse", "HEAD"), mustGit(t, r.Main, "rev-parse", "main"))
	b, err := os.ReadFile(filepath.Join(path, "page"))
	assert.NilError(t, err)
	assert.Equal(t, string(b), "page of main\n")
	id, err := find(t, path).MadeFor()
	assert.NilError(t, err)
	assert.Equal(t, id, "123")

	// The same wish again finds it.
	again := mustPlan(t, r, wishFor("123"))
	assert.Assert(t, again.There)
	assert.Equal(t, again.Path, path)
}

func TestWorkTreeFoldersFollowThePrefix(t *testing.T) {
	t.Parallel()
	s := func(s string) *string { return &s }
	for _, tc := range []struct {
		main         string
		bare         bool
		prefix       *string
		branch, want string
	}{
		{"/src/shop", false, nil, "feat/issue-1", "/src/shop-looms/feat-issue-1"},
		{"/src/shop", false, s(""), "feat/x", "/src/feat-x"},
		{"/src/shop", false, s("wt"), "x", "/src/wt-x"},
		{"/src/shop", false, s("wt_"), "x", "/src/wt_x"},
		{"/src/shop", false, s("trees/"), "a/b/c", "/src/trees/a-b-c"},
		{"/src/shop", false, s("trees/t"), "x", "/src/trees/t-x"},
		{"/src/shop", false, s("shop/.looms/"), "x", "/src/shop/.looms/x"},
		{"/src/shop", false, s("/var/trees/"), "x", "/var/trees/x"},
		{"/src/shop.git", true, nil, "x", "/src/shop-looms/x"},
		{"/src/shop/.bare", true, nil, "x", "/src/shop-looms/x"},
		{"/src/shop/.git", true, nil, "x", "/src/shop-looms/x"},
		{"/src/shop", false, nil, `odd:"name*`, "/src/shop-looms/odd--name-"},
	} {
		if runtime.GOOS == "windows" && tc.prefix != nil && strings.HasPrefix(*tc.prefix, "/") {
			continue
		}
		r := &Repository{Main: filepath.FromSlash(tc.main), Bare: tc.bare}
		assert.Equal(t, r.Folder(tc.prefix, tc.branch), filepath.FromSlash(tc.want))
	}
}

func TestAddUsesTheBranchesThereAre(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	origin := filepath.Join(filepath.Dir(r.Main), "origin.git")
	mustGit(t, r.Main, "clone", "-q", "--bare", r.Main, origin)
	mustGit(t, r.Main, "remote", "add", "origin", origin)
	mustGit(t, r.Main, "commit", "-q", "--allow-empty", "-m", "theirs")
	mustGit(t, r.Main, "push", "-q", "origin", "HEAD:feat/theirs", "HEAD:feat/issue-7")
	mustGit(t, r.Main, "fetch", "-q")
	mustGit(t, r.Main, "reset", "-q", "--hard", "HEAD^")
	mustGit(t, r.Main, "branch", "mine")
	mustGit(t, r.Main, "branch", "feat/issue-8__login")
	mustGit(t, r.Main, "tag", "v1")
	for name, tc := range map[string]struct {
		wish         Wish
		branch, from string
		isNew        bool
		upstream     string
	}{
		"new":                       {wishFor("1"), "feat/issue-1", "main", true, ""},
		"named and new":             {Wish{ID: "2", Branch: "fix/x", MainBranch: "main"}, "fix/x", "main", true, ""},
		"named, from a tag":         {Wish{ID: "2", Branch: "fix/x", From: "v1", MainBranch: "main"}, "fix/x", "v1", true, ""},
		"from a remote's branch":    {Wish{ID: "2", Branch: "fix/x", From: "feat/theirs", MainBranch: "main"}, "fix/x", "feat/theirs", true, ""},
		"a local one":               {Wish{ID: "3", Branch: "mine", MainBranch: "main"}, "mine", "", false, ""},
		"a local one, from its tip": {Wish{ID: "3", Branch: "mine", From: "v1", MainBranch: "main"}, "mine", "", false, ""},
		"a remote one":              {Wish{ID: "4", Branch: "feat/theirs", MainBranch: "main"}, "feat/theirs", "origin/feat/theirs", true, "origin/feat/theirs"},
		"a remote one by the id":    {wishFor("7"), "feat/issue-7", "origin/feat/issue-7", true, "origin/feat/issue-7"},
		"a local one by the id":     {wishFor("8"), "feat/issue-8__login", "", false, ""},
		"without the main branch":   {Wish{ID: "9", Branch: "y", MainBranch: "trunk"}, "y", "HEAD", true, ""},
	} {
		a, err := r.PlanAdd(t.Context(), tc.wish)
		assert.NilError(t, err, name)
		assert.Equal(t, fmt.Sprint(a.Branch, a.From, a.New, a.Upstream), fmt.Sprint(tc.branch, tc.from, tc.isNew, tc.upstream), name)
	}

	path := mustAdd(t, r, wishFor("7"))
	assert.Equal(t, mustGit(t, path, "rev-parse", "--abbrev-ref", "feat/issue-7@{upstream}"), "origin/feat/issue-7\n")
	assert.Equal(t, mustGit(t, path, "rev-parse", "HEAD"), mustGit(t, r.Main, "rev-parse", "origin/feat/issue-7"))
	path = mustAdd(t, r, Wish{ID: "3", Branch: "mine", MainBranch: "main"})
	assert.Equal(t, find(t, path).Branch, "mine")
}

func TestAddFetchesAPullRequest(t *testing.T) {
	t.Parallel()
	for name, ref := range map[string]string{"pull": "refs/pull/45/head", "merge request": "refs/merge-requests/45/head"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := shopRepo(t)
			origin := filepath.Join(filepath.Dir(r.Main), "origin.git")
			mustGit(t, r.Main, "clone", "-q", "--bare", r.Main, origin)
			mustGit(t, r.Main, "remote", "add", "origin", origin)
			mustGit(t, r.Main, "commit", "-q", "--allow-empty", "-m", "of a stranger")
			head := mustGit(t, r.Main, "rev-parse", "HEAD")
			mustGit(t, r.Main, "push", "-q", "origin", "HEAD:"+ref)
			mustGit(t, r.Main, "reset", "-q", "--hard", "HEAD^")

			wish := Wish{ID: "pr/45", Default: "pr/45", MainBranch: "main", PullRequest: 45}
			planned, err := r.PlanAdd(t.Context(), wish)
			assert.NilError(t, err)
			wish.NoNetwork = true
			_, err = r.PlanAdd(t.Context(), wish)
			var not *NotFetchedError
			assert.Assert(t, errors.As(err, &not), "%v", err)
			wish.Fetched, err = r.FetchHead(t.Context(), planned)
			assert.NilError(t, err)
			path := mustAdd(t, r, wish)
			assert.Equal(t, path, filepath.Join(filepath.Dir(r.Main), "shop-looms", "shop_pr_45"))
			assert.Equal(t, find(t, path).Branch, "pr/45")
			assert.Equal(t, mustGit(t, path, "rev-parse", "HEAD"), head)
			assert.Assert(t, gone(filepath.Join(r.CommonDir, "FETCH_HEAD")))
			// What the remote has is not work that could be lost.
			risks, err := find(t, path).Risks(t.Context(), Keep{MainBranch: "main"})
			assert.NilError(t, err)
			assert.Equal(t, len(risks), 0, "%v", risks)

			wish = Wish{ID: "pr/46", Default: "pr/46", MainBranch: "main", PullRequest: 46}
			_, err = r.PlanAdd(t.Context(), wish)
			assert.Error(t, err, "remote origin has no pull request 46 (no refs/pull/46/head)")
		})
	}
	r := shopRepo(t)
	_, err := r.PlanAdd(t.Context(), Wish{ID: "pr/1", Default: "pr/1", MainBranch: "main", PullRequest: 1})
	assert.Error(t, err, "pull request 1: the repository has no remote to fetch it from")
}

func TestAddRefusesWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	mustGit(t, r.Main, "branch", "other")
	mustGit(t, r.Main, "commit", "-q", "--allow-empty", "-m", "more")
	looms := filepath.Join(filepath.Dir(r.Main), "shop-looms")
	write(t, filepath.Join(looms, "feat-full", "file"), "")
	assert.NilError(t, os.MkdirAll(filepath.Join(looms, "feat-empty"), 0o755))
	mustGit(t, r.Main, "worktree", "add", "-q", "-b", "elsewhere", filepath.Join(looms, "feat-tree"))
	mustGit(t, r.Main, "worktree", "add", "-q", "-b", "away", filepath.Join(looms, "away"))
	mustGit(t, r.Main, "worktree", "lock", "--reason", "on a disk", filepath.Join(looms, "away"))
	assert.NilError(t, os.RemoveAll(filepath.Join(looms, "away")))
	for _, tc := range []struct{ branch, from, want string }{
		{"main", "", "branch main is checked out in " + r.Main},
		{"feat/full", "", filepath.Join(looms, "feat-full") + " is there already, and is not a work tree for it"},
		{"feat/tree", "", filepath.Join(looms, "feat-tree") + " is there already, and is not a work tree for it"},
		{"other", "main", "branch other is there already, and is not at main"},
		{"x", "nothing", "nothing is not a commit, branch or tag of " + r.Main},
		{"a..b", "", `"a..b" is not a valid branch name`},
		{"-x", "", `"-x" is not a valid branch name`},
		{"away", "", "the work tree " + filepath.Join(looms, "away") + " is away and locked (on a disk): git worktree unlock " + filepath.Join(looms, "away") + " ends that"},
	} {
		_, err := r.PlanAdd(t.Context(), Wish{ID: "1", Branch: tc.branch, From: tc.from, MainBranch: "main"})
		assert.Error(t, err, tc.want)
	}
	a := mustPlan(t, r, Wish{ID: "1", Branch: "feat/empty", MainBranch: "main"})
	assert.NilError(t, r.Add(t.Context(), a))
	_, err := find(t, newRepo(t, tempDir(t))).PlanAdd(t.Context(), Wish{ID: "1", Branch: "x", Path: filepath.Join(looms, "feat-full"), MainBranch: "main"})
	var taken *FolderTakenError
	assert.Assert(t, errors.As(err, &taken))
}

func TestAddWithoutACommitSaysSo(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	mustGit(t, dir, "init", "-q")
	_, err := find(t, dir).PlanAdd(t.Context(), wishFor("1"))
	assert.Error(t, err, dir+" has no commit that a branch could begin at")
}

func TestAddTakesThePlaceOfAWorkTreeThatIsGone(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	path := mustAdd(t, r, wishFor("1"))
	assert.NilError(t, os.RemoveAll(path))
	assert.Equal(t, mustAdd(t, r, wishFor("1")), path)
	assert.Equal(t, mustGit(t, path, "status", "--porcelain"), "")
}

func TestNestedWorkTreesAreIgnoredByGit(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	prefix := "shop/.looms/"
	wish := wishFor("1")
	wish.Prefix = &prefix
	path := mustAdd(t, r, wish)
	assert.Equal(t, path, filepath.Join(r.Main, ".looms", "feat-issue-1"))
	assert.Equal(t, mustGit(t, r.Main, "status", "--porcelain", "-uall"), "")
	inside := wishFor("2")
	inside.Path = filepath.Join(path, "deeper", "two")
	two := mustAdd(t, find(t, path), inside)
	assert.Equal(t, mustGit(t, path, "status", "--porcelain", "-uall"), "")
	risks, err := find(t, path).Risks(t.Context(), Keep{MainBranch: "main"})
	assert.NilError(t, err)
	assert.DeepEqual(t, risks, []string{"the work tree " + two + " is inside it"})

	assert.NilError(t, r.Remove(t.Context(), two))
	assert.NilError(t, r.Remove(t.Context(), path))
	assert.Assert(t, !strings.Contains(content(t, r), "docker loom"), content(t, r))
}

func TestWorkTreesOfABareRepository(t *testing.T) {
	t.Parallel()
	shop := shopRepo(t)
	dir := tempDir(t)
	mustGit(t, dir, "clone", "-q", "--bare", shop.Main, filepath.Join(dir, "shop.git"))
	r := find(t, filepath.Join(dir, "shop.git"))
	path := mustAdd(t, r, wishFor("1"))
	assert.Equal(t, path, filepath.Join(dir, "shop-looms", "feat-issue-1"))
	// And from there the next.
	two := mustAdd(t, find(t, path), wishFor("2"))
	assert.Equal(t, two, filepath.Join(dir, "shop-looms", "feat-issue-2"))
	assert.NilError(t, r.Remove(t.Context(), path))
	assert.NilError(t, r.Remove(t.Context(), two))
	assert.Assert(t, gone(filepath.Join(dir, "shop-looms")))
}

func TestRelativeLinksAreRead(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	// Only a git that knows them keeps the option; an older one reads such a link all the same.
	mustGit(t, r.Main, "config", "worktree.useRelativePaths", "true")
	path := mustAdd(t, r, wishFor("1"))
	admin := find(t, path).GitDir
	rel, err := filepath.Rel(path, admin)
	assert.NilError(t, err)
	write(t, filepath.Join(path, ".git"), "gitdir: "+filepath.ToSlash(rel)+"\n")
	at := find(t, path)
	assert.NilError(t, Verify(at))
	assert.Equal(t, treeAt(t, r, path).For, "1")
	write(t, filepath.Join(path, "new"), "")
	risks, err := at.Risks(t.Context(), Keep{MainBranch: "main"})
	assert.NilError(t, err)
	assert.DeepEqual(t, risks, []string{"1 file that git does not track: new"})
	assert.NilError(t, r.Remove(t.Context(), path))
	assert.Assert(t, gone(admin))
}

func TestAddRunsNoHook(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the hook is a shell script")
	}
	r := shopRepo(t)
	ran := filepath.Join(filepath.Dir(r.Main), "ran")
	for _, hook := range []string{"post-checkout", "reference-transaction", "post-index-change"} {
		name := filepath.Join(r.CommonDir, "hooks", hook)
		write(t, name, "#!/bin/sh\ntouch '"+ran+"'\n")
		assert.NilError(t, os.Chmod(name, 0o755))
	}
	path := mustAdd(t, r, wishFor("1"))
	_, err := find(t, path).Risks(t.Context(), Keep{MainBranch: "main"})
	assert.NilError(t, err)
	assert.NilError(t, r.Remove(t.Context(), path))
	assert.Assert(t, gone(ran))
}

func TestAddChecksOutThroughFilters(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the filter is a shell command")
	}
	r := shopRepo(t)
	// As Git LFS does it: what is stored is a pointer, what is checked out the content.
	mustGit(t, r.Main, "config", "filter.big.clean", "sed s/content/pointer/")
	mustGit(t, r.Main, "config", "filter.big.smudge", "sed s/pointer/content/")
	write(t, filepath.Join(r.Main, ".gitattributes"), "*.big filter=big\n")
	write(t, filepath.Join(r.Main, "a.big"), "content\n")
	mustGit(t, r.Main, "add", ".")
	mustGit(t, r.Main, "commit", "-q", "-m", "big")
	path := mustAdd(t, r, wishFor("1"))
	b, err := os.ReadFile(filepath.Join(path, "a.big"))
	assert.NilError(t, err)
	assert.Equal(t, string(b), "content\n")
	assert.Equal(t, mustGit(t, path, "status", "--porcelain"), "")
}

func TestFailedAddLeavesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the filter is a shell command")
	}
	r := shopRepo(t)
	mustGit(t, r.Main, "config", "filter.broken.smudge", "false")
	mustGit(t, r.Main, "config", "filter.broken.required", "true")
	write(t, filepath.Join(r.CommonDir, "info", "attributes"), "page filter=broken\n")
	before := mustGit(t, r.Main, "for-each-ref")
	a := mustPlan(t, r, wishFor("1"))
	err := r.Add(t.Context(), a)
	assert.ErrorContains(t, err, "smudge filter broken failed")
	assert.Assert(t, gone(a.Path))
	assert.Equal(t, mustGit(t, r.Main, "for-each-ref"), before)
	trees, err := r.Trees(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, len(trees), 1)
	assert.Equal(t, len(adminFolders{r.CommonDir}.list()), 0)
}

// TestResumeAfterACrash goes through what an Add that was killed can leave.
func TestResumeAfterACrash(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		left   func(t *testing.T, r *Repository, path string)
		resume bool
	}{
		"a lock of its branch": {func(t *testing.T, r *Repository, _ string) {
			lock := filepath.Join(r.CommonDir, "refs", "heads", "feat", "issue-1.lock")
			write(t, lock, "")
			old := time.Now().Add(-time.Hour)
			assert.NilError(t, os.Chtimes(lock, old, old))
		}, false},
		"an empty entry": {func(t *testing.T, r *Repository, _ string) {
			write(t, filepath.Join(r.CommonDir, "worktrees", "feat-issue-1", "locked"), "")
		}, false},
		"nothing":  {func(*testing.T, *Repository, string) {}, false},
		"a branch": {func(t *testing.T, r *Repository, _ string) { mustGit(t, r.Main, "branch", "feat/issue-1") }, false},
		"a half made entry": {func(t *testing.T, r *Repository, path string) {
			assert.NilError(t, os.MkdirAll(path, 0o755))
			write(t, filepath.Join(r.CommonDir, "worktrees", "feat-issue-1", "locked"), reason("1", path)+"\n")
		}, false},
		"an entry without HEAD": {func(t *testing.T, r *Repository, path string) {
			admin := filepath.Join(r.CommonDir, "worktrees", "feat-issue-1")
			write(t, filepath.Join(admin, "locked"), reason("1", path)+"\n")
			write(t, filepath.Join(admin, "gitdir"), filepath.Join(path, ".git")+"\n")
			assert.NilError(t, os.MkdirAll(path, 0o755))
		}, false},
		"an entry that stops git from listing any": {func(t *testing.T, r *Repository, path string) {
			admin := filepath.Join(r.CommonDir, "worktrees", "feat-issue-1")
			write(t, filepath.Join(admin, "locked"), reason("1", path)+"\n")
			write(t, filepath.Join(admin, "gitdir"), filepath.Join(path, ".git")+"\n")
			write(t, filepath.Join(admin, "HEAD"), strings.Repeat("0", 40)+"\n")
			write(t, filepath.Join(admin, "commondir"), "")
			write(t, filepath.Join(path, ".git"), "gitdir: "+admin+"\n")
			_, err := git.Run(t.Context(), r.Main, "worktree", "list")
			assert.Assert(t, inTheWay(err), "%v", err)
			_, err = r.Trees(t.Context())
			assert.NilError(t, err)
		}, false},
		"no files": {func(t *testing.T, r *Repository, path string) {
			mustGit(t, r.Main, "worktree", "add", "-q", "--no-checkout", "--lock", "--reason", reason("1", path), "-b", "feat/issue-1", path)
		}, false},
		"some files": {func(t *testing.T, r *Repository, path string) {
			mustGit(t, r.Main, "worktree", "add", "-q", "--no-checkout", "--lock", "--reason", reason("1", path), "-b", "feat/issue-1", path)
			write(t, filepath.Join(path, "page"), "pag")
			write(t, filepath.Join(find(t, path).GitDir, "index.lock"), "")
		}, false},
		"no folder": {func(t *testing.T, r *Repository, path string) {
			mustGit(t, r.Main, "worktree", "add", "-q", "--lock", "--reason", reason("1", path), "-b", "feat/issue-1", path)
			assert.NilError(t, os.RemoveAll(path))
		}, false},
		"all files": {func(t *testing.T, r *Repository, path string) {
			mustGit(t, r.Main, "worktree", "add", "-q", "--lock", "--reason", reason("1", path), "-b", "feat/issue-1", path)
			write(t, filepath.Join(path, "mine"), "")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := shopRepo(t)
			path := mustPlan(t, r, wishFor("1")).Path
			other := mustAdd(t, r, wishFor("2"))
			tc.left(t, r, path)
			at, err := r.Resume(t.Context(), "1")
			assert.NilError(t, err)
			if tc.resume {
				assert.Equal(t, at, path)
				assert.NilError(t, r.Finish(t.Context(), at))
				assert.Assert(t, !gone(filepath.Join(path, "mine")), "what is there is kept")
			} else {
				assert.Equal(t, at, "")
				assert.Equal(t, mustAdd(t, r, wishFor("1")), path)
				assert.Equal(t, mustGit(t, path, "status", "--porcelain"), "")
			}
			assert.DeepEqual(t, treeAt(t, r, path), Tree{Path: path, Branch: "feat/issue-1", For: "1"})
			assert.Equal(t, filepath.Base(find(t, path).GitDir), "feat-issue-1")
			assert.DeepEqual(t, treeAt(t, r, other), Tree{Path: other, Branch: "feat/issue-2", For: "2"})
		})
	}
}

// adder is this program as a process that adds a work tree.
const adder = "DOCKER_LOOM_TEST_ADD"

func init() {
	id, dir, ok := strings.Cut(os.Getenv(adder), " ")
	if !ok {
		return
	}
	r, err := Find(context.Background(), dir)
	if err == nil {
		var a *Addition
		w := Wish{ID: id, Branch: "feat/issue-" + id, MainBranch: "main"}
		if a, err = r.PlanAdd(context.Background(), w); err == nil {
			if err = r.Add(context.Background(), a); err == nil {
				err = r.Finish(context.Background(), a.Path)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func TestManyProcessesAddAtOnce(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	origin := filepath.Join(filepath.Dir(r.Main), "origin.git")
	mustGit(t, r.Main, "clone", "-q", "--bare", r.Main, origin)
	mustGit(t, r.Main, "remote", "add", "origin", origin)
	const many = 12
	for i := range many {
		if i%2 == 0 {
			// To follow a remote's branch, git writes its configuration, which it locks and does not wait for.
			mustGit(t, r.Main, "push", "-q", "origin", fmt.Sprintf("main:feat/issue-%d", i))
		}
	}
	mustGit(t, r.Main, "fetch", "-q")
	self, err := os.Executable()
	assert.NilError(t, err)
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", adder, i, r.Main))
			if out, err := cmd.CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("%w: %s", err, out)
			}
		})
	}
	all.Wait()
	assert.NilError(t, errors.Join(errs...))
	trees, err := r.Trees(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, len(trees), many+1)
	for _, tree := range trees[1:] {
		assert.Equal(t, "feat/issue-"+tree.For, tree.Branch)
		assert.Assert(t, !tree.Locked)
		assert.Equal(t, mustGit(t, tree.Path, "status", "--porcelain"), "")
	}
}

// The folder of git's for all work trees goes with the last one, perhaps while another is being added.
func TestWorkTreesComeAndGoBesideOneAnother(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for range 8 {
				a, err := r.PlanAdd(t.Context(), wishFor(fmt.Sprint(i)))
				if err == nil {
					err = r.Add(t.Context(), a)
				}
				if err == nil {
					err = r.Finish(t.Context(), a.Path)
				}
				if err == nil {
					err = r.RemoveWithBranch(t.Context(), a.Path)
				}
				if errs[i] = err; err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	assert.NilError(t, errors.Join(errs...))
	trees, err := r.Trees(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, len(trees), 1)
}

func TestAddWaitsForGitsLocks(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	origin := filepath.Join(filepath.Dir(r.Main), "origin.git")
	mustGit(t, r.Main, "clone", "-q", "--bare", r.Main, origin)
	mustGit(t, r.Main, "remote", "add", "origin", origin)
	mustGit(t, r.Main, "push", "-q", "origin", "main:feat/issue-1")
	mustGit(t, r.Main, "fetch", "-q")
	lock := filepath.Join(r.CommonDir, "config.lock")
	write(t, lock, "")
	_, err := git.Run(t.Context(), r.Main, "config", "x.y", "z")
	assert.Assert(t, inTheWay(err), "%v", err)

	a := mustPlan(t, r, wishFor("1"))
	done := make(chan error, 1)
	go func() { done <- r.Add(t.Context(), a) }()
	for _, err := git.Run(t.Context(), r.Main, "rev-parse", "--verify", "--quiet", "feat/issue-1"); err != nil; {
		_, err = git.Run(t.Context(), r.Main, "rev-parse", "--verify", "--quiet", "feat/issue-1")
	}
	select {
	case err := <-done:
		t.Fatal("it did not wait:", err)
	default:
	}
	assert.NilError(t, os.Remove(lock))
	assert.NilError(t, <-done)
}

package worktree

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// keepMain is what most repositories keep.
var keepMain = Keep{MainBranch: "main", Protected: []string{"main", "develop"}}

func risksOf(t *testing.T, path string, keep Keep) []string {
	t.Helper()
	risks, err := find(t, path).Risks(t.Context(), keep)
	assert.NilError(t, err)
	return risks
}

func commit(t *testing.T, dir, name string) {
	t.Helper()
	write(t, filepath.Join(dir, name), name+"\n")
	mustGit(t, dir, "add", name)
	mustGit(t, dir, "commit", "-q", "-m", name)
}

// withOrigin gives a repository a remote that has its main branch.
func withOrigin(t *testing.T) *Repository {
	t.Helper()
	r := shopRepo(t)
	origin := filepath.Join(filepath.Dir(r.Main), "origin.git")
	mustGit(t, r.Main, "clone", "-q", "--bare", r.Main, origin)
	mustGit(t, r.Main, "remote", "add", "origin", origin)
	mustGit(t, r.Main, "fetch", "-q")
	return r
}

func TestRisksNameWhatWouldBeLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(t *testing.T, r *Repository, path string)
		want   string
	}{
		"nothing": {func(*testing.T, *Repository, string) {}, ""},
		"a change that skip-worktree hides": {func(t *testing.T, _ *Repository, path string) {
			write(t, filepath.Join(path, "page"), "x")
			mustGit(t, path, "update-index", "--skip-worktree", "page")
		}, "1 file with changes that git status does not show (skip-worktree or assume-unchanged): page"},
		"a change that assume-unchanged hides": {func(t *testing.T, _ *Repository, path string) {
			write(t, filepath.Join(path, "page"), "x")
			mustGit(t, path, "update-index", "--assume-unchanged", "page")
		}, "1 file with changes that git status does not show (skip-worktree or assume-unchanged): page"},
		"a hidden file that became a folder": {func(t *testing.T, _ *Repository, path string) {
			mustGit(t, path, "update-index", "--skip-worktree", "page")
			assert.NilError(t, os.Remove(filepath.Join(path, "page")))
			write(t, filepath.Join(path, "page", "work"), "x")
		}, "1 file that git does not track: page/work; 1 file with changes that git status does not show (skip-worktree or assume-unchanged): page"},
		"hidden files without a change": {func(t *testing.T, _ *Repository, path string) {
			mustGit(t, path, "update-index", "--skip-worktree", "page")
		}, ""},
		"a sparse checkout": {func(t *testing.T, _ *Repository, path string) {
			mustGit(t, path, "update-index", "--skip-worktree", "page")
			assert.NilError(t, os.Remove(filepath.Join(path, "page")))
		}, ""},
		"a change": {func(t *testing.T, _ *Repository, path string) { write(t, filepath.Join(path, "page"), "x") }, "1 file with uncommitted changes: page"},
		"a staged one": {func(t *testing.T, _ *Repository, path string) {
			write(t, filepath.Join(path, "n"), "")
			mustGit(t, path, "add", "n")
		}, "1 file with uncommitted changes: n"},
		"a removed file": {func(t *testing.T, _ *Repository, path string) {
			assert.NilError(t, os.Remove(filepath.Join(path, "page")))
		}, "1 file with uncommitted changes: page"},
		"untracked files": {func(t *testing.T, _ *Repository, path string) {
			for _, name := range []string{"a", "b", "c/d", "e"} {
				write(t, filepath.Join(path, name), "")
			}
		}, "4 files that git does not track: a, b, c/d, …"},
		"a commit": {func(t *testing.T, _ *Repository, path string) { commit(t, path, "x") }, "branch feat/issue-1 has 1 commit that no remote has and that is not in main"},
		"commits beyond what was pushed": {func(t *testing.T, _ *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, path, "push", "-q", "origin", "HEAD")
			commit(t, path, "y")
			commit(t, path, "z")
		}, "branch feat/issue-1 has 2 commits that origin/feat/issue-1 has not"},
		"a pushed commit": {func(t *testing.T, _ *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, path, "push", "-q", "origin", "HEAD")
		}, ""},
		"a merged commit": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, r.Main, "merge", "-q", "--no-ff", "feat/issue-1")
		}, ""},
		"a commit merged by squash": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			commit(t, path, "y")
			mustGit(t, r.Main, "merge", "-q", "--squash", "feat/issue-1")
			mustGit(t, r.Main, "commit", "-q", "-m", "squashed")
			commit(t, r.Main, "later")
		}, ""},
		"a half merged branch": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, r.Main, "merge", "-q", "--squash", "feat/issue-1")
			mustGit(t, r.Main, "commit", "-q", "-m", "squashed")
			commit(t, path, "y")
		}, "branch feat/issue-1 has 2 commits that no remote has and that are not in main"},
		"a branch that conflicts with main": {func(t *testing.T, r *Repository, path string) {
			write(t, filepath.Join(path, "page"), "mine\n")
			mustGit(t, path, "commit", "-q", "-am", "mine")
			write(t, filepath.Join(r.Main, "page"), "theirs\n")
			mustGit(t, r.Main, "commit", "-q", "-am", "theirs")
		}, "branch feat/issue-1 has 1 commit that no remote has and that is not in main"},
		"no branch": {func(t *testing.T, _ *Repository, path string) {
			mustGit(t, path, "checkout", "-q", "--detach")
			commit(t, path, "x")
		}, "1 commit that no branch has"},
		"a rebase": {func(t *testing.T, r *Repository, path string) {
			write(t, filepath.Join(find(t, path).GitDir, "rebase-merge", "x"), "")
			write(t, filepath.Join(find(t, path).GitDir, "MERGE_HEAD"), strings.TrimSpace(mustGit(t, path, "rev-parse", "HEAD"))+"\n")
		}, "a merge is not finished; a rebase is not finished"},
		"a protected branch": {func(t *testing.T, _ *Repository, path string) { mustGit(t, path, "checkout", "-q", "-b", "develop") }, "branch develop is protected"},
		"a lock": {func(t *testing.T, r *Repository, path string) {
			mustGit(t, r.Main, "worktree", "lock", "--reason", "mine", path)
		}, "it is locked by git worktree lock: mine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withOrigin(t)
			path := mustAdd(t, r, wishFor("1"))
			tc.change(t, r, path)
			before := mustGit(t, r.Main, "for-each-ref")
			assert.Equal(t, strings.Join(risksOf(t, path, keepMain), "; "), tc.want)
			assert.Equal(t, mustGit(t, r.Main, "for-each-ref"), before)
		})
	}
	r := shopRepo(t)
	assert.DeepEqual(t, risksOf(t, r.Main, keepMain), []string{r.Main + " is the main work tree"})
}

func TestRisksOfSubmodules(t *testing.T) {
	t.Parallel()
	lib := shopRepo(t)
	r := shopRepo(t)
	mustGit(t, r.Main, "submodule", "add", "-q", lib.Main, "lib")
	mustGit(t, r.Main, "commit", "-q", "-m", "lib")
	path := mustAdd(t, r, wishFor("1"))
	sub := filepath.Join(path, "lib")
	assert.Equal(t, len(risksOf(t, path, keepMain)), 0, "an empty one has nothing to lose")

	mustGit(t, path, "submodule", "update", "-q", "--init")
	assert.Equal(t, len(risksOf(t, path, keepMain)), 0)
	write(t, filepath.Join(sub, "new"), "")
	assert.DeepEqual(t, risksOf(t, path, keepMain), []string{"submodule lib: 1 file that git does not track: new"})
	mustGit(t, sub, "add", "new")
	mustGit(t, sub, "commit", "-q", "-m", "new")
	risks := risksOf(t, path, keepMain)
	assert.DeepEqual(t, risks, []string{"1 file with uncommitted changes: lib", "submodule lib: 1 commit that no remote has"})

	assert.NilError(t, r.RemoveWithBranch(t.Context(), path))
	assert.Assert(t, gone(path))
}

func TestRisksRunNothingOfTheWorkTrees(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	lib, r := shopRepo(t), shopRepo(t)
	mustGit(t, r.Main, "submodule", "add", "-q", lib.Main, "lib")
	mustGit(t, r.Main, "commit", "-q", "-m", "lib")
	path := mustAdd(t, r, wishFor("1"))
	mustGit(t, path, "submodule", "update", "-q", "--init")
	// One who may write the work tree puts a repository of its own where the submodule's was.
	sub, ran := filepath.Join(path, "lib"), filepath.Join(filepath.Dir(r.Main), "ran")
	assert.NilError(t, os.RemoveAll(sub))
	mustGit(t, path, "clone", "-q", lib.Main, sub)
	mustGit(t, sub, "config", "filter.evil.clean", "touch '"+ran+"'; cat")
	write(t, filepath.Join(sub, ".git", "info", "attributes"), "* filter=evil\n")
	write(t, filepath.Join(sub, "page"), "changed\n")
	assert.DeepEqual(t, risksOf(t, path, keepMain), []string{"submodule lib: it is not a submodule that git made, and was not looked at"})
	assert.Assert(t, gone(ran))
	// And with a file that leads to it.
	assert.NilError(t, os.Rename(filepath.Join(sub, ".git"), filepath.Join(path, "evil")))
	write(t, filepath.Join(sub, ".git"), "gitdir: "+filepath.Join(path, "evil")+"\n")
	risks := strings.Join(risksOf(t, path, keepMain), "; ")
	assert.Assert(t, strings.Contains(risks, "submodule lib: .git leads to "+filepath.Join(path, "evil")+", and it was not looked at"), risks)
	assert.Assert(t, gone(ran))
}

func TestMergedIsWhatHadWorkOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(t *testing.T, r *Repository, path string)
		want   bool
	}{
		"a new branch":             {func(*testing.T, *Repository, string) {}, false},
		"a new branch behind main": {func(t *testing.T, r *Repository, _ string) { commit(t, r.Main, "x") }, false},
		"unmerged":                 {func(t *testing.T, _ *Repository, path string) { commit(t, path, "x") }, false},
		"merged": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, r.Main, "merge", "-q", "feat/issue-1")
		}, true},
		"merged, and main has more": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, r.Main, "merge", "-q", "feat/issue-1")
			commit(t, r.Main, "y")
		}, true},
		"merged by squash": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, r.Main, "merge", "-q", "--squash", "feat/issue-1")
			mustGit(t, r.Main, "commit", "-q", "-m", "s")
		}, true},
		"merged at the remote, not yet here": {func(t *testing.T, r *Repository, path string) {
			commit(t, path, "x")
			mustGit(t, path, "push", "-q", "origin", "HEAD:main")
			mustGit(t, r.Main, "fetch", "-q")
		}, true},
		"its remote branch is gone": {func(t *testing.T, r *Repository, path string) {
			mustGit(t, path, "push", "-q", "-u", "origin", "HEAD")
			mustGit(t, path, "push", "-q", "origin", ":feat/issue-1")
			mustGit(t, r.Main, "fetch", "-q", "--prune")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withOrigin(t)
			path := mustAdd(t, r, wishFor("1"))
			tc.change(t, r, path)
			merged, err := r.Merged(t.Context(), "feat/issue-1", "main")
			assert.NilError(t, err)
			assert.Equal(t, merged, tc.want)
		})
	}
}

func TestRemoveFinishesWhatWasInterrupted(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]func(t *testing.T, r *Repository, path string){
		"nothing yet": func(*testing.T, *Repository, string) {},
		"renamed":     func(t *testing.T, _ *Repository, path string) { assert.NilError(t, os.Rename(path, removed(path))) },
		"without its branch": func(t *testing.T, r *Repository, path string) {
			assert.NilError(t, os.Rename(path, removed(path)))
			mustGit(t, r.Main, "update-ref", "-d", "refs/heads/feat/issue-1")
		},
		"half forgotten": func(t *testing.T, r *Repository, path string) {
			assert.NilError(t, os.Rename(path, removed(path)))
			mustGit(t, r.Main, "update-ref", "-d", "refs/heads/feat/issue-1")
			mustGit(t, r.Main, "config", "--remove-section", "branch.feat/issue-1")
			assert.NilError(t, os.Rename(filepath.Join(r.CommonDir, "worktrees", filepath.Base(path)), filepath.Join(r.CommonDir, forgotten+filepath.Base(path))))
		},
		"forgotten by git": func(t *testing.T, r *Repository, path string) {
			assert.NilError(t, os.Rename(path, removed(path)))
			mustGit(t, r.Main, "worktree", "remove", "--force", path)
			mustGit(t, r.Main, "branch", "-D", "feat/issue-1")
		},
		"beside an older one": func(t *testing.T, _ *Repository, path string) { write(t, filepath.Join(removed(path), "x"), "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withOrigin(t)
			path := mustAdd(t, r, wishFor("1"))
			mustGit(t, path, "push", "-q", "-u", "origin", "HEAD")
			left(t, r, path)
			assert.Equal(t, Leftover(path), name != "nothing yet")
			assert.NilError(t, r.RemoveWithBranch(t.Context(), path))
			assert.Assert(t, gone(path) && !Leftover(path))
			assert.Assert(t, gone(filepath.Join(filepath.Dir(r.Main), "shop-looms")))
			assert.Equal(t, mustGit(t, r.Main, "branch", "--list", "feat/*"), "")
			trees, err := r.Trees(t.Context())
			assert.NilError(t, err)
			assert.Equal(t, len(trees), 1)
			left, err := filepath.Glob(filepath.Join(r.CommonDir, forgotten+"*"))
			assert.NilError(t, err)
			assert.Equal(t, len(left), 0)
			if name != "forgotten by git" {
				assert.Assert(t, !strings.Contains(mustGit(t, r.Main, "config", "--list", "--local"), "branch.feat"))
			}
		})
	}
	r := shopRepo(t)
	assert.Error(t, r.Remove(t.Context(), r.Main), r.Main+" is the main work tree")
	assert.Assert(t, !gone(r.Main))
}

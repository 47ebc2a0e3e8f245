package submodules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile/gittest"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// TestMain keeps the developer's git configuration out of the tests.
func TestMain(m *testing.M) {
	if err := os.Setenv("GIT_CONFIG_GLOBAL", os.DevNull); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// shop is a repository with the submodule libs/lib, which has the submodule deep, and a new work tree of it. Nobody
// answers at the submodules' URLs any more. The main work tree also knows a submodule that it has not checked out.
func shop(t *testing.T) (main, tree string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	for _, name := range []string{"deep", "lib", "unused", "shop"} {
		gittest.Run(t, dir, "init", "-q", "-b", "main", name)
		gittest.Run(t, filepath.Join(dir, name), "commit", "-q", "--allow-empty", "-m", name)
	}
	add := func(in, what, at string) {
		gittest.Run(t, filepath.Join(dir, in), "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", filepath.Join(dir, what), at)
		gittest.Run(t, filepath.Join(dir, in), "commit", "-q", "-m", "with "+what)
	}
	add("lib", "deep", "deep")
	add("shop", "lib", "libs/lib")
	add("shop", "unused", "unused")
	main, tree = filepath.Join(dir, "shop"), filepath.Join(dir, "tree")
	gittest.Run(t, main, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
	gittest.Run(t, main, "submodule", "--quiet", "deinit", "unused")
	for _, name := range []string{"deep", "lib", "unused"} {
		assert.NilError(t, os.RemoveAll(filepath.Join(dir, name)))
	}
	// A commit that only this machine has.
	gittest.Run(t, filepath.Join(main, "libs", "lib"), "commit", "-q", "--allow-empty", "-m", "only here")
	gittest.Run(t, main, "commit", "-q", "-a", "-m", "newer lib")
	gittest.Run(t, main, "worktree", "add", "-q", "-b", "x", tree)
	return main, tree
}

func TestFillNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	main, tree := shop(t)
	for range 2 {
		done, err := Fill(t.Context(), main, tree)
		assert.NilError(t, err)
		assert.Equal(t, len(done.Failed), 0, "%v", done.Failed)
		assert.DeepEqual(t, done.Filled, []string{"libs/lib", "libs/lib/deep"})
	}
	lib := filepath.Join(tree, "libs", "lib")
	assert.Equal(t, gittest.Run(t, lib, "log", "-1", "--format=%s"), "only here")
	assert.Equal(t, gittest.Run(t, filepath.Join(lib, "deep"), "log", "-1", "--format=%s"), "deep")
	assert.Equal(t, gittest.Run(t, tree, "status", "--porcelain"), "")
	assert.Assert(t, !strings.Contains(gittest.Run(t, tree, "submodule", "status", "--recursive"), "+"))
	// The clone's remote is the one of the other, with what is known of it, and not the other itself.
	assert.Assert(t, strings.HasSuffix(gittest.Run(t, lib, "config", "remote.origin.url"), "/lib"))
	assert.Equal(t, gittest.Run(t, lib, "log", "-1", "--format=%s", "origin/main"), "with deep")
	entries, err := os.ReadDir(filepath.Join(tree, "unused"))
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 0)
}

func TestFillFailsWithoutTheOthers(t *testing.T) {
	t.Parallel()
	main, tree := shop(t)
	// Of a commit that is nowhere.
	gittest.Run(t, tree, "update-index", "--cacheinfo", "160000,1234567890123456789012345678901234567890,libs/lib")
	done, err := Fill(t.Context(), main, tree)
	assert.NilError(t, err)
	assert.Equal(t, len(done.Failed), 1)
	assert.Equal(t, done.Failed[0].Path, "libs/lib")
}

func TestNewWorkInAFilledSubmoduleIsARisk(t *testing.T) {
	t.Parallel()
	main, tree := shop(t)
	_, err := Fill(t.Context(), main, tree)
	assert.NilError(t, err)
	risks := func() []string {
		r, err := worktree.Find(t.Context(), tree)
		assert.NilError(t, err)
		risks, err := r.Risks(t.Context(), worktree.Keep{MainBranch: "main"})
		assert.NilError(t, err)
		return risks
	}
	assert.Equal(t, len(risks()), 0)
	gittest.Run(t, filepath.Join(tree, "libs", "lib", "deep"), "commit", "-q", "--allow-empty", "-m", "work")
	assert.NilError(t, os.WriteFile(filepath.Join(tree, "libs", "lib", "new"), nil, 0o600))
	found := strings.Join(risks(), "\n")
	assert.Assert(t, strings.Contains(found, "submodule libs/lib: 1 file that git does not track: new"), found)
	assert.Assert(t, strings.Contains(found, "submodule deep: 1 commit that no remote has"), found)
	// rm removes it although git worktree remove would not.
	r, err := worktree.Find(t.Context(), main)
	assert.NilError(t, err)
	assert.NilError(t, r.Remove(t.Context(), tree))
	_, err = os.Lstat(tree)
	assert.Assert(t, os.IsNotExist(err))
}

// A branch that others wrote can have a symbolic link where the other work tree has a folder with submodules.
func TestFillFollowsNoLinkIntoAnotherRepository(t *testing.T) {
	t.Parallel()
	main, tree := shop(t)
	assert.NilError(t, os.RemoveAll(filepath.Join(tree, "libs")))
	assert.NilError(t, os.Symlink(filepath.Join(main, "libs"), filepath.Join(tree, "libs")))
	module := filepath.Join(main, ".git", "modules", "libs", "lib")
	refs := gittest.Run(t, filepath.Join(main, "libs", "lib"), "for-each-ref")
	done, err := Fill(t.Context(), main, tree)
	assert.NilError(t, err)
	assert.Equal(t, len(done.Filled), 0)
	assert.Error(t, done.Failed[0].Err, "a symbolic link is in its path")
	assert.Equal(t, gittest.Run(t, filepath.Join(main, "libs", "lib"), "for-each-ref"), refs)
	_, err = os.Stat(filepath.Join(module, "commondir"))
	assert.Assert(t, os.IsNotExist(err))
}

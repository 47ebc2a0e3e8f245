package worktree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// TestKeepLocksWhatAddMadeOnly: other tools must be able to remove their work trees.
func TestKeepLocksWhatAddMadeOnly(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	own := mustAdd(t, r, wishFor("1"))
	other := filepath.Join(filepath.Dir(r.Main), "other")
	mustGit(t, r.Main, "worktree", "add", "-q", other)
	for range 2 {
		assert.NilError(t, r.Keep())
	}
	assert.Assert(t, IsKept(r.CommonDir))
	locked := map[string]bool{}
	trees, err := r.Trees(t.Context())
	assert.NilError(t, err)
	for _, tree := range trees {
		locked[tree.Path] = tree.Locked
	}
	assert.DeepEqual(t, locked, map[string]bool{r.Main: false, own: true, other: false})
	assert.DeepEqual(t, risksOf(t, own, Keep{MainBranch: "main"}), []string(nil))

	mustGit(t, r.Main, "worktree", "remove", other)
	assert.NilError(t, r.Remove(t.Context(), own))
	assert.Assert(t, IsKept(r.CommonDir), "the folder that containers mount has gone with the last work tree")
	mustGit(t, r.Main, "worktree", "prune", "-v")
	mustGit(t, r.Main, "gc", "-q")
	assert.Assert(t, IsKept(r.CommonDir))
	assert.NilError(t, Unkeep(r.CommonDir))
	assert.Assert(t, gone(filepath.Join(r.CommonDir, "worktrees")))
}

func TestUnkeepLeavesTheLocksOfOthers(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	first, second := mustAdd(t, r, wishFor("1")), mustAdd(t, r, wishFor("2"))
	mustGit(t, r.Main, "worktree", "lock", "--reason", "on a stick", first)
	assert.NilError(t, r.Keep())
	assert.NilError(t, Unkeep(r.CommonDir))
	list := mustGit(t, r.Main, "worktree", "list", "--porcelain")
	assert.Equal(t, strings.Count(list, "locked"), 1)
	assert.Assert(t, strings.Contains(list, "locked on a stick"))
	mustGit(t, r.Main, "worktree", "remove", second)
}

// TestAGoneWorkTreeThatIsKeptMakesRoom: its folder was removed by hand while its loom was up.
func TestAGoneWorkTreeThatIsKeptMakesRoom(t *testing.T) {
	t.Parallel()
	r := shopRepo(t)
	path := mustAdd(t, r, wishFor("1"))
	assert.NilError(t, r.Keep())
	assert.NilError(t, os.RemoveAll(path))
	assert.Equal(t, mustAdd(t, r, wishFor("1")), path)
}

// TestAKeptSubmoduleIsTheSameRepository: with the commondir that a container needs, git answers differently.
func TestAKeptSubmoduleIsTheSameRepository(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	library := newRepo(t, filepath.Join(dir, "library"))
	super := newRepo(t, filepath.Join(dir, "super"))
	mustGit(t, super, "submodule", "--quiet", "add", library, "libs/lib")
	mustGit(t, super, "commit", "-q", "-m", "lib")
	main := filepath.Join(super, "libs", "lib")
	r := find(t, main)
	tree := mustAdd(t, r, wishFor("1"))
	assert.Equal(t, tree, filepath.Join(dir, "super-lib-looms", "feat-issue-1"))
	before, linked := *r, *find(t, tree)
	assert.Equal(t, linked.Main, main)
	assert.NilError(t, r.Keep())
	assert.DeepEqual(t, *find(t, main), before)
	assert.DeepEqual(t, *find(t, tree), linked)
	assert.NilError(t, Verify(r))
	mustGit(t, super, "submodule", "update", "--init")
	assert.Equal(t, mustGit(t, super, "status", "--porcelain"), "")
	assert.NilError(t, Unkeep(r.CommonDir))
	assert.Assert(t, gone(filepath.Join(r.CommonDir, "commondir")))
}

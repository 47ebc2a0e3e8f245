package worktree

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func TestIgnoredFilesAreCounted(t *testing.T) {
	t.Parallel()
	r := withOrigin(t)
	path := mustAdd(t, r, wishFor("1"))
	ignored := func(keep Keep) *Ignored {
		t.Helper()
		i, err := FindIgnored(t.Context(), find(t, path), keep)
		assert.NilError(t, err)
		return i
	}
	write(t, filepath.Join(r.CommonDir, "info", "exclude"), "*.log\ntmp/\nnode_modules/\ncache/\n")
	assert.Assert(t, ignored(keepMain).Files.None())

	write(t, filepath.Join(path, "x.log"), "1234")
	write(t, filepath.Join(path, "tmp", "a", "b"), "1234567890")
	write(t, filepath.Join(path, "tmp", "c"), "")
	write(t, filepath.Join(path, "package.json"), "{}")
	write(t, filepath.Join(path, "node_modules", "left-pad", "index.js"), "12345")
	write(t, filepath.Join(path, "cache", "CACHEDIR.TAG"), cacheTag)
	i := ignored(keepMain)
	assert.Equal(t, i.Files.String(), "3 ignored files (14B): tmp/, x.log")
	assert.Equal(t, i.Caches.String(), "2 ignored files (48B): cache/, node_modules/")
	assert.Equal(t, len(i.Risks()), 0)

	i = ignored(Keep{Copied: func(rel string) bool { return rel == "x.log" }})
	assert.Equal(t, i.Files.String(), "2 ignored files (10B): tmp/")

	// Only a package manager's folder is made again.
	assert.NilError(t, os.Remove(filepath.Join(path, "package.json")))
	write(t, filepath.Join(path, "cache", "CACHEDIR.TAG"), "mine")
	assert.Assert(t, ignored(keepMain).Caches.None())
}

func TestRepositoriesInIgnoredFoldersAreRisks(t *testing.T) {
	t.Parallel()
	r := withOrigin(t)
	path := mustAdd(t, r, wishFor("1"))
	write(t, filepath.Join(r.CommonDir, "info", "exclude"), "tmp/\nnode_modules/\n")
	write(t, filepath.Join(path, "package.json"), "{}")
	for _, dir := range []string{"tmp/deep/one", "node_modules/two"} {
		assert.NilError(t, os.MkdirAll(filepath.Join(path, dir), 0o755))
		mustGit(t, filepath.Join(path, dir), "init", "-q")
	}
	mustGit(t, path, "init", "-q", "--bare", "tmp/three.git")
	i, err := FindIgnored(t.Context(), find(t, path), keepMain)
	assert.NilError(t, err)
	assert.DeepEqual(t, i.Risks(), []string{"3 repositories in ignored folders, whose commits and changes were not looked at: " +
		"node_modules/two, tmp/deep/one, tmp/three.git"})
}

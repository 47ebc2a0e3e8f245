package gitfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

func TestAFileLeadsToAnAbsolutePath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct{ name, content, want string }{
		{".git", "gitdir: " + filepath.ToSlash(dir) + "/x\n", filepath.Join(dir, "x")},
		{".git", "gitdir: ../x/.git/worktrees/y\r\n", filepath.Join(filepath.Dir(dir), "x", ".git", "worktrees", "y")},
		{".git", "gitdir:  x ", filepath.Join(dir, " x ")},
		{"commondir", "../..\n", filepath.Dir(filepath.Dir(dir))},
		{"commondir", ".\n", dir},
		{"gitdir", filepath.ToSlash(dir) + "/.git\n", filepath.Join(dir, ".git")},
	} {
		name := filepath.Join(dir, c.name)
		assert.NilError(t, os.WriteFile(name, []byte(c.content), 0o600))
		got, err := gitfile.Read(name)
		assert.NilError(t, err)
		assert.Equal(t, got, c.want)
	}
}

func TestAFileWithoutAPathIsNamed(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"/w/.git": "gitdir:x", "/w/a/.git": "gitdir: \n", "/w/b/.git": "", "/w/commondir": "\n"} {
		_, err := gitfile.Target(filepath.FromSlash(name), []byte(content))
		assert.Error(t, err, filepath.FromSlash(name)+": names no path")
	}
	_, err := gitfile.Read(filepath.Join(t.TempDir(), ".git"))
	assert.Assert(t, errors.Is(err, fs.ErrNotExist))
}

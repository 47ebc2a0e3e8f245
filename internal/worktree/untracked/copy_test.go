package untracked

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile/gittest"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

func TestCopyNeverOverwrites(t *testing.T) {
	t.Parallel()
	from, to := tempDir(t), tempDir(t)
	for _, name := range []string{".env", "new", "sub/deep/file", "skipped", "changed"} {
		write(t, filepath.Join(from, filepath.FromSlash(name)), "theirs\n")
	}
	assert.NilError(t, os.Chmod(filepath.Join(from, "new"), 0o600))
	write(t, filepath.Join(to, ".env"), "mine\n")
	// Of a process that was killed.
	write(t, filepath.Join(to, "new"+half), "thei")
	edit := func(rel string, b []byte) []byte {
		switch rel {
		case "skipped":
			return nil
		case "changed":
			return []byte("edited\n")
		}
		return b
	}
	files := []string{".env", "new", filepath.Join("sub", "deep", "file"), "skipped", "changed", "not there"}
	copied, err := Copy(from, to, files, edit)
	assert.NilError(t, err)
	assert.DeepEqual(t, copied, []string{"new", filepath.Join("sub", "deep", "file"), "changed"})
	for name, want := range map[string]string{".env": "mine\n", "new": "theirs\n", "sub/deep/file": "theirs\n", "changed": "edited\n"} {
		b, err := os.ReadFile(filepath.Join(to, filepath.FromSlash(name)))
		assert.NilError(t, err)
		assert.Equal(t, string(b), want, name)
	}
	if runtime.GOOS != "windows" {
		info, err := os.Stat(filepath.Join(to, "new"))
		assert.NilError(t, err)
		assert.Equal(t, info.Mode().Perm(), os.FileMode(0o600))
	}
	entries, err := os.ReadDir(to)
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 4, "%v", entries)
}

func TestCopyWritesNothingOutsideOfTheFolder(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	from, to, out := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "out")
	write(t, filepath.Join(from, "data", "x.db"), "")
	write(t, filepath.Join(out, "kept"), "")
	assert.NilError(t, os.MkdirAll(to, 0o755))
	// A branch of a stranger has a link where the main work tree has a folder.
	if err := os.Symlink(out, filepath.Join(to, "data")); err != nil {
		t.Skip(err)
	}
	_, err := Copy(from, to, []string{filepath.Join("data", "x.db")}, nil)
	assert.ErrorContains(t, err, "data")
	_, err = os.Lstat(filepath.Join(out, "x.db"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// What a copy that was killed has left is gone after the next one, whether the file itself was there already or not.
func TestCopyTidiesUpAfterAKilledOne(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	files := []string{".env", ".env.local"}
	for _, name := range files {
		write(t, filepath.Join(from, name), "A=1\n")
		write(t, filepath.Join(to, name+half), "A=")
	}
	write(t, filepath.Join(to, ".env"), "A=1\n")
	copied, err := Copy(from, to, files, nil)
	assert.NilError(t, err)
	assert.DeepEqual(t, copied, []string{".env.local"})
	for _, name := range files {
		_, err := os.Lstat(filepath.Join(to, name+half))
		assert.ErrorIs(t, err, fs.ErrNotExist)
	}
}

func TestCopyKeepsLinks(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "deep", "to")
	write(t, filepath.Join(from, "config", "dev.env"), "")
	write(t, filepath.Join(dir, "secrets"), "")
	assert.NilError(t, os.MkdirAll(to, 0o755))
	if err := os.Symlink(filepath.Join("config", "dev.env"), filepath.Join(from, ".env")); err != nil {
		t.Skip(err)
	}
	assert.NilError(t, os.Symlink(filepath.Join("..", "secrets"), filepath.Join(from, ".env.local")))
	copied, err := Copy(from, to, []string{".env", ".env.local"}, nil)
	assert.NilError(t, err)
	assert.Equal(t, len(copied), 2)
	for name, want := range map[string]string{".env": filepath.Join("config", "dev.env"), ".env.local": filepath.Join(dir, "secrets")} {
		got, err := os.Readlink(filepath.Join(to, name))
		assert.NilError(t, err)
		assert.Equal(t, got, want)
	}
	assert.Assert(t, IsCopy(to, from, ".env.local"))
}

func TestCopiesAreNoWork(t *testing.T) {
	t.Parallel()
	r := shop(t, "")
	path := filepath.Join(tempDir(t), "tree")
	gittest.Run(t, r.Main, "worktree", "add", "-q", path)
	for _, dir := range []string{r.Main, path} {
		write(t, filepath.Join(dir, ".env"), "A=1\n")
		write(t, filepath.Join(dir, ".env.local"), "B=1\n")
	}
	write(t, filepath.Join(path, ".env.local"), "B=2\n")
	write(t, filepath.Join(path, ".env"+half), "A=")
	linked, err := worktree.Find(t.Context(), path)
	assert.NilError(t, err)
	risks, err := linked.Risks(t.Context(), worktree.Keep{
		MainBranch: "main", Copied: func(rel string) bool { return IsCopy(path, r.Main, rel) },
	})
	assert.NilError(t, err)
	assert.DeepEqual(t, risks, []string{"1 file that git does not track: .env.local"})
}

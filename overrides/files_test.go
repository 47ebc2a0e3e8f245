package overrides_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

func TestWriteTouchesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	same, other, gone := filepath.Join(dir, "same"), filepath.Join(dir, "other"), filepath.Join(dir, "gone")
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, path := range []string{same, other} {
		assert.NilError(t, os.WriteFile(path, []byte("a"), 0o600))
		assert.NilError(t, os.Chtimes(path, long, long))
	}
	changed, err := overrides.Write([]overrides.File{{Path: same, Content: []byte("a")}, {Path: other, Content: []byte("b")}, {Path: gone}})
	assert.NilError(t, err)
	assert.DeepEqual(t, changed, []string{other})

	info, err := os.Stat(same)
	assert.NilError(t, err)
	assert.Assert(t, info.ModTime().Equal(long))
	info, err = os.Stat(other)
	assert.NilError(t, err)
	assert.Equal(t, info.Mode().Perm(), fs.FileMode(0o600), "the mode is kept")
	left, err := os.ReadDir(dir)
	assert.NilError(t, err)
	assert.Equal(t, len(left), 2, "nothing temporary stays")
}

func TestAFileIsReplacedInOneStep(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	assert.NilError(t, os.WriteFile(path, []byte("old"), 0o644))
	open, err := os.Open(path)
	assert.NilError(t, err)
	defer open.Close()
	_, err = overrides.Write([]overrides.File{{Path: path, Content: []byte("new")}})
	assert.NilError(t, err)
	// Who had the file open still reads the old one, whole.
	text := make([]byte, 8)
	n, _ := open.Read(text)
	assert.Equal(t, string(text[:n]), "old")
}

func TestTheFolderOfTheOverrideGoesWhenItIsEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.FromSlash(overrides.NamedFile))
	write := func(content []byte) []string {
		changed, err := overrides.Write([]overrides.File{{Path: path, Content: content}})
		assert.NilError(t, err)
		return changed
	}
	assert.DeepEqual(t, write([]byte("x")), []string{path})
	mine := filepath.Join(filepath.Dir(path), "settings.json")
	assert.NilError(t, os.WriteFile(mine, nil, 0o644))
	write(nil)
	_, err := os.Stat(mine)
	assert.NilError(t, err)

	write([]byte("x"))
	assert.NilError(t, os.Remove(mine))
	write(nil)
	_, err = os.Stat(filepath.Dir(path))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(dir)
	assert.NilError(t, err, "no other folder goes")
	assert.Equal(t, len(write(nil)), 0)
}

func TestAnUnwritableFileIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	assert.NilError(t, os.WriteFile(file, nil, 0o644))
	changed, err := overrides.Write([]overrides.File{{Path: filepath.Join(dir, "a"), Content: []byte("a")}, {Path: filepath.Join(file, "b"), Content: []byte("b")}})
	assert.ErrorContains(t, err, file)
	assert.DeepEqual(t, changed, []string{filepath.Join(dir, "a")})
}

func TestGeneratedKnowsOnlyItsOwnFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, err := overrides.Render(&types.Project{Name: "iloom-repo-x"}, "repo/feat/x", nil)
	assert.NilError(t, err)
	path := filepath.Join(dir, overrides.OverrideFile)
	assert.NilError(t, os.WriteFile(path, text, 0o644))
	assert.Equal(t, overrides.GeneratedFor(path), "repo/feat/x")
	assert.Assert(t, overrides.Generated(path))

	for _, text := range []string{"", "services: {}\n", "# Made by docker", "# mine\n# Made by docker loom for repo/1. It keeps"} {
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
		assert.Assert(t, !overrides.Generated(path), "%q", text)
	}
	assert.Assert(t, !overrides.Generated(filepath.Join(dir, "missing")))
	assert.Assert(t, !overrides.Generated(dir))
}

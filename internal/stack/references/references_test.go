package references

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

func TestASnapshotHasWhatWasRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	one, two := write("sub/one.yaml", "services: {a: {extends: {file: two.yaml, service: b}}}"), write("sub/two.yaml", "services: {b: {image: b}}")
	dotEnv := write("sub/.env", "A=1")

	f := Files{Reader: Anywhere}
	assert.Assert(t, f.OnlyComposeFiles())
	assert.NilError(t, f.ReadReferences(t.Context(), dir, []types.ConfigFile{
		{Filename: filepath.Join(dir, "compose.yaml"), Content: []byte("include: [sub/one.yaml]")},
		{Filename: filepath.Join(dir, "other.yaml"), Content: []byte("services: {}")},
	}, types.Mapping{}))
	assert.Assert(t, !f.OnlyComposeFiles())
	assert.Equal(t, len(f.references), 3)
	assert.NilError(t, os.RemoveAll(filepath.Join(dir, "sub")))

	s, err := f.Snapshot()
	assert.NilError(t, err)
	defer s.Remove()
	for path, want := range map[string]string{two: "services: {b: {image: b}}", dotEnv: "A=1"} {
		text, err := os.ReadFile(s.At(path))
		assert.NilError(t, err)
		assert.Equal(t, string(text), want)
	}
	// What the loader says of the snapshot is said of the real files.
	assert.Equal(t, s.OriginalError(errors.New(s.At(one)+": no such service")).Error(), one+": no such service")
	gone := filepath.Join(dir, "gone.yaml")
	unread, ok := errors.AsType[*NotReadError](s.OriginalError(&fs.PathError{Op: "open", Path: s.At(gone), Err: fs.ErrNotExist}))
	assert.Assert(t, ok)
	assert.Equal(t, unread.Path, gone)
	p := &types.Project{WorkingDir: s.At(dir)}
	assert.NilError(t, s.Restore(p))
	assert.Equal(t, p.WorkingDir, dir)
}

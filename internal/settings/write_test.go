package settings

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"gotest.tools/v3/assert"
)

func TestWriteGoesThroughALink(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.json"), filepath.Join(dir, ".iloom", "settings.json")
	assert.NilError(t, Write(link, []byte("{}")))
	assert.NilError(t, os.Rename(link, real))
	assert.NilError(t, os.Chmod(real, 0o600))
	assert.NilError(t, os.Symlink("../real.json", link))
	assert.NilError(t, Write(link, []byte(`{"a": 1}`)))
	b, err := os.ReadFile(real)
	assert.NilError(t, err)
	assert.Equal(t, string(b), `{"a": 1}`)
	info, err := os.Lstat(real)
	assert.NilError(t, err)
	assert.Equal(t, info.Mode(), os.FileMode(0o600))
	target, err := os.Readlink(link)
	assert.NilError(t, err)
	assert.Equal(t, target, "../real.json")

	assert.NilError(t, os.Remove(real))
	assert.ErrorContains(t, Write(link, []byte("{}")), "a symbolic link that leads nowhere")
}

func TestFileIsNilWhereThereIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".iloom", "settings.json")
	data, err := File(path)
	assert.NilError(t, err)
	assert.Assert(t, data == nil)
	assert.NilError(t, Write(path, []byte("{}\n")))
	data, err = File(path)
	assert.NilError(t, err)
	assert.Equal(t, string(data), "{}\n")
}

package egress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestAViewHasItsLinksAndNothingElse(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	kept := filepath.Join(outside, "kept")
	assert.NilError(t, os.WriteFile(kept, nil, 0o600))
	assert.NilError(t, os.MkdirAll(filepath.Join(dir, "left", "deep"), 0o700))
	assert.NilError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	for range 2 {
		assert.NilError(t, view(dir, `{"HEAD": "/x/HEAD", "packed-refs": "packed-refs.1"}`))
	}
	entries, err := os.ReadDir(dir)
	assert.NilError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, strings.Join(names, " "), "HEAD packed-refs")
	to, err := os.Readlink(filepath.Join(dir, "HEAD"))
	assert.NilError(t, err)
	assert.Equal(t, to, "/x/HEAD")
	info, err := os.Stat(dir)
	assert.NilError(t, err)
	assert.Equal(t, info.Mode().String(), "dtrwxrwxrwx")
	_, err = os.Stat(kept)
	assert.NilError(t, err)
	for _, bad := range []string{`{"../x": "/"}`, `{"a/b": "/"}`, `{"..": "/"}`, `[]`} {
		assert.Check(t, view(dir, bad) != nil, bad)
	}
}

func TestSeveralCommandsRunInTheirOrderAndEndWithTheFirstError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var said strings.Builder
	run := func(args ...string) int {
		return Main(t.Context(), args, Process{Getenv: os.Getenv, Stdout: &said, Stderr: &said})
	}
	assert.Equal(t, run("view", dir, `{"a": "/a"}`, "--", "view", dir, `{"b": "/b"}`), 0, said.String())
	_, err := os.Lstat(filepath.Join(dir, "b"))
	assert.NilError(t, err)
	assert.Equal(t, run("view", dir+"/none", `{}`, "--", "view", dir, `{"c": "/c"}`), 1)
	_, err = os.Lstat(filepath.Join(dir, "c"))
	assert.Assert(t, os.IsNotExist(err))
	assert.Equal(t, run("view", dir, `{}`, "--"), 2)
}

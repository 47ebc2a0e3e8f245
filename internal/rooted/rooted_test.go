package rooted

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
}

// world is a folder beside another one, with links of all kinds in it.
func world(t *testing.T) (dir, beside string) {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	dir, beside = filepath.Join(top, "tree"), filepath.Join(top, "beside")
	write(t, filepath.Join(dir, "sub", "in"), "in")
	write(t, filepath.Join(beside, "out"), "out")
	for name, target := range map[string]string{
		"relative": "sub/in", "absolute": filepath.Join(dir, "sub", "in"), "twice": "relative", "folder": "sub",
		"leaves": "../beside/out", "leavesAbsolute": filepath.Join(beside, "out"), "leavesByFolder": "../beside",
		"leavesToNothing": filepath.Join(beside, "missing"), "nothing": "missing", "loop": "loop2", "loop2": "loop",
		"zero": "/dev/zero",
	} {
		assert.NilError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	return dir, beside
}

func TestFilesOfTheFolderAreReadThroughAnyLink(t *testing.T) {
	t.Parallel()
	dir, _ := world(t)
	for _, name := range []string{"sub/in", "relative", "absolute", "twice", "folder/in", "sub/../sub/in"} {
		text, err := Below(dir, nil).Read(filepath.Join(dir, name))
		assert.NilError(t, err, name)
		assert.Equal(t, string(text), "in", name)
	}
	linked := filepath.Join(t.TempDir(), "linked")
	assert.NilError(t, os.Symlink(dir, linked))
	text, err := Below(linked, nil).Read(filepath.Join(linked, "absolute"))
	assert.NilError(t, err)
	assert.Equal(t, string(text), "in")
}

func TestWhatLeavesTheFolderIsRefusedUnlessPermitted(t *testing.T) {
	t.Parallel()
	dir, beside := world(t)
	for name, real := range map[string]string{
		"leaves": "out", "leavesAbsolute": "out", "leavesByFolder/out": "out", "leavesToNothing": "missing",
		"leavesByFolder/missing": "missing", "../beside/out": "out",
	} {
		asked, real := filepath.Join(dir, name), filepath.Join(beside, real)
		_, err := Below(dir, nil).Read(asked)
		refused, ok := errors.AsType[*OutsideError](err)
		assert.Assert(t, ok, "%s: %v", name, err)
		assert.Equal(t, refused.Real, real)

		var told []string
		text, err := Below(dir, func(asked, real string) error {
			told = append(told, asked, real)
			return nil
		}).Read(asked)
		assert.DeepEqual(t, told, []string{asked, real})
		if filepath.Base(real) == "out" {
			assert.NilError(t, err)
			assert.Equal(t, string(text), "out")
		} else {
			assert.Assert(t, errors.Is(err, fs.ErrNotExist))
		}
	}
}

func TestWhatIsNotThereIsMissing(t *testing.T) {
	t.Parallel()
	dir, _ := world(t)
	for _, name := range []string{"missing", "nothing", "sub/missing", "missing/missing"} {
		_, err := Below(dir, nil).Read(filepath.Join(dir, name))
		assert.Assert(t, errors.Is(err, fs.ErrNotExist), "%s: %v", name, err)
	}
	_, err := Below(dir, nil).Read(filepath.Join(dir, "loop"))
	assert.ErrorContains(t, err, "too many")
}

func TestAFileIsReadOnce(t *testing.T) {
	t.Parallel()
	dir, _ := world(t)
	path := filepath.Join(dir, "sub", "in")
	files := Below(dir, nil)
	_, err := files.Read(filepath.Join(dir, "missing"))
	assert.Assert(t, errors.Is(err, fs.ErrNotExist))
	_, err = files.Read(path)
	assert.NilError(t, err)
	assert.Assert(t, !files.Changed())
	write(t, path, "other")
	text, err := files.Read(path)
	assert.NilError(t, err)
	assert.Equal(t, string(text), "in")
	assert.Assert(t, files.Changed())
}

func TestAFileIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "large")
	write(t, path, "")
	assert.NilError(t, os.Truncate(path, MaxSize))
	_, err := Below(dir, nil).Read(path)
	assert.NilError(t, err)
	assert.NilError(t, os.Truncate(path, MaxSize+1))
	_, err = Below(dir, nil).Read(path)
	assert.Error(t, err, path+": longer than 10 MiB")
}

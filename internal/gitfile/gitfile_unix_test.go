//go:build unix

package gitfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

func TestNothingIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, zero := filepath.Join(dir, "pipe"), filepath.Join(dir, "zero")
	assert.NilError(t, syscall.Mkfifo(pipe, 0o600))
	assert.NilError(t, os.Symlink("/dev/zero", zero))
	for _, name := range []string{pipe, zero, dir} {
		_, err := gitfile.Read(name)
		assert.Error(t, err, name+": not a regular file")
	}
}

//go:build unix

package rooted

import (
	"path/filepath"
	"syscall"
	"testing"

	"gotest.tools/v3/assert"
)

func TestNothingButFilesIsOpened(t *testing.T) {
	t.Parallel()
	dir, _ := world(t)
	pipe := filepath.Join(dir, "pipe")
	assert.NilError(t, syscall.Mkfifo(pipe, 0o600))
	permit := func(string, string) error { return nil }
	for name, says := range map[string]string{
		"pipe": "is a named pipe, not a file", "sub": "is a folder, not a file", "zero": "is a device, not a file",
	} {
		path := filepath.Join(dir, name)
		_, err := Below(dir, permit).Read(path)
		assert.Error(t, err, path+" "+says)
	}
}

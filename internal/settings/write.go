package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Write replaces the file at path in one step: a reader sees the old bytes or the new. It makes the folder if it is
// missing. A symbolic link stays one, and its target is written.
func Write(path string, data []byte) error {
	target, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if target, err = dangling(path); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(target); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := atomicwriter.WriteFile(target, data, mode); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// dangling returns an error for a symbolic link whose target is missing: Write does not make the target.
func dangling(path string) (string, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", &Error{File: path, Err: errors.New("a symbolic link that leads nowhere")}
	}
	return path, nil
}

// File returns the bytes of the settings file at path as Edit takes them: nil if it does not exist.
func File(path string) ([]byte, error) {
	data, err := jsonc.ReadBytes(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, asError(err)
}

// Change sets one value of a settings file.
type Change = jsonc.Change

// Edit returns the bytes of the settings file at path with the changes made; see [jsonc.Edit].
func Edit(path string, data []byte, changes ...Change) ([]byte, error) {
	edited, err := jsonc.Edit(path, data, changes...)
	return edited, asError(err)
}

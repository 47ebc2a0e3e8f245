package overrides

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/rooted"
)

// Names of the generated files, below the project directory.
const (
	// OverrideFile is loaded by plain docker compose by itself, from subfolders too.
	OverrideFile = "compose.override.yaml"
	// NamedFile is named by COMPOSE_FILE in the block, if the project has an override of its own or no compose file.
	NamedFile = ".iloom/compose.loom.yaml"
	// EnvFile holds the block.
	EnvFile = ".env"
)

// File is the wanted content of a generated file; nil removes it.
type File struct {
	Path    string
	Content []byte
}

// Current reports whether the file on the disk has its wanted content.
func Current(f File) bool {
	have, err := rooted.ReadFile(f.Path)
	return err == nil && bytes.Equal(have, f.Content)
}

// Generated reports whether the file at path is an override that this package made.
func Generated(path string) bool { return GeneratedFor(path) != "" }

// GeneratedFor is the name of the loom that the override at path was made for, as in shop/123; "" for any other file.
func GeneratedFor(path string) string {
	text, err := rooted.ReadFile(path)
	if err != nil {
		return ""
	}
	return MadeFor(text)
}

// MadeFor is GeneratedFor for the content of a file.
func MadeFor(content []byte) string {
	rest, ok := strings.CutPrefix(string(content[:min(len(content), 512)]), made+" for ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, ". It ")
	return name
}

// IsGenerated reports whether the content is that of an override that this package made.
func IsGenerated(content []byte) bool { return bytes.HasPrefix(content, []byte(made+" for ")) }

// ReadGenerated is the text of the override at path, nil if docker loom did not make it.
func ReadGenerated(path string) []byte {
	text, err := rooted.ReadFile(path)
	if err != nil || !IsGenerated(text) {
		return nil
	}
	return text
}

// Write brings the files to their wanted content, each in one step and only if it differs, and returns the paths of
// those it changed. A file that goes takes its folder along if nothing else is in it.
func Write(files []File) ([]string, error) {
	var changed []string
	for _, f := range files {
		did, err := writeFile(f)
		if err != nil {
			return changed, err
		}
		if did {
			changed = append(changed, f.Path)
		}
	}
	return changed, nil
}

// sweep removes the temporary files that a killed process left beside the file. git does not ignore them, and those of
// .env are copies of it. The loom's lock keeps other processes from writing there.
func sweep(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if isLeftover(e.Name(), filepath.Base(path)) {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

func isLeftover(name, of string) bool {
	rest, ok := strings.CutPrefix(name, ".tmp-"+of)
	_, err := strconv.ParseUint(rest, 10, 64)
	return ok && err == nil
}

// Leftover reports whether a file's name is that of a temporary file of Write, which stays if the process is killed.
func Leftover(name string) bool {
	return isLeftover(name, EnvFile) || isLeftover(name, OverrideFile) || isLeftover(name, filepath.Base(NamedFile))
}

func writeFile(f File) (bool, error) {
	sweep(f.Path)
	have, err := rooted.ReadFile(f.Path)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if f.Content == nil {
		if !exists {
			return false, nil
		}
		if err := os.Remove(f.Path); err != nil {
			return false, err
		}
		if dir := filepath.Dir(f.Path); filepath.Base(dir) == filepath.Dir(NamedFile) {
			// Fails if the folder has anything else in it, as it must.
			_ = os.Remove(dir)
		}
		return true, nil
	}
	if exists && bytes.Equal(have, f.Content) {
		return false, nil
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(f.Path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return false, err
	}
	if err := atomicwriter.WriteFile(f.Path, f.Content, mode); err != nil {
		return false, fmt.Errorf("%s: %w", f.Path, err)
	}
	return true, nil
}

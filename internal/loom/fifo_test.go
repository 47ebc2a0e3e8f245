//go:build unix

package loom

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// readNames are the files that commands read of a work tree.
var readNames = []string{
	".env", "compose.yaml", "compose.override.yaml", ".iloom/settings.json", ".iloom/compose.loom.yaml",
	".devcontainer/devcontainer.json", ".git",
}

// TestNoFileOfTheWorkTreeKeepsALoomUp: whoever writes the work tree may put anything in the place of a file.
func TestNoFileOfTheWorkTreeKeepsALoomUp(t *testing.T) {
	t.Parallel()
	for kind, put := range map[string]func(path string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"zero": func(path string) error { return os.Symlink("/dev/zero", path) },
		"loop": func(path string) error { return os.Symlink(filepath.Base(path), path) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldtest.Remote)
			repo := w.Repo("shop")
			tree := w.Tree(repo, "tree", "issue-7")
			w.filesUp(tree, "7")
			for _, name := range readNames {
				path := filepath.Join(tree, name)
				assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				assert.NilError(t, os.RemoveAll(path))
				assert.NilError(t, put(path))
			}
			for _, id := range []string{"7", ""} {
				assert.NilError(t, w.looms.Stop(t.Context(), w.target(tree, id), 0))
			}
			assert.Equal(t, w.target(repo, "7").WorkTree, tree)
			remains, err := w.looms.Down(t.Context(), w.target(tree, "7"), DownRequest{Volumes: true})
			assert.NilError(t, err)
			for _, name := range []string{".env", "compose.override.yaml", ".iloom/compose.loom.yaml"} {
				assert.Assert(t, slices.ContainsFunc(remains.Left, func(what string) bool {
					return strings.Contains(what, filepath.Join(tree, name))
				}), "%s: %v", name, remains.Left)
			}
			assert.Equal(t, len(w.State().Looms), 0)
		})
	}
}

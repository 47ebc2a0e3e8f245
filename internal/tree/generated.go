package tree

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/overrides"
)

// Generated lists the files of the loom in its folder as they must be without it. Only what says that it is this
// loom's is touched, whatever the registry says.
func Generated(t *find.Target) []overrides.File {
	dir := t.Known.Dir
	if dir == "" || !host.IsDir(dir) {
		return nil
	}
	var files []overrides.File
	for _, name := range []string{overrides.OverrideFile, overrides.NamedFile} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if overrides.GeneratedFor(path) == t.Name() {
			files = append(files, overrides.File{Path: path})
		}
	}
	// The block is in the project directory, or above it where a COMPOSE_FILE there names the files.
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, overrides.EnvFile)
		env, err := os.ReadFile(path)
		if id, _, ok := overrides.Block(env); err == nil && ok && id == t.ID {
			rest := overrides.Cut(env)
			if len(rest) == 0 && overrides.MadeFile(env) {
				rest = nil
			}
			files = append(files, overrides.File{Path: path, Content: rest})
		}
		if dir == t.Known.WorkTree || dir == filepath.Dir(dir) || !strings.HasPrefix(dir, t.Known.WorkTree) {
			return files
		}
	}
}

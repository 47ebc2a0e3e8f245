package tree

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/overrides"
)

// isBeside reports whether another project of the loom has its files in the folder.
func isBeside(t *find.Target, dir string) bool {
	return slices.ContainsFunc(t.Projects, func(k *registry.Loom) bool {
		return k.Project != t.Known.Project && (k.Dir == dir || k.Workspace == dir)
	})
}

// Generated lists the files of the loom in its folder as they must be without it. Only what says that it is this
// loom's is touched, whatever the registry says. unread says which files may be the loom's and cannot be read: whoever
// writes the work tree may have put a pipe or a device there.
func Generated(t *find.Target) (files []overrides.File, unread []error) {
	dir := t.Known.Dir
	if dir == "" || !host.IsDir(dir) {
		return nil, nil
	}
	read := func(path string) []byte {
		text, err := rooted.ReadFile(path)
		if _, missing := os.Lstat(path); err != nil && missing == nil {
			unread = append(unread, err)
		}
		return text
	}
	for _, name := range []string{overrides.OverrideFile, overrides.NamedFile} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if overrides.MadeFor(read(path)) == t.Name() {
			files = append(files, overrides.File{Path: path})
		}
	}
	// The block is in the project directory, or above it where a COMPOSE_FILE there names the files.
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, overrides.EnvFile)
		env := read(path)
		if id, _, ok := overrides.Block(env); ok && id == t.ID && !isBeside(t, dir) {
			rest := overrides.Cut(env)
			if len(rest) == 0 && overrides.MadeFile(env) {
				rest = nil
			}
			files = append(files, overrides.File{Path: path, Content: rest})
		}
		if dir == t.Known.WorkTree || dir == filepath.Dir(dir) || !strings.HasPrefix(dir, t.Known.WorkTree) {
			return files, unread
		}
	}
}

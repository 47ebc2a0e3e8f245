package trust

import (
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// ChangedFiles lists the files that are not as they were accepted, below the work tree by their names there. Nothing is
// known of them before they were accepted.
func ChangedFiles(have, now *registry.Accepted, workTree string) []string {
	if have == nil || have.Files == nil {
		return nil
	}
	var changed []string
	add := func(path string) {
		if rel, err := filepath.Rel(workTree, path); err == nil && filepath.IsAbs(path) && filepath.IsLocal(rel) {
			path = rel
		}
		changed = append(changed, path)
	}
	for path, digest := range now.Files {
		if have.Files[path] != digest {
			add(path)
		}
	}
	for path := range have.Files {
		if _, ok := now.Files[path]; !ok {
			add(path)
		}
	}
	slices.Sort(changed)
	return changed
}

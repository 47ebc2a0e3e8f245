// Package paths reports how clean paths lie inside each other.
package paths

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Contains reports whether p is base or below it. Both must be clean.
func Contains(base, p string) bool {
	if base == p {
		return true
	}
	return strings.HasPrefix(p, strings.TrimSuffix(base, string(filepath.Separator))+string(filepath.Separator))
}

// Between returns the folders between base and p, parents first, without both.
func Between(base, p string) []string {
	var all []string
	for dir := filepath.Dir(p); dir != base && Contains(base, dir); dir = filepath.Dir(dir) {
		all = append(all, dir)
	}
	slices.Reverse(all)
	return all
}

// Depth returns the number of folders above p.
func Depth(p string) int { return strings.Count(path.Clean(filepath.ToSlash(p)), "/") }

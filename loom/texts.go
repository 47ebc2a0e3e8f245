package loom

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/overrides"
)

// texts are the files beside the compose files that people write host ports and container names into: env files, and
// scripts where one looks for them. What cannot be read is left out; it only serves findings.
func texts(dirs ...string) []overrides.Text {
	patterns := []string{".env*", "Makefile", "makefile", "justfile", "Taskfile.y*ml", "package.json", "*.sh", "scripts/*", "bin/*"}
	var list []overrides.Text
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		for _, pattern := range patterns {
			paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
			if err != nil {
				continue
			}
			for _, path := range paths {
				info, err := os.Stat(path)
				if err != nil || !info.Mode().IsRegular() || info.Size() > 256<<10 {
					continue
				}
				if b, err := os.ReadFile(path); err == nil {
					list = append(list, overrides.Text{Path: path, Content: b})
				}
			}
		}
	}
	return list
}

// escapeGlob keeps a folder's own name from being taken for a pattern.
func escapeGlob(dir string) string {
	var out []rune
	for _, r := range dir {
		if r == '*' || r == '?' || r == '[' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

package loom

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

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
					list = append(list, overrides.Text{Path: path, Content: b, Env: pattern == ".env*"})
				}
			}
		}
	}
	return list
}

// envFiles are the files that services take into their environment, but for those that texts finds by their names.
func envFiles(p *types.Project) []overrides.Text {
	var list []overrides.Text
	all := p.AllServices()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, file := range all[name].EnvFiles {
			seen := slices.ContainsFunc(list, func(t overrides.Text) bool { return t.Path == file.Path })
			if seen || strings.HasPrefix(filepath.Base(file.Path), ".env") {
				continue
			}
			if b, err := os.ReadFile(file.Path); err == nil {
				list = append(list, overrides.Text{Path: file.Path, Content: b, Env: true})
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

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Altered looks for what an agent can leave in the folders of git's that it writes, and what git on the host would follow:
// symbolic links, through which the user's next commit or checkout writes a line into the file that they lead to, and a git
// folder of a main checkout that git no longer takes for one, so that it looks for another, which may be the agent's. It
// reads folders only and starts no process.
func Altered(workTree string, g *Git) ([]finding.Finding, error) {
	if g == nil {
		return nil, nil
	}
	var found []finding.Finding
	warn := func(format string, args ...any) {
		found = append(found, finding.Finding{
			Level: finding.Warning, Subject: "git " + g.Dir, Message: fmt.Sprintf(format, args...), Remedy: "repair it before running git there",
		})
	}
	if g.Main && !isRepository(g.Dir) {
		warn("it is no git folder any more, so git would use one that it finds in %s or above", workTree)
	}
	if isRepository(workTree) {
		warn("%s has itself become a git folder, with a configuration of its own", workTree)
	}
	roots := []string{filepath.Join(g.Common, "logs"), filepath.Join(g.Common, "refs")}
	if !g.Main {
		roots = append(roots, g.Dir)
	} else {
		entries, err := os.ReadDir(g.Dir)
		if err != nil {
			return nil, fmt.Errorf("git folder: %w", err)
		}
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink != 0 {
				warn("%s is a symbolic link, through which git would write", filepath.Join(g.Dir, e.Name()))
			}
		}
		for _, name := range []string{"rebase-merge", "rebase-apply", "sequencer"} {
			roots = append(roots, filepath.Join(g.Dir, name))
		}
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if d.Type()&fs.ModeSymlink != 0 {
				warn("%s is a symbolic link, through which git would write", p)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("git folder: %w", err)
		}
	}
	return found, nil
}

// isRepository tells whether git takes a folder for a git folder: by HEAD, objects and refs.
func isRepository(dir string) bool {
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	head := filepath.Join(dir, "HEAD")
	info, err := os.Lstat(head)
	if err != nil {
		return false
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(head)
		return err == nil && strings.HasPrefix(to, "refs/")
	}
	if !info.Mode().IsRegular() || info.Size() > 4096 {
		return false
	}
	b, err := os.ReadFile(head)
	if err != nil {
		return false
	}
	text := strings.TrimRight(string(b), "\r\n")
	if ref, ok := strings.CutPrefix(text, "ref:"); ok {
		return strings.HasPrefix(strings.TrimSpace(ref), "refs/")
	}
	return len(text) >= 40 && strings.Trim(text[:40], "0123456789abcdefABCDEF") == ""
}

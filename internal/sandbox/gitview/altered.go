package gitview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// FindAltered looks in the folders that an agent writes for two things that git on the host would follow. It reads
// folders only and starts no process.
//
//   - A symbolic link: the user's next commit or checkout writes a line into its target.
//   - A git folder that git no longer accepts: git then looks for another one, which may be the agent's.
func FindAltered(workTree string, r *Repository) ([]finding.Finding, error) {
	if r == nil {
		return nil, nil
	}
	var messages []string
	if r.Main && !isGitFolder(r.Dir) {
		messages = append(messages,
			fmt.Sprintf("git no longer accepts it as a git folder, and would use one that it finds in %s or above", workTree))
	}
	if isGitFolder(workTree) {
		messages = append(messages, workTree+" has itself become a git folder, with a configuration of its own")
	}
	links, err := r.symbolicLinks()
	if err != nil {
		return nil, fmt.Errorf("git folder: %w", err)
	}
	for _, p := range links {
		messages = append(messages, p+" is a symbolic link, through which git would write")
	}
	var found []finding.Finding
	for _, m := range messages {
		found = append(found, finding.Finding{
			Level: finding.Warning, Subject: "git " + r.Dir, Message: m, Remedy: "repair it before running git there",
		})
	}
	return found, nil
}

// symbolicLinks returns the links in the folders that the agent writes and git writes into.
func (r *Repository) symbolicLinks() ([]string, error) {
	var links []string
	roots := []string{filepath.Join(r.Common, "logs"), filepath.Join(r.Common, "refs")}
	if !r.Main {
		roots = append(roots, r.Dir)
	} else {
		entries, err := os.ReadDir(r.Dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink != 0 {
				links = append(links, filepath.Join(r.Dir, e.Name()))
			}
		}
		for _, name := range []string{"rebase-merge", "rebase-apply", "sequencer"} {
			roots = append(roots, filepath.Join(r.Dir, name))
		}
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && d.Type()&fs.ModeSymlink != 0 {
				links = append(links, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return links, nil
}

// isGitFolder reports whether git accepts a folder as a git folder: by HEAD, objects and refs.
func isGitFolder(dir string) bool {
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
	b, err := gitfile.Content(head)
	if err != nil {
		return false
	}
	text := strings.TrimRight(string(b), "\r\n")
	if ref, ok := strings.CutPrefix(text, "ref:"); ok {
		return strings.HasPrefix(strings.TrimSpace(ref), "refs/")
	}
	return len(text) >= 40 && strings.Trim(text[:40], "0123456789abcdefABCDEF") == ""
}

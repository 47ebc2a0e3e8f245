package gitview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// treesInside returns the repository's other work trees inside this one.
func treesInside(workTree, common, dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(common, "worktrees"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("git folder: %w", err)
	}
	var trees []string
	for _, e := range entries {
		own := filepath.Join(common, "worktrees", e.Name())
		to, err := gitfile.Read(filepath.Join(own, "gitdir"))
		if own == dir || err != nil {
			continue // git would prune an entry without gitdir
		}
		trees = append(trees, filepath.Dir(to))
	}
	return foldersInside(workTree, trees)
}

// submodules returns the folders in the work tree with a .git of their own. It looks at the folders that a config in
// modules names as its work tree, and at those of .gitmodules.
func submodules(workTree, modules string) ([]string, error) {
	candidates, err := moduleWorkTrees(modules)
	if err != nil {
		return nil, fmt.Errorf("git folder: %w", err)
	}
	for _, v := range configValues(filepath.Join(workTree, ".gitmodules"), "path") {
		candidates = append(candidates, filepath.Join(workTree, filepath.FromSlash(v)))
	}
	folders, err := foldersInside(workTree, candidates)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range folders {
		info, err := os.Lstat(filepath.Join(p, ".git"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("submodule: %w", err)
		case !info.IsDir() && !info.Mode().IsRegular():
			return nil, fmt.Errorf("submodule: %s must be a file or a folder, not %s", filepath.Join(p, ".git"), fileKind(info))
		default:
			all = append(all, p)
		}
	}
	return all, nil
}

// moduleWorkTrees returns the work trees that the git folders below modules name in their config.
func moduleWorkTrees(modules string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(modules, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "objects", "refs", "logs", "hooks", "info":
				if p != modules {
					return fs.SkipDir
				}
			}
			return nil
		}
		if d.Name() == "config" && d.Type().IsRegular() {
			for _, v := range configValues(p, "worktree") {
				all = append(all, filepath.Join(filepath.Dir(p), filepath.FromSlash(v)))
			}
		}
		return nil
	})
	return all, err
}

// foldersInside returns those of the folders that exist inside workTree, sorted. A symbolic link on the way is an
// error.
func foldersInside(workTree string, folders []string) ([]string, error) {
	var all []string
	for _, p := range folders {
		p = filepath.Clean(p)
		exists, err := isFolderInside(workTree, p)
		if err != nil {
			return nil, err
		}
		if exists {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func isFolderInside(workTree, p string) (bool, error) {
	if p == workTree || !paths.Contains(workTree, p) {
		return false, nil
	}
	for _, dir := range append(paths.Between(workTree, p), p) {
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return false, fmt.Errorf("%s: a symbolic link on the way to %s, which is git's", dir, p)
		}
		if !info.IsDir() {
			return false, nil
		}
	}
	return true, nil
}

// configValues returns the values of a key in a file of git's configuration format, as git itself writes them. A file
// that is missing or a link has none.
func configValues(file, key string) []string {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := gitfile.Content(file)
	if err != nil {
		return nil
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		k, v, ok := strings.Cut(line, "=")
		if v = strings.Trim(strings.TrimSpace(v), `"`); ok && v != "" && strings.EqualFold(strings.TrimSpace(k), key) {
			all = append(all, v)
		}
	}
	return all
}

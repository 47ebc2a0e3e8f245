package worktree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// removed returns the path that a work tree's folder is renamed to while it is removed. It is in the same folder.
func removed(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".docker-loom-removed")
}

// Remove removes a linked work tree with everything in it, even if it is locked. Risks lists beforehand what is lost.
// The folder is renamed first, so that it never exists in part; if Remove is interrupted, the next call finishes it.
// The folder shop-looms is removed too if it is empty. r may be any other work tree of the repository.
func (r *Repository) Remove(ctx context.Context, path string) error {
	return removal{r, false}.run(ctx, path)
}

// RemoveWithBranch calls Remove and deletes the branch that is checked out in the work tree.
func (r *Repository) RemoveWithBranch(ctx context.Context, path string) error {
	return removal{r, true}.run(ctx, path)
}

// removal removes a work tree, and its branch too if withBranch is set.
type removal struct {
	*Repository
	withBranch bool
}

func (r removal) run(ctx context.Context, path string) error {
	folders := adminFolders{r.CommonDir}
	trees, err := r.Trees(ctx)
	if err != nil {
		return err
	}
	aside := removed(path)
	for _, t := range trees {
		if t.Path != path {
			continue
		}
		if t.Main {
			return fmt.Errorf("%s is the main work tree", path)
		}
		if !gone(path) {
			// An interrupted Remove of an earlier work tree may have left this folder.
			if err := os.RemoveAll(aside); err != nil {
				return err
			}
			if err := os.Rename(path, aside); err != nil {
				return err
			}
		}
		// The branch goes first: once git has forgotten the work tree, a retry could not tell which branch it was.
		if r.withBranch && t.Branch != "" {
			if err := r.deleteBranch(ctx, t.Branch); err != nil {
				return err
			}
		}
		for _, admin := range folders.list() {
			if pathOf(admin) == path {
				if err := folders.forget(admin); err != nil {
					return err
				}
			}
		}
	}
	if err := folders.sweep(); err != nil {
		return err
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("%w (git no longer knows the work tree; what is left of it is in %s)", err, aside)
	}
	if dir := filepath.Dir(path); dir == filepath.Dir(r.Folder(nil, "x")) {
		// Remove fails if the folder is not empty, as it should.
		_ = os.Remove(dir)
	}
	return r.Unexclude(ctx, ownerOf(path))
}

// Leftover reports whether a Remove of the path was interrupted.
func Leftover(path string) bool { return !gone(removed(path)) }

// forgotten starts the name that a work tree's folder in .git has while it is removed.
const forgotten = "docker-loom-forgotten-"

// forget makes git forget a work tree whose folder is gone. It renames the tree's folder in .git, then deletes it. git
// worktree remove deletes file by file: if it is killed, neither git nor docker loom recognises the rest.
func (f adminFolders) forget(admin string) error {
	away := filepath.Join(f.commonDir, forgotten+filepath.Base(admin))
	if err := os.RemoveAll(away); err != nil {
		return err
	}
	if err := os.Rename(admin, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// git removes the folder .git/worktrees with its last entry too. If there are others, this fails.
	_ = os.Remove(filepath.Dir(admin))
	return os.RemoveAll(away)
}

// sweep deletes the folders that an interrupted forget left.
func (f adminFolders) sweep() error {
	entries, err := os.ReadDir(f.commonDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), forgotten) {
			if err := os.RemoveAll(filepath.Join(f.commonDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteBranch removes the branch of the work tree that is being removed. git branch refuses a branch that is checked
// out.
func (r removal) deleteBranch(ctx context.Context, branch string) error {
	if _, err := r.patientWith(ctx, branch, "update-ref", "-d", "refs/heads/"+branch); err != nil {
		return err
	}
	_, err := r.patient(ctx, "config", "--remove-section", "branch."+branch)
	if text, ok := git.Said(err); ok && strings.Contains(text, "no such section") {
		return nil
	}
	return err
}

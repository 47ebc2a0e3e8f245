package worktree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// removed is what the folder of a work tree that is being removed is called meanwhile: beside where it was.
func removed(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".docker-loom-removed")
}

// Remove removes a linked work tree, whatever is in it, also if it is locked: Risks tells beforehand what is lost.
// The folder is first renamed, so that it is there whole or not at all; a Remove that was interrupted is finished by
// another one. The folder shop-looms goes when it is empty. r may be seen from any other work tree.
func (r *Repository) Remove(ctx context.Context, path string) error {
	return removal{r, false}.run(ctx, path)
}

// RemoveWithBranch is Remove, and deletes the branch that is checked out there.
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
			// What is left of another one of that name.
			if err := os.RemoveAll(aside); err != nil {
				return err
			}
			if err := os.Rename(path, aside); err != nil {
				return err
			}
		}
		// As long as git knows the work tree, it also knows the branch.
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
		// Fails, and should fail, where anything else is in it.
		_ = os.Remove(dir)
	}
	return r.Unexclude(ctx, ownerOf(path))
}

// Leftover reports whether a Remove of the path was interrupted.
func Leftover(path string) bool { return !gone(removed(path)) }

// forgotten begins what the folder in .git of a work tree that git forgets is called meanwhile.
const forgotten = "docker-loom-forgotten-"

// forget makes git forget a work tree whose folder is gone. git worktree remove deletes file by file: killed in the
// middle it leaves what git, or we, no longer know for what it was. A rename leaves all or nothing.
func (f adminFolders) forget(admin string) error {
	away := filepath.Join(f.commonDir, forgotten+filepath.Base(admin))
	if err := os.RemoveAll(away); err != nil {
		return err
	}
	if err := os.Rename(admin, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// As git does. It fails where there are others.
	_ = os.Remove(filepath.Dir(admin))
	return os.RemoveAll(away)
}

// sweep ends what any forget was interrupted in.
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

// deleteBranch removes a branch that is checked out in the work tree that goes: git branch would refuse that.
func (r removal) deleteBranch(ctx context.Context, branch string) error {
	if _, err := r.patientWith(ctx, branch, "update-ref", "-d", "refs/heads/"+branch); err != nil {
		return err
	}
	_, err := r.patient(ctx, "config", "--remove-section", "branch."+branch)
	if failed := (*gitError)(nil); errors.As(err, &failed) && strings.Contains(failed.stderr, "no such section") {
		return nil
	}
	return err
}

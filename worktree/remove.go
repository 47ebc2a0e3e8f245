package worktree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// removed is what the folder of a work tree that is being removed is called meanwhile: beside where it was.
func removed(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".docker-loom-removed")
}

// Remove removes a linked work tree, whatever is in it and also where it is locked: Risks tells beforehand what is lost.
// The folder is first renamed, so that it is there whole or not at all; a Remove that was interrupted is finished by
// another one. The folder shop-looms goes when it is empty. r may be seen from any other work tree.
func (r *Repository) Remove(ctx context.Context, path string) error {
	trees, err := r.Trees(ctx)
	if err != nil {
		return err
	}
	listed := false
	for _, t := range trees {
		if t.Path != path {
			continue
		}
		if t.Main {
			return fmt.Errorf("%s is the main work tree", path)
		}
		listed = true
	}
	aside := removed(path)
	if listed {
		if err := os.RemoveAll(aside); err != nil {
			return err
		}
		if err := os.Rename(path, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := r.patient(ctx, "worktree", "remove", "--force", "--force", path); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("%w (the work tree is no longer known to git; what is left of it is in %s)", err, aside)
	}
	if dir := filepath.Dir(path); dir == filepath.Dir(r.Folder(nil, "x")) {
		// Fails, and shall fail, where anything else is in it.
		_ = os.Remove(dir)
	}
	return r.Unexclude(ctx, ownerOf(path))
}

// Leftover tells whether a Remove of the path was interrupted.
func Leftover(path string) bool { return !gone(removed(path)) }

// DeleteBranch removes a branch, whether it is merged or not. It is no error when there is none; one that is checked out
// somewhere is.
func (r *Repository) DeleteBranch(ctx context.Context, branch string) error {
	refs, err := r.refs(ctx)
	if err != nil || !refs.has(branch) {
		return err
	}
	_, err = r.patient(ctx, "branch", "--quiet", "-D", "--", branch)
	return err
}

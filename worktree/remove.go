package worktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// removed is what the folder of a work tree that is being removed is called meanwhile: beside where it was.
func removed(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".docker-loom-removed")
}

// Remove removes a linked work tree, whatever is in it and also where it is locked, and with branch the branch that is
// checked out there: Risks tells beforehand what is lost. The folder is first renamed, so that it is there whole or not
// at all; a Remove that was interrupted is finished by another one. The folder shop-looms goes when it is empty. r may
// be seen from any other work tree.
func (r *Repository) Remove(ctx context.Context, path string, branch bool) error {
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
		if branch && t.Branch != "" {
			if err := r.deleteBranch(ctx, t.Branch); err != nil {
				return err
			}
		}
		if _, err := r.patient(ctx, "worktree", "remove", "--force", "--force", path); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("%w (git no longer knows the work tree; what is left of it is in %s)", err, aside)
	}
	if dir := filepath.Dir(path); dir == filepath.Dir(r.Folder(nil, "x")) {
		// Fails, and shall fail, where anything else is in it.
		_ = os.Remove(dir)
	}
	return r.Unexclude(ctx, ownerOf(path))
}

// Leftover tells whether a Remove of the path was interrupted.
func Leftover(path string) bool { return !gone(removed(path)) }

// deleteBranch removes a branch that is checked out in the work tree that goes: git branch would refuse that.
func (r *Repository) deleteBranch(ctx context.Context, branch string) error {
	if _, err := r.patientWith(ctx, branch, "update-ref", "-d", "refs/heads/"+branch); err != nil {
		return err
	}
	_, err := r.patient(ctx, "config", "--remove-section", "branch."+branch)
	if failed := (*gitError)(nil); errors.As(err, &failed) && strings.Contains(failed.stderr, "no such section") {
		return nil
	}
	return err
}

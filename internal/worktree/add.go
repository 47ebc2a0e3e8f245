package worktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Add makes the work tree, its branch too where that is new. It is then locked until Finish, so that the caller can put
// in what else it needs: a crash before that leaves what Resume continues or clears away. Nothing is left of an Add
// that fails.
//
// No hook of the repository runs. Filters do, as configured: files of Git LFS have their content. Submodules are empty.
// Where other git processes hold locks that it needs, Add tries again for a while.
func (r *Repository) Add(ctx context.Context, a *Addition) (err error) {
	if err := Verify(r); err != nil {
		return err
	}
	for _, path := range a.stale {
		if _, err := r.patient(ctx, "worktree", "remove", "--force", path); err != nil {
			return err
		}
	}
	if a.within != "" {
		// First the name, then the folder: git never sees it in between.
		if err := r.Exclude(ctx, ownerOf(a.Path), []string{Pattern(mustRel(a.within, a.Path))}); err != nil {
			return err
		}
	}
	made := false
	defer func() {
		if err != nil {
			a.undo(context.WithoutCancel(ctx), r, made)
		}
	}()
	if made, err = a.makeBranch(ctx, r); err != nil {
		return err
	}
	if err = removeStub(filepath.Join(r.CommonDir, "worktrees", filepath.Base(a.Path))); err != nil {
		return err
	}
	args := []string{"worktree", "add", "--no-checkout", "--lock", "--reason", reason(a.ID, a.Path), a.Path, a.Branch}
	if _, err = r.patient(ctx, args...); err != nil {
		return err
	}
	at, err := Find(ctx, a.Path)
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(at.GitDir, marker), []byte(a.ID+"\n"), 0o644); err != nil {
		return err
	}
	// Unlike reset, it leaves all refs alone.
	_, err = at.patient(ctx, "read-tree", "--reset", "-u", "--no-recurse-submodules", "HEAD")
	return err
}

// removeStub removes the folder that a git which was killed at once has made for a work tree: one with nothing in it,
// or with files that have nothing in them.
func removeStub(admin string) error {
	entries, err := os.ReadDir(admin)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > 0 {
			return nil //nolint:nilerr // no stub then, and git's to judge
		}
	}
	return os.RemoveAll(admin)
}

// makeBranch makes the branch if it is new, in steps that can each be tried again.
func (a *Addition) makeBranch(ctx context.Context, r *Repository) (made bool, err error) {
	start := a.Start
	if a.New && a.fetch != nil {
		args := []string{
			"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance",
			"--refmap=",
		}
		if _, err := r.patient(ctx, append(args, a.fetch...)...); err != nil {
			return false, err
		}
		// It may have moved since it was planned.
		_, start, _ = strings.Cut(a.fetch[1], ":")
	}
	if a.New {
		if _, err := r.patientWith(ctx, a.Branch, "branch", "--no-track", a.Branch, start); err != nil {
			return false, err
		}
	}
	if a.Upstream != "" {
		if _, err := r.patient(ctx, "branch", "--quiet", "--set-upstream-to="+a.Upstream, a.Branch); err != nil {
			return a.New, err
		}
	}
	return a.New, nil
}

// undo takes back what an Add that failed has done. What cannot be taken back now, Resume finds.
func (a *Addition) undo(ctx context.Context, r *Repository, branch bool) {
	_ = adminFolders{r.CommonDir}.clear(a.ID)
	if branch {
		_, _ = r.patient(ctx, "branch", "--quiet", "-D", a.Branch)
	}
	if a.within != "" {
		_ = r.Unexclude(ctx, ownerOf(a.Path))
	}
}

// Finish says that the work tree at path is complete.
func (r *Repository) Finish(ctx context.Context, path string) error {
	_, err := r.patient(ctx, "worktree", "unlock", path)
	return err
}

// ownerOf is how a work tree inside another one is called in info/exclude.
func ownerOf(path string) string { return "work tree " + filepath.Base(path) }

// mustRel is the way from a folder to a path inside it.
func mustRel(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return path
	}
	return rel
}

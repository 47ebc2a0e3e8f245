package worktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Add makes the work tree, and its branch if that is new. The work tree stays locked until Finish, so that the caller
// can add files to it. After a crash in between, Resume continues with the tree or removes it. If Add fails, it leaves
// nothing behind. The head of a pull request must have been fetched.
//
// Hooks of the repository do not run. Its filters do: files of Git LFS have their content. Submodules are empty. If
// another git process holds a lock, Add tries again for a while.
func (r *Repository) Add(ctx context.Context, a *Addition) (err error) {
	if err := Verify(r); err != nil {
		return err
	}
	for _, path := range a.stale {
		// Twice, because Keep may have locked it.
		if _, err := r.patient(ctx, "worktree", "remove", "--force", "--force", path); err != nil {
			return err
		}
	}
	if a.within != "" {
		// The name is excluded before the folder exists, so that git never lists it as untracked.
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
	// git reset would write refs; read-tree does not.
	_, err = at.patient(ctx, "read-tree", "--reset", "-u", "--no-recurse-submodules", "HEAD")
	return err
}

// removeStub removes the folder in .git/worktrees that a killed git process left if it is empty, or if all files in it
// are empty.
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
			return nil //nolint:nilerr // not a stub: git decides about it
		}
	}
	return os.RemoveAll(admin)
}

// FetchHead fetches the head of the pull request that an addition begins at, nil if it begins elsewhere. The head is
// kept as a remote-tracking ref.
func (r *Repository) FetchHead(ctx context.Context, a *Addition) (*Head, error) {
	if !a.New || a.fetch == nil {
		return nil, nil
	}
	args := []string{
		"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance",
		"--refmap=",
	}
	if _, err := r.patient(ctx, append(args, a.fetch...)...); err != nil {
		return nil, err
	}
	// The pull request may have got commits since the plan: the branch starts at what was fetched.
	_, ref, _ := strings.Cut(a.fetch[1], ":")
	commit, err := commitIn(ctx, r.dir(), ref)
	if err != nil {
		return nil, err
	}
	return &Head{Commit: commit, From: a.From}, nil
}

// makeBranch makes the branch if it is new. Each of its steps can be tried again.
func (a *Addition) makeBranch(ctx context.Context, r *Repository) (made bool, err error) {
	if a.New {
		if _, err := r.patientWith(ctx, a.Branch, "branch", "--no-track", a.Branch, a.Start); err != nil {
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

// undo removes what a failed Add made. Whatever it cannot remove now, Resume finds later.
func (a *Addition) undo(ctx context.Context, r *Repository, branch bool) {
	_ = adminFolders{r.CommonDir}.clear(a.ID)
	if branch {
		_, _ = r.patient(ctx, "branch", "--quiet", "-D", a.Branch)
	}
	if a.within != "" {
		_ = r.Unexclude(ctx, ownerOf(a.Path))
	}
}

// Finish marks the work tree at path as complete: it unlocks it.
func (r *Repository) Finish(ctx context.Context, path string) error {
	_, err := r.patient(ctx, "worktree", "unlock", path)
	return err
}

// ownerOf returns the owner of the info/exclude block that hides a work tree inside another one.
func ownerOf(path string) string { return "work tree " + filepath.Base(path) }

// mustRel returns the relative path from a folder to a path inside it.
func mustRel(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return path
	}
	return rel
}

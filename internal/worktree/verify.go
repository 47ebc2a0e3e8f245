package worktree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// Verify checks, without git, that the files by which git finds a repository still lead where r says: .git of the work
// tree to GitDir, and for a linked work tree GitDir to CommonDir and back to the work tree. Otherwise a process that
// can write the work tree could make git obey another repository's configuration, which can run programs.
//
// Verify does not know where these files led earlier: the caller compares r with what was recorded. It refuses a linked
// work tree whose common dir is inside itself, because git makes none like that. The error names the file.
func Verify(r *Repository) error {
	if r.WorkTree == "" {
		return nil
	}
	dotGit := filepath.Join(r.WorkTree, ".git")
	info, err := os.Lstat(dotGit)
	if errors.Is(err, os.ErrNotExist) && !r.Linked() {
		// core.worktree can give a git folder a work tree elsewhere, which then has no .git.
		return nil
	}
	if err != nil {
		return err
	}
	to := dotGit
	if info.Mode().IsRegular() {
		if to, err = gitfile.Read(dotGit); err != nil {
			return err
		}
	}
	if err := same(dotGit, to, r.GitDir); err != nil {
		return err
	}

	if !r.Linked() {
		return verifyMain(r)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file, but %s is a linked work tree", dotGit, r.WorkTree)
	}
	return verifyLinked(r)
}

// verifyMain checks that a main checkout has no commondir, or one that names the git folder itself: package gitview
// makes that for a sandbox, so that the agent cannot make another.
func verifyMain(r *Repository) error {
	common := filepath.Join(r.GitDir, "commondir")
	b, err := gitfile.Content(common)
	if err == nil && strings.TrimRight(string(b), "\r\n") != "." {
		return fmt.Errorf("%s exists, but %s is not a linked work tree", common, r.WorkTree)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// verifyLinked checks that the git folder of a linked work tree leads to the repository and back to the work tree.
func verifyLinked(r *Repository) error {
	common := filepath.Join(r.GitDir, "commondir")
	to, err := gitfile.Read(common)
	if err != nil {
		return err
	}
	if err := same(common, to, r.CommonDir); err != nil {
		return err
	}
	back := filepath.Join(r.GitDir, "gitdir")
	if to, err = gitfile.Read(back); err != nil {
		return err
	}
	if err := same(back, filepath.Dir(to), r.WorkTree); err != nil {
		return err
	}
	dotGit := filepath.Join(r.WorkTree, ".git")
	if filepath.Dir(r.GitDir) != filepath.Join(r.CommonDir, "worktrees") {
		return fmt.Errorf("%s: leads to %s, which is not in worktrees of %s", dotGit, r.GitDir, r.CommonDir)
	}
	if rel, err := filepath.Rel(r.WorkTree, r.CommonDir); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("%s: leads to %s, which is inside the work tree", dotGit, r.CommonDir)
	}
	return nil
}

// same returns an error unless to, which the file name leads to, is the folder want. Both must exist.
func same(name, to, want string) error {
	a, err := os.Stat(to)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b, err := os.Stat(want)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !os.SameFile(a, b) {
		return fmt.Errorf("%s: leads to %s, not to %s", name, to, want)
	}
	return nil
}

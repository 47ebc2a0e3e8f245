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
	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// Read reads the repository of a work tree, given the common dir and own git folder that git named. It starts no
// process and writes nothing.
//
// Paths that go through a symbolic link in the work tree or in the git folder are refused: an earlier agent could
// have made the link, and its target would be mounted.
func Read(workTree, common, dir string) (*Repository, []finding.Finding, error) {
	r := &Repository{Common: common, Dir: dir, Main: common == dir}
	for _, p := range []string{workTree, common, dir} {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return nil, nil, fmt.Errorf("git folder: %w", err)
		}
		if real != p {
			return nil, nil, fmt.Errorf("git folder: %s goes through a symbolic link to %s", p, real)
		}
	}
	if err := r.readDotGit(workTree); err != nil {
		return nil, nil, err
	}
	if !r.Main && filepath.Dir(dir) != filepath.Join(common, "worktrees") {
		return nil, nil, fmt.Errorf("git folder: %s is not in worktrees of %s", dir, common)
	}
	if err := r.readEntries(); err != nil {
		return nil, nil, err
	}
	var err error
	if r.Trees, err = treesInside(workTree, common, dir); err != nil {
		return nil, nil, err
	}
	if r.Submodules, err = submodules(workTree, filepath.Join(dir, "modules")); err != nil {
		return nil, nil, err
	}
	return r, r.findings(), nil
}

// readDotGit checks that .git of the work tree leads to the git folder that git named.
func (r *Repository) readDotGit(workTree string) error {
	dotGit := filepath.Join(workTree, ".git")
	info, err := os.Lstat(dotGit)
	switch {
	case err != nil:
		return fmt.Errorf("git folder: %w", err)
	case info.IsDir() && (!r.Main || r.Dir != dotGit):
		return fmt.Errorf("git folder: %s is a folder, but git names %s", dotGit, r.Dir)
	case info.IsDir():
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("git folder: %s must be a file or a folder, not %s", dotGit, fileKind(info))
	case paths.Contains(workTree, r.Common):
		return fmt.Errorf("git folder: %s names %s, which is inside the work tree", dotGit, r.Common)
	}
	r.DotGitFile = true
	return checkPointer(dotGit, r.Dir)
}

// checkPointer checks that a .git file names dir.
func checkPointer(file, dir string) error {
	to, err := gitfile.Read(file)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(to); err != nil || real != dir {
		return fmt.Errorf("git folder: %s names %s, not %s", file, to, dir)
	}
	return nil
}

// readEntries checks the kinds of the entries that have mounts of their own, and lists the others.
func (r *Repository) readEntries() error {
	if _, err := os.Lstat(filepath.Join(r.Common, "reftable")); err == nil {
		r.Reftable = true
	}
	for _, name := range append([]string{"logs"}, r.commonFolders()...) {
		if err := checkKind(r.Common, entry{name: name, isFolder: true}); err != nil {
			return err
		}
	}
	for _, e := range r.protected() {
		if err := checkKind(r.Dir, e); err != nil {
			return err
		}
	}
	commonDirFile := filepath.Join(r.Dir, "commondir")
	if b, err := gitfile.Content(commonDirFile); r.Main && err == nil && strings.TrimRight(string(b), "\r\n") != "." {
		return fmt.Errorf("git folder: %s names %q, but this is a main checkout", commonDirFile, b)
	}
	entries, err := os.ReadDir(r.Common)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	for _, e := range entries {
		if !r.Main {
			if !strings.HasSuffix(e.Name(), ".lock") {
				r.Others = append(r.Others, e.Name())
			}
			continue
		}
		// A link cannot be mounted on itself, and git makes none.
		if !isWrittenByGit(e.Name()) && !isProtectedInMain(e.Name()) && (e.IsDir() || e.Type().IsRegular()) {
			r.Others = append(r.Others, e.Name())
		}
	}
	return nil
}

// checkKind checks that an entry of dir, if it exists, is the folder or the regular file that it should be.
func checkKind(dir string, e entry) error {
	p := filepath.Join(dir, e.name)
	info, err := os.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("git folder: %w", err)
	case e.isFolder && !info.IsDir():
		return fmt.Errorf("git folder: %s must be a folder, not %s", p, fileKind(info))
	case !e.isFolder && !info.Mode().IsRegular():
		return fmt.Errorf("git folder: %s must be a file, not %s", p, fileKind(info))
	}
	return nil
}

func fileKind(info fs.FileInfo) string {
	switch {
	case info.IsDir():
		return "a folder"
	case info.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link"
	case info.Mode().IsRegular():
		return "a file"
	default:
		return "a special file"
	}
}

func (r *Repository) findings() []finding.Finding {
	// The agent can write the file alternates, so the folders in it must not be mounted.
	if _, err := os.Lstat(filepath.Join(r.Common, "objects", "info", "alternates")); err != nil {
		return nil
	}
	return []finding.Finding{{
		Level: finding.Warning, Subject: "git " + r.Common,
		Message: "it borrows objects from another repository, which the sandbox does not see",
		Remedy: "git repack -a -d and remove objects/info/alternates, " +
			"or add the other one's objects to container.agent.mounts",
	}}
}

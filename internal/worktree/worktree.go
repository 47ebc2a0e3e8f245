// Package worktree finds, adds and removes git work trees: which repository a folder belongs to, where its main work
// tree is, which files git tracks, and which names git must ignore. It runs the git binary (2.39 or later) and reads
// those of git's files that git documents.
//
// All paths are absolute and clean, in the system's spelling, with symbolic links resolved as git does it. Two ways
// to spell one folder thus give the same Main, WorkTree, GitDir and CommonDir. Paths given to this package may be
// spelt in any way.
package worktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// Repository is a repository as git sees it from one folder, with the work tree that the folder is in.
type Repository struct {
	// Main is the path of the main work tree, the same from each work tree of the repository. Of a bare repository it
	// is the common dir. It is the common dir too when seen from a linked work tree of a repository made with
	// --separate-git-dir: such a git dir does not know its main work tree.
	Main string
	// CommonDir is the git folder that all work trees share.
	CommonDir string
	// WorkTree is the top level of the work tree, or "" in a bare repository and inside a git folder.
	WorkTree string
	// GitDir is the git folder of this work tree: CommonDir itself, or for a linked work tree one below it.
	GitDir string
	// Branch is the branch that is checked out, as in "feat/x", also before its first commit. It is "" when HEAD is
	// detached, as it is in the middle of a rebase.
	Branch string
	// Bare says that the repository has no main work tree. It is also set when seen from a linked work tree.
	Bare bool
}

// Linked reports whether the folder is in a linked work tree, one made by git worktree add.
func (r *Repository) Linked() bool { return r.GitDir != r.CommonDir }

// separator keeps git's answers apart, because a path may contain a line end. git rev-parse prints an unknown option as
// a line of its own; no path contains this line.
const separator = "--docker-loom-next-answer"

// answers splits what git rev-parse said. The last answer is "" when git could not give it.
func answers(out []byte) []string {
	a := strings.Split(string(out), "\n"+separator+"\n")
	a[len(a)-1] = strings.TrimSuffix(a[len(a)-1], "\n")
	return a
}

// Find returns the repository that dir is in, or nil without an error if there is none. Without a git binary the result
// is nil too, unless dir or a folder above has a .git. Errors have git's own words: a repository of another owner, a
// work tree whose repository is gone. Submodules are repositories of their own.
//
// Find runs one git process. It runs a second one if dir is in a linked work tree or a git folder and the repository is
// bare or has core.worktree set, and for the branch of a repository with reftables.
func Find(ctx context.Context, dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// --show-toplevel comes last: without a work tree it ends the process, after the others have answered.
	out, err := git.Run(ctx, dir, "rev-parse", "--path-format=absolute",
		"--git-dir", separator, "--git-common-dir", separator, "--is-bare-repository", separator, "--show-toplevel")
	text, failed := git.Said(err)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		if at, ok := dotGit(dir); ok {
			return nil, fmt.Errorf("repository %s: %w", at, err)
		}
		return nil, nil
	case failed:
		// "not a git repository: /path" is different: a .git file leads nowhere, and that must be an error.
		if strings.HasPrefix(text, "fatal: not a git repository (or any") {
			return nil, nil
		}
		if !strings.Contains(text, "must be run in a work tree") {
			return nil, err
		}
	case err != nil:
		return nil, err
	}

	a := answers(out)
	if len(a) != 4 {
		return nil, fmt.Errorf("git rev-parse in %s: answer %q", dir, out)
	}
	r := &Repository{GitDir: path(a[0]), CommonDir: path(a[1]), Bare: a[2] == "true", WorkTree: path(a[3])}
	if err := r.findMain(ctx); err != nil {
		return nil, err
	}
	if r.Branch, err = r.head(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// path turns git's spelling of a path into this system's, and "" into "".
func path(s string) string {
	if s == "" {
		return ""
	}
	return filepath.Clean(filepath.FromSlash(s))
}

// dotGit returns the first .git in dir or above.
func dotGit(dir string) (at string, ok bool) {
	for {
		at = filepath.Join(dir, ".git")
		if _, err := os.Lstat(at); err == nil {
			return at, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
}

// findMain sets Main. From a linked work tree it also sets Bare: git's answer was about that tree only.
func (r *Repository) findMain(ctx context.Context) error {
	if !r.Linked() && (r.Bare || r.WorkTree != "") {
		r.Main = r.WorkTree
		if r.Bare {
			r.Main = r.CommonDir
		}
		return nil
	}
	plain, err := plainConfig(r.CommonDir)
	if err != nil {
		return err
	}
	if !plain {
		// The git dir is named, because safe.bareRepository may forbid git to discover a bare repository. If no work tree
		// is configured, git then answers with the current folder.
		out, err := git.Run(ctx, r.CommonDir,
			"--git-dir=.", "rev-parse", "--is-bare-repository", separator, "--show-toplevel")
		a := answers(out)
		if len(a) != 2 {
			if err == nil {
				err = fmt.Errorf("git rev-parse in %s: answer %q", r.CommonDir, out)
			}
			return err
		}
		top := path(a[1])
		switch {
		case a[0] == "true":
			r.Main, r.Bare = r.CommonDir, true
			return nil
		case err != nil:
			return err
		case top != r.CommonDir:
			r.Main = top
			return nil
		}
		// With a commondir in the git folder of a main checkout git does not obey core.worktree. It ends with 1 if there
		// is none.
		set, err := git.Run(ctx, r.CommonDir, "config", "--file", "config", "--get", "core.worktree")
		if to := path(strings.TrimSuffix(string(set), "\n")); err == nil && to != "" {
			if !filepath.IsAbs(to) {
				to = filepath.Join(r.CommonDir, to)
			}
			r.Main = resolve(to)
			return nil
		}
	}
	r.Main = r.CommonDir
	if filepath.Base(r.CommonDir) == ".git" {
		r.Main = filepath.Dir(r.CommonDir)
	}
	return nil
}

// plainConfig reports whether the repository is certainly neither bare nor has core.worktree set, so that no second git
// process is needed. It may be wrong in one direction only: false for a plain repository. It reads two files; git obeys
// these keys from nowhere else, since it follows no include for them.
func plainConfig(common string) (bool, error) {
	for _, name := range []string{"config", "config.worktree"} {
		b, err := gitfile.Content(filepath.Join(common, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("git configuration: %w", err)
		}
		b = bytes.ToLower(b)
		b = bytes.ReplaceAll(b, []byte("bare = false"), nil)
		b = bytes.ReplaceAll(b, []byte("worktreeconfig"), nil)
		if bytes.Contains(b, []byte("bare")) || bytes.Contains(b, []byte("worktree")) {
			return false, nil
		}
	}
	return true, nil
}

// head returns the branch that HEAD names, or "".
func (r *Repository) head(ctx context.Context) (string, error) {
	const heads = "refs/heads/"
	name := filepath.Join(r.GitDir, "HEAD")
	b, err := gitfile.Content(name)
	if err != nil {
		return "", fmt.Errorf("current branch: %w", err)
	}
	ref, symbolic := strings.CutPrefix(string(b), "ref:")
	ref = strings.TrimSpace(ref)
	switch info, err := os.Lstat(name); {
	case err != nil:
		return "", fmt.Errorf("current branch: %w", err)
	case symbolic && ref != heads+".invalid":
		branch, ok := strings.CutPrefix(ref, heads)
		if !ok {
			return "", nil
		}
		return branch, nil
	case !symbolic && info.Mode().IsRegular():
		return "", nil
	}
	// With reftables HEAD is a dummy, and in very old repositories it is a symbolic link: only git can read both.
	out, err := git.Run(ctx, r.GitDir, "--git-dir=.", "symbolic-ref", "-q", "HEAD")
	if text, failed := git.Said(err); failed && text == "" {
		return "", nil // detached
	}
	if err != nil {
		return "", err
	}
	branch, _ := strings.CutPrefix(strings.TrimSpace(string(out)), heads)
	return branch, nil
}

// Tree is one work tree of a repository.
type Tree struct {
	// Path is its top level. Of a bare repository's own entry it is the common dir.
	Path string
	// Branch is the branch checked out there, or "" when detached or bare.
	Branch string
	// Main says that this is the main work tree, or the bare repository itself.
	Main bool
	// Bare says that there are no files: only the Main entry can be so.
	Bare bool
	// Locked says that git worktree lock protects it from being pruned; Reason is why, as the one who locked it wrote.
	Locked bool
	Reason string
	// Prunable says that its folder is gone, and that git worktree prune would forget it.
	Prunable bool
	// For is the id that Add made it for, "" if somebody else made it. Unfinished says that Finish was not called yet:
	// the tree is still being made, or that was interrupted.
	For        string
	Unfinished bool
}

// Trees returns all work trees of the repository, the main one first, also those whose folder is gone. Errors are
// those of git worktree list.
func (r *Repository) Trees(ctx context.Context) ([]Tree, error) {
	list := []string{"worktree", "list", "--porcelain", "-z"}
	out, err := git.Run(ctx, r.dir(), list...)
	if inTheWay(err) {
		if err := (adminFolders{r.CommonDir}).mend(); err != nil {
			return nil, err
		}
		out, err = r.patient(ctx, list...)
	}
	if err != nil {
		return nil, err
	}
	var trees []Tree
	for line := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(line, " ")
		if key == "worktree" {
			trees = append(trees, Tree{Path: resolve(filepath.FromSlash(value))})
			continue
		}
		if len(trees) == 0 {
			continue
		}
		t := &trees[len(trees)-1]
		switch key {
		case "branch":
			t.Branch, _ = strings.CutPrefix(value, "refs/heads/")
		case "locked":
			t.Locked, t.Reason = true, value
		case "prunable":
			t.Prunable = true
		}
	}
	if len(trees) == 0 {
		return nil, fmt.Errorf("git worktree list in %s: no work tree", r.dir())
	}
	// git derives the main work tree from the name of the common dir, which is wrong for a submodule, a separate git
	// dir, and a bare repository that is called .git.
	trees[0].Path, trees[0].Main, trees[0].Bare = r.Main, true, r.Bare
	if r.Bare {
		trees[0].Branch = ""
	}
	made, err := adminFolders{r.CommonDir}.made()
	if err != nil {
		return nil, err
	}
	for i := range trees {
		trees[i].For = made[trees[i].Path]
		if id, _, ok := underReason(trees[i].Reason); ok {
			trees[i].For, trees[i].Unfinished = id, true
		}
	}
	return trees, nil
}

// dir returns the folder in which git is asked about the repository.
func (r *Repository) dir() string {
	if r.WorkTree != "" {
		return r.WorkTree
	}
	return r.GitDir
}

// resolve returns p with its symbolic links followed. The part of p that does not exist stays as it is.
func resolve(p string) string {
	p = filepath.Clean(p)
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	up := filepath.Dir(p)
	if up == p {
		return p
	}
	return filepath.Join(resolve(up), filepath.Base(p))
}

// Tracked reports for each path whether git tracks it: a file in the index, or a folder with such a file in it. Paths
// must be absolute, and the keys of the result are the paths as given. Symbolic links in a path are followed, except in
// its last part: a link is itself tracked or not. Paths outside the work tree or inside a submodule are not tracked.
// Tracked runs one git process.
func (r *Repository) Tracked(ctx context.Context, paths ...string) (map[string]bool, error) {
	tracked := make(map[string]bool, len(paths))
	given := make(map[string][]string) // by path relative to the work tree, in git's spelling
	args := []string{"--literal-pathspecs", "ls-files", "-z", "--full-name", "--"}
	for _, p := range paths {
		tracked[p] = false
		if r.WorkTree == "" {
			continue
		}
		at := resolve(p)
		if at != r.WorkTree {
			clean := filepath.Clean(p)
			at = filepath.Join(resolve(filepath.Dir(clean)), filepath.Base(clean))
		}
		rel, err := filepath.Rel(r.WorkTree, at)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		rel = filepath.ToSlash(rel)
		if given[rel] == nil {
			args = append(args, rel)
		}
		given[rel] = append(given[rel], p)
	}
	if len(given) == 0 {
		return tracked, nil
	}
	out, err := git.Run(ctx, r.WorkTree, args...)
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(string(out), "\x00") {
		for name != "" {
			for _, p := range given[name] {
				tracked[p] = true
			}
			if name == "." {
				break
			}
			i := strings.LastIndexByte(name, '/')
			if i < 0 {
				name = "."
				continue
			}
			name = name[:i]
		}
	}
	return tracked, nil
}

// Package worktree knows the facts of git work trees: which repository a folder belongs to, where its main work tree
// is, which files git tracks, and which names git must ignore. It asks the git binary (2.39 or later) and reads what
// git documents of its files.
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
)

// Repository is what git says of one folder: the repository, and the work tree the folder is in.
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
	// Bare says that the repository has no main work tree. Its linked work trees say so too.
	Bare bool
}

// Linked reports whether the folder is in a linked work tree, one made by git worktree add.
func (r *Repository) Linked() bool { return r.GitDir != r.CommonDir }

// separator keeps git's answers apart: git rev-parse repeats an option that it does not know, in a line of its own. A
// path may well contain a line end, but not this line.
const separator = "--docker-loom-next-answer"

// answers splits what git rev-parse said. The last answer is "" when git could not give it.
func answers(out []byte) []string {
	a := strings.Split(string(out), "\n"+separator+"\n")
	a[len(a)-1] = strings.TrimSuffix(a[len(a)-1], "\n")
	return a
}

// Find returns the repository that dir is in, or nil without an error if there is none. Without a git binary there
// is no repository either, unless dir or a folder above has a .git. Errors are those of git, with its own words: a
// repository of another owner, a work tree whose repository is gone. Submodules are repositories of their own.
//
// It runs one git process; a second one only for a linked work tree, or inside a git folder, where the repository is
// bare or has core.worktree set, and for a branch of a repository with reftables.
func Find(ctx context.Context, dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// --show-toplevel comes last: where there is no work tree it ends the process, after the others have answered.
	out, err := git(ctx, dir, "rev-parse", "--path-format=absolute",
		"--git-dir", separator, "--git-common-dir", separator, "--is-bare-repository", separator, "--show-toplevel")
	var failed *gitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		if at, ok := dotGit(dir); ok {
			return nil, fmt.Errorf("repository %s: %w", at, err)
		}
		return nil, nil
	case errors.As(err, &failed):
		// "not a git repository: /path" in contrast means a .git file that points nowhere, which must not pass for none.
		if strings.HasPrefix(failed.stderr, "fatal: not a git repository (or any") {
			return nil, nil
		}
		if !strings.Contains(failed.stderr, "must be run in a work tree") {
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

// findMain sets Main, and Bare where git answered for the linked work tree only.
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
		// The git dir is named, not discovered, since safe.bareRepository may forbid to discover a bare one. A work
		// tree that is not configured then is the current folder.
		out, err := git(ctx, r.CommonDir, "--git-dir=.", "rev-parse", "--is-bare-repository", separator, "--show-toplevel")
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
	}
	r.Main = r.CommonDir
	if filepath.Base(r.CommonDir) == ".git" {
		r.Main = filepath.Dir(r.CommonDir)
	}
	return nil
}

// plainConfig reports whether the repository surely is neither bare nor has core.worktree set, so that no second git
// process need be asked. It may say no of a plain repository, never yes of another: a key that git obeys is spelt out
// in one of these two files (git follows no include for these keys).
func plainConfig(common string) (bool, error) {
	for _, name := range []string{"config", "config.worktree"} {
		b, err := os.ReadFile(filepath.Join(common, name))
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
	b, err := os.ReadFile(name)
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
	// With reftables HEAD is only a dummy, and long ago it was a symbolic link: git knows.
	out, err := git(ctx, r.GitDir, "--git-dir=.", "symbolic-ref", "-q", "HEAD")
	var failed *gitError
	if errors.As(err, &failed) && failed.stderr == "" {
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
	// For is the id that Add made it for, "" for a work tree that somebody else made. Unfinished says that Add, or what
	// its caller does until Finish, is under way or was interrupted.
	For        string
	Unfinished bool
}

// Trees returns all work trees of the repository, the main one first, also those whose folder is gone. Errors are
// those of git worktree list.
func (r *Repository) Trees(ctx context.Context) ([]Tree, error) {
	list := []string{"worktree", "list", "--porcelain", "-z"}
	out, err := git(ctx, r.dir(), list...)
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

// resolve returns p without symbolic links as far as it exists; what does not exist has none.
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

// Tracked reports for each of paths whether git tracks it: a file that is in the index, or a folder with such a file
// in it. The keys of the answer are the paths as given; they must be absolute. Symbolic links above the last part are
// followed, the last part is not: a link is tracked or not by itself. A path outside the work tree is not tracked, nor
// is one inside a submodule, which is a repository of its own. It runs one git process.
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
	out, err := git(ctx, r.WorkTree, args...)
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

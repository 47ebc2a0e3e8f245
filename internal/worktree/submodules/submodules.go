// Package submodules fills the submodules of a new work tree from those of another one.
//
// git gives each linked work tree a copy of every submodule's repository of its own. It would fetch that from the
// submodule's URL. The other work tree has the objects, so git clones its repository, without a network.
package submodules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// fetchTime bounds how long a remote may take to give the objects that the other work tree has not.
const fetchTime = time.Minute

// maxDepth bounds how deep submodules may be nested.
const maxDepth = 10

// Result says what became of the submodules, by their paths below the work tree.
type Result struct {
	Filled []string
	Failed []Failure
}

// Failure is a submodule that stays as it is.
type Failure struct {
	Path string
	Err  error
}

// Fill checks out the submodules of the work tree to that the work tree from has checked out, nested ones too. Those
// that fail do not keep it from filling the others. It can be called again after an interruption.
func Fill(ctx context.Context, from, to string) (*Result, error) {
	f := &filler{result: &Result{}, top: to}
	if err := f.fill(ctx, from, to, 0); err != nil {
		return nil, err
	}
	return f.result, nil
}

// filler fills the submodules of one work tree.
type filler struct {
	result *Result
	top    string
}

// submodule is one of a work tree. There is its folder in the other work tree, module the git folder of that.
type submodule struct {
	name, path, there, module string
}

func (f *filler) fill(ctx context.Context, from, to string, depth int) error {
	all, err := list(ctx, from, to)
	if err != nil || depth > maxDepth {
		return err
	}
	for _, s := range all {
		here := filepath.Join(to, filepath.FromSlash(s.path))
		shown := s.path
		if rel, err := filepath.Rel(f.top, here); err == nil {
			shown = filepath.ToSlash(rel)
		}
		if err := s.fill(ctx, from, to); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			f.result.Failed = append(f.result.Failed, Failure{shown, err})
			continue
		}
		if _, err := os.Lstat(filepath.Join(here, ".git")); err != nil {
			continue // submodule.NAME.update is none
		}
		f.result.Filled = append(f.result.Filled, shown)
		if err := f.fill(ctx, s.there, here, depth+1); err != nil {
			f.result.Failed = append(f.result.Failed, Failure{shown, err})
		}
	}
	return nil
}

// list returns the submodules of the work tree to that the work tree from has checked out.
func list(ctx context.Context, from, to string) ([]submodule, error) {
	if info, err := os.Lstat(filepath.Join(to, ".gitmodules")); err != nil || !info.Mode().IsRegular() {
		return nil, nil //nolint:nilerr // git reads no other
	}
	out, err := git.Run(ctx, to, "config", "-z", "--file", ".gitmodules", "--get-regexp", `^submodule\..*\.path$`)
	if text, failed := git.Said(err); failed && text == "" {
		return nil, nil // it names none
	}
	if err != nil {
		return nil, err
	}
	var all []submodule
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		key, path, ok := strings.Cut(entry, "\n")
		name := strings.TrimSuffix(strings.TrimPrefix(key, "submodule."), ".path")
		// A branch that others wrote can name any path. git itself refuses the names that lead elsewhere.
		if !ok || !filepath.IsLocal(filepath.FromSlash(path)) || strings.ContainsAny(name, "=\n") {
			continue
		}
		s := submodule{name: name, path: path, there: filepath.Join(from, filepath.FromSlash(path))}
		if s.module, err = moduleOf(s.there); err != nil {
			return nil, err
		}
		if s.module != "" {
			all = append(all, s)
		}
	}
	return all, nil
}

// moduleOf returns the git folder of the submodule that is checked out in a folder, "" if none is.
func moduleOf(dir string) (string, error) {
	dotGit := filepath.Join(dir, ".git")
	info, err := os.Lstat(dotGit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.IsDir():
		return dotGit, nil
	}
	module, err := gitfile.Read(dotGit)
	return filepath.Clean(module), err
}

// fill checks out one submodule. What the other work tree's repository of it does not have is fetched from its URL.
func (s submodule) fill(ctx context.Context, from, to string) error {
	if hasLink(to, filepath.FromSlash(s.path)) {
		return errors.New("a symbolic link is in its path")
	}
	url, err := s.url(ctx, from)
	if err != nil {
		return err
	}
	update := []string{"submodule", "--quiet", "update", "--init", "--", s.path}
	local := []string{"-c", "submodule." + s.name + ".url=" + s.module, "-c", "protocol.file.allow=always"}
	local = append(local, "-c", "clone.defaultRemoteName=origin")
	_, cause := git.Run(ctx, to, append(local, update...)...)
	here := filepath.Join(to, filepath.FromSlash(s.path))
	at, err := moduleOf(here)
	if err != nil || at == "" {
		return errors.Join(cause, err)
	}
	if err := s.connect(ctx, here, url); err != nil {
		return err
	}
	if cause != nil {
		limited, cancel := context.WithTimeoutCause(ctx, fetchTime, errors.New("its remote does not answer"))
		defer cancel()
		if _, err := git.Run(limited, to, update...); err != nil {
			return err
		}
	}
	if _, err := git.Run(ctx, here, "update-ref", worktree.SubmoduleStart+"/HEAD", "HEAD"); err != nil {
		return err
	}
	return makeMovable(here, at)
}

// hasLink reports whether a path below a folder leads through a symbolic link, or is one: a branch that others wrote
// could lead to another repository by it.
func hasLink(dir, rel string) bool {
	for _, part := range strings.Split(rel, string(filepath.Separator)) {
		dir = filepath.Join(dir, part)
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// url is where the other work tree's repository of the submodule was cloned from.
func (s submodule) url(ctx context.Context, from string) (string, error) {
	out, err := git.Run(ctx, s.there, "config", "--get", "remote.origin.url")
	if _, failed := git.Said(err); failed {
		out, err = git.Run(ctx, from, "config", "--get", "submodule."+s.name+".url")
	}
	if err != nil {
		return "", fmt.Errorf("its URL: %w", err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// connect gives the clone the remote, and what is known of it. The other one's branches are kept as refs that rm does
// not take for new work.
func (s submodule) connect(ctx context.Context, here, url string) error {
	if _, err := git.Run(ctx, here, "config", "remote.origin.url", url); err != nil {
		return err
	}
	_, err := git.Run(ctx, here, "-c", "protocol.file.allow=always", "fetch", "--quiet", "--prune", "--no-tags",
		"--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", s.module,
		"+refs/remotes/origin/*:refs/remotes/origin/*", "+refs/heads/*:"+worktree.SubmoduleStart+"/heads/*")
	return err
}

// makeMovable makes git work in the submodule wherever a container mounts the work tree: git writes relative paths,
// from .git to the git folder and back by core.worktree. git does not obey core.worktree if a commondir names the git
// folder itself.
func makeMovable(here, module string) error {
	if info, err := os.Lstat(filepath.Join(here, ".git")); err != nil || !info.Mode().IsRegular() {
		return err
	}
	pointer := "gitdir: " + filepath.ToSlash(module) + "\n"
	if err := os.WriteFile(filepath.Join(here, ".git"), []byte(pointer), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(module, "commondir"), []byte(".\n"), 0o644)
}

package find

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Registered is Resolve for the common case: the folder is in a work tree of the registry, and that is where it was.
// It starts no git process, which takes as long as a command in a container. In all other cases it returns nil.
func (f *Finder) Registered(ctx context.Context, where Where) *Target {
	state, err := f.currentState(ctx)
	if err != nil || state.Fresh {
		return nil
	}
	workTree, repository := topOfWorkTree(where.Source.Dir)
	if repository == "" {
		return nil
	}
	t := &Target{Repository: repository, WorkTree: workTree, Source: where.Source}
	if t.Source.Dir, err = filepath.EvalSymlinks(where.Source.Dir); err != nil {
		return nil
	}
	if where.ID != "" {
		t.ID, err = identity.ParseID(where.ID)
	} else {
		in := state.InFolder(workTree)
		if len(in) == 0 || slices.ContainsFunc(in, func(k *registry.Loom) bool { return k.Repository != repository }) {
			return nil
		}
		err = f.chooseID(state, t, Reading)
	}
	if err != nil {
		return nil
	}
	if t.Projects = registry.Clones(state.Projects(repository, t.ID)); len(t.Projects) == 0 {
		return nil
	}
	if at := t.Projects[0].WorkTree; at != workTree && host.IsDir(at) {
		setTree(t, at)
	}
	t.Source.Top = t.WorkTree
	if f.chooseProject(ctx, t, where, Reading) != nil {
		return nil
	}
	f.InUse.noteWord(t.ID, t.ID)
	return t
}

// inKnownTree is Here for a folder in a work tree of the registry, nil for any other. It reads no file.
func (f *Finder) inKnownTree(state *registry.State, src stack.Source) *Target {
	dir, err := filepath.EvalSymlinks(src.Dir)
	if err != nil {
		return nil
	}
	src.Dir, src.Environ = dir, f.Process.Environ
	for ; ; dir = filepath.Dir(dir) {
		if in := state.InFolder(dir); len(in) > 0 {
			repository := in[0].Repository
			if slices.ContainsFunc(in, func(k *registry.Loom) bool { return k.Repository != repository }) {
				return nil
			}
			src.Top = dir
			return &Target{Repository: repository, WorkTree: dir, Source: src}
		}
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// topOfWorkTree finds the top of the folder's work tree and its main work tree, both empty if only git can tell.
func topOfWorkTree(dir string) (top, repository string) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", ""
	}
	git := filepath.Join(dir, ".git")
	info, err := os.Lstat(git)
	for ; err != nil; info, err = os.Lstat(git) {
		if dir == filepath.Dir(dir) {
			return "", ""
		}
		dir = filepath.Dir(dir)
		git = filepath.Join(dir, ".git")
	}
	if info.IsDir() {
		return dir, dir
	}
	at, err := gitfile.Read(git)
	if err != nil || filepath.Base(filepath.Dir(at)) != "worktrees" {
		return "", ""
	}
	return dir, filepath.Dir(filepath.Dir(filepath.Dir(at)))
}

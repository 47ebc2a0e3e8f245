package tree

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// ShareRepository notes, before the first sandbox with write access to the repository starts, which commits its refs
// name. A sandbox can move any ref at any time until it is gone, so what is found later tells nothing.
func (w *Trees) ShareRepository(ctx context.Context, t *find.Target) error {
	if t.Git == nil {
		return nil
	}
	r := w.Finder.Registry
	dir := host.RealPath(t.Git.CommonDir)
	if have, err := r.Shared(dir); have != nil || err != nil {
		return err
	}
	shared := registry.SharedRepository{CommonDir: dir}
	if !hasSandbox(t.State, t.Repository) {
		commits, err := worktree.Commits(ctx, t.Git)
		if err != nil {
			return err
		}
		shared.Commits, shared.Reflogs = commits, true
	}
	return r.KeepShared(shared)
}

// hasSandbox reports whether a loom of the repository had a sandbox. An earlier docker loom noted no commits then.
func hasSandbox(state *registry.State, repository string) bool {
	return slices.ContainsFunc(state.Looms, func(k *registry.Loom) bool {
		return k.Repository == repository && k.Sandboxed
	})
}

// judgeOrigin finds out, when a linked work tree is first seen, whether others wrote its files: the author of a pull
// request, or a sandbox that moved a ref. The answer is kept with the tree, but not in a dry run.
func (w *Trees) judgeOrigin(ctx context.Context, t *find.Target, dryRun bool) error {
	if t.Git == nil || !t.Git.Linked() || t.Making != nil {
		return nil
	}
	if err := w.Finder.ReadState(ctx, t); err != nil || isSeen(t) {
		return err
	}
	r := w.Finder.Registry
	if r.Written(t.WorkTree) != nil {
		return nil
	}
	origin, err := w.origin(ctx, t)
	if err != nil {
		return fmt.Errorf("origin of work tree %s: %w", t.WorkTree, err)
	}
	w.Finder.Teller.Debugf("work tree %s is seen for the first time; its files are of others: %q", t.WorkTree, origin)
	if origin == "" {
		return nil
	}
	written := registry.WrittenTree{WorkTree: t.WorkTree, Origin: origin, ID: t.ID, Repository: t.Repository}
	if dryRun {
		written.NoSandbox, t.Written = true, &written
		return nil
	}
	t.Written, err = r.KeepOrigin(written)
	return err
}

// isSeen reports whether a loom works in the work tree already.
func isSeen(t *find.Target) bool {
	return !t.Recovered && len(t.State.InFolder(t.WorkTree)) > 0
}

// origin says which others wrote the files of a work tree, "" if none did.
func (w *Trees) origin(ctx context.Context, t *find.Target) (string, error) {
	id, err := requestOf(ctx, t)
	if id != "" || err != nil {
		return registry.FromPullRequest(id), err
	}
	for dir := filepath.Dir(t.WorkTree); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if written := w.Finder.Registry.Written(dir); written != nil && !written.NoSandbox {
			return registry.FromSandboxedFolder, nil
		}
	}
	shared, err := w.Finder.Registry.Shared(host.RealPath(t.Git.CommonDir))
	if err != nil {
		return "", err
	}
	if shared == nil && !hasSandbox(t.State, t.Repository) {
		return "", nil
	}
	if shared == nil {
		shared = &registry.SharedRepository{}
	}
	byUser, err := w.isByUser(ctx, t, shared)
	if byUser || err != nil {
		return "", err
	}
	return registry.FromSandboxedRefs, nil
}

// requestOf is the id of the pull request whose head the work tree has, "" for none that is known.
func requestOf(ctx context.Context, t *find.Target) (string, error) {
	madeFor, err := t.Git.MadeFor()
	if err != nil {
		return "", err
	}
	folder, _ := identity.IDFromFolder(filepath.Base(t.WorkTree))
	for _, name := range []string{t.ID, madeFor, t.Git.Branch, folder} {
		if id, err := identity.ParseID(name); err == nil && identity.IsPullRequest(id) {
			return id, nil
		}
	}
	number, err := worktree.RequestOf(ctx, t.Git)
	if number == 0 || err != nil {
		return "", err
	}
	return fmt.Sprintf("pr/%d", number), nil
}

// isByUser reports whether the user made or merged the commit that a work tree has, in a repository whose refs and
// objects a sandbox can write. Only what no sandbox can write tells: the commits that were noted before, and the
// reflogs of HEAD of work trees that are the user's.
func (w *Trees) isByUser(ctx context.Context, t *find.Target, shared *registry.SharedRepository) (bool, error) {
	head, err := worktree.HeadCommit(ctx, t.Git)
	if err != nil {
		return false, nil //nolint:nilerr // without a commit nothing is known of it
	}
	known := map[string]bool{}
	for _, id := range shared.Commits {
		known[id] = true
	}
	if shared.Reflogs {
		if err := w.addReflogs(t, known); err != nil {
			return false, err
		}
	}
	isKnown := known[head] || shared.Reflogs && grewFrom(t.Git.GitDir, known, head)
	if !isKnown {
		return false, nil
	}
	return worktree.HasContentOf(ctx, t.Git, head)
}

// addReflogs adds the commits that were made or merged in the work trees that are the user's.
func (w *Trees) addReflogs(t *find.Target, known map[string]bool) error {
	var dirs []string
	if main := t.Git.Main; !t.Git.Bare && w.isUsers(t.State, main) {
		dirs = append(dirs, t.Git.CommonDir)
	}
	for _, k := range t.State.Looms {
		if k.Repository != t.Repository || k.WorkTree == t.Git.Main || !w.isUsers(t.State, k.WorkTree) {
			continue
		}
		if at, err := worktree.Points(k.WorkTree); err == nil && at != nil && at.CommonDir() == t.Git.CommonDir {
			dirs = append(dirs, at.GitDir())
		}
	}
	for _, dir := range dirs {
		moves, err := worktree.HeadMoves(dir)
		if err != nil {
			return err
		}
		for _, m := range moves {
			if m.Made {
				known[m.Commit] = true
			}
		}
	}
	return nil
}

// isUsers reports whether nobody but the user wrote a work tree.
func (w *Trees) isUsers(state *registry.State, tree string) bool {
	return w.Finder.Registry.Written(tree) == nil &&
		!slices.ContainsFunc(state.InFolder(tree), (*registry.Loom).IsWrittenByOthers)
}

// grewFrom reports whether the work tree with this git folder began at a known commit, and its HEAD came to a commit
// only by what was made or merged there, or by way of known ones.
func grewFrom(gitDir string, known map[string]bool, head string) bool {
	moves, err := worktree.HeadMoves(gitDir)
	if err != nil || len(moves) == 0 || !known[moves[0].Commit] {
		return false
	}
	own := map[string]bool{}
	for _, m := range moves {
		if !m.Made && !known[m.Commit] && !own[m.Commit] {
			return false
		}
		own[m.Commit] = true
	}
	return own[head] && moves[len(moves)-1].Commit == head
}

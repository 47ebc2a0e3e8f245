package find

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// chooseWorkTree sets the work tree of the loom: the one it has, otherwise the one whose names say so, otherwise the
// current folder. It notes what may surprise.
func (f *Finder) chooseWorkTree(ctx context.Context, t *Target, where Where, purpose Purpose) error {
	at := t.WorkTree
	hasTree := t.Known != nil && t.Known.WorkTree != "" && host.IsDir(t.Known.WorkTree)
	switch {
	case t.ID == identity.Main:
		at = mainCheckout(t)
	case hasTree:
		if at = t.Known.WorkTree; where.ID == "" && at != t.WorkTree {
			t.Notes = append(t.Notes, fmt.Sprintf("loom %s has the work tree %s: using that, not this folder", t.ID, at))
		}
	case t.Git != nil && where.ID != "":
		trees, err := t.Git.Trees(ctx)
		if err != nil {
			return err
		}
		if tree := f.PathOf(trees, t.ID); tree != "" {
			at = tree
		} else {
			t.Notes = append(t.Notes, fmt.Sprintf("no work tree belongs to %s: using this folder, %s", t.ID, t.WorkTree))
		}
	}
	if t.Known != nil && t.Known.WorkTree != "" && !hasTree {
		t.Notes = append(t.Notes, fmt.Sprintf("the loom's work tree %s is gone", t.Known.WorkTree))
	}
	if at == t.WorkTree && host.IsDir(at) {
		return nil
	}
	return move(ctx, t, at, purpose)
}

// mainCheckout is the work tree of main: the repository's main one, or if there is none, the one that main has.
func mainCheckout(t *Target) string {
	switch {
	case t.Git != nil && !t.Git.Bare && (t.Known == nil || t.Known.Repository == t.Git.Main):
		return t.Git.Main
	case t.Known != nil:
		return t.Known.WorkTree
	}
	return t.WorkTree
}

// move is MoveTo for a purpose. Ending asks no git about the work tree.
func move(ctx context.Context, t *Target, at string, purpose Purpose) error {
	if purpose == Ending {
		setTree(t, at)
		return nil
	}
	return MoveTo(ctx, t, at)
}

// setTree makes another work tree the loom's, without a look at it.
func setTree(t *Target, at string) {
	rel, err := filepath.Rel(t.WorkTree, t.Source.Dir)
	if err != nil || !filepath.IsLocal(rel) {
		rel = "."
	}
	t.WorkTree, t.Source.Top, t.Git, t.SettingsFiles = at, at, nil, nil
	t.Source.Dir = filepath.Join(at, rel)
	if !host.IsDir(t.Source.Dir) {
		t.Source.Dir = at
	}
}

// MoveTo makes another work tree the loom's. The search for its project begins at the same place below it.
func MoveTo(ctx context.Context, t *Target, at string) error {
	setTree(t, at)
	if !host.IsDir(at) {
		return nil
	}
	repo, err := worktree.Find(ctx, at)
	if err != nil {
		return err
	}
	t.Git = repo
	if repo == nil {
		t.Source.Top = ""
	}
	return nil
}

// TreeOf is the work tree of the loom as git lists it, nil if git knows none.
func (f *Finder) TreeOf(ctx context.Context, t *Target) (*worktree.Tree, error) {
	repo, err := RepositoryOf(ctx, t)
	if err != nil || repo == nil {
		return nil, err
	}
	trees, err := repo.Trees(ctx)
	if err != nil {
		return nil, err
	}
	path := ""
	if t.Known != nil {
		path = t.Known.WorkTree
	}
	if path == "" {
		path = f.PathOf(trees, t.ID)
	}
	for _, tree := range trees {
		if tree.Path == path && !tree.Bare {
			return &tree, nil
		}
	}
	return nil, nil
}

// hasLeftTree reports whether there is a work tree, or a part of one, that was made for an id that no loom has.
func (f *Finder) hasLeftTree(ctx context.Context, t *Target) (bool, error) {
	repo, err := RepositoryOf(ctx, t)
	if err != nil || repo == nil {
		return false, err
	}
	if repo.Interrupted(t.ID) {
		return true, nil
	}
	tree, err := f.TreeOf(ctx, t)
	return tree != nil && !tree.Main, err
}

// RepositoryOf is the loom's repository as seen from its main work tree, nil if there is none or it is gone.
func RepositoryOf(ctx context.Context, t *Target) (*worktree.Repository, error) {
	if !host.IsDir(t.Repository) {
		return nil, nil
	}
	return worktree.Find(ctx, t.Repository)
}

// notedIDs are the ids that docker loom and iloom noted for the folder's work tree when they made it.
func (f *Finder) notedIDs(here *Target) ([]string, error) {
	if here.Git == nil || !here.Git.Linked() {
		return nil, nil
	}
	id, err := here.Git.MadeFor()
	if err != nil {
		return nil, err
	}
	ids := settings.NotedIDs(f.UserSettings, here.WorkTree)
	if id != "" {
		ids = append([]string{id}, ids...)
	}
	return ids, nil
}

// PathOf is the path of the work tree that was made for the id, otherwise of one whose folder or branch has the id in
// its name. It is empty if there is none.
func (f *Finder) PathOf(trees []worktree.Tree, id string) string {
	for _, tree := range trees {
		if IsID(id, tree.For) && !tree.Prunable && !tree.Unfinished {
			return tree.Path
		}
	}
	for _, tree := range trees {
		if tree.Bare || tree.Prunable || tree.Unfinished {
			continue
		}
		if MatchesBranch(id, tree.Branch) {
			return tree.Path
		}
		if tree.Main {
			// The main checkout is called after the repository, not after a loom.
			continue
		}
		base := filepath.Base(tree.Path)
		of, _ := identity.IDFromFolder(base)
		names := append(settings.NotedIDs(f.UserSettings, tree.Path), base, of)
		if slices.ContainsFunc(names, func(name string) bool { return IsID(id, name) }) {
			return tree.Path
		}
	}
	return ""
}

// MatchesBranch reports whether a branch has the id in its name.
func MatchesBranch(id, branch string) bool {
	of, _ := identity.IDFromBranch(branch)
	return IsID(id, of) || IsID(id, branch)
}

// IsID reports whether a name is the id, as a user may type it.
func IsID(id, name string) bool {
	parsed, err := identity.ParseID(name)
	return err == nil && parsed == id
}

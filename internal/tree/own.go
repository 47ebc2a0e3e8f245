// Package tree is the work tree of a loom: it makes one or takes one over, says what would be lost with it, and removes
// it.
package tree

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// Mode says whether up makes a work tree for a loom that has none.
type Mode string

// The modes. FromSettings, the zero value, leaves it to container.worktree.
const (
	FromSettings Mode = ""
	Always       Mode = "true"
	Auto         Mode = "auto" // only if another loom of the repository works in the folder
	Never        Mode = "false"
)

// Options are the user's choices for a work tree of the loom's own.
type Options struct {
	Mode Mode
	// Branch is checked out in a new work tree, From is where a new branch begins, Path is the folder: absolute.
	Branch, From, Path string
}

// isExplicit reports whether the user, not the settings, wants a work tree.
func (o Options) isExplicit() bool {
	return o.Mode == Always || o.Mode == Auto || o.Branch != "" || o.From != "" || o.Path != ""
}

// NoTreeError says why a loom cannot have a work tree of its own.
type NoTreeError struct{ Why string }

// Error gives the reason.
func (e *NoTreeError) Error() string { return "no work tree: " + e.Why }

// NextStep says what the user does next.
func (*NoTreeError) NextStep() string {
	return "" // the reason says what to change
}

// ErrOtherTree is in the error for a loom that already has another work tree than the one that the user wants.
var ErrOtherTree error = otherTreeError{}

type otherTreeError struct{}

func (otherTreeError) Error() string { return "the loom has another work tree already" }

// NextStep says what the user does next.
func (otherTreeError) NextStep() string {
	return "docker loom rm ID ends it with the loom; without --branch and --path it is used"
}

// Request asks for a work tree of the loom's own.
type Request struct {
	Options
	// ID is the id as the user typed it, "" for the folder's loom, which stays where it is.
	ID     string
	DryRun bool
}

// Trees makes and removes the work trees of looms.
type Trees struct{ Finder *find.Finder }

// Own gives the loom a work tree of its own if one is wanted: the one it has, otherwise a new one. A dry run only
// notes what would be made. The loom's lock must be held, so that only one of two commands makes it. Nothing is fetched
// under it: that is for [Trees.FetchPullRequest]. Own also finds out who wrote a work tree that is seen for the first
// time.
func (w *Trees) Own(ctx context.Context, t *find.Target, req Request) error {
	if err := w.giveTree(ctx, t, req); err != nil {
		return err
	}
	return w.judgeOrigin(ctx, t, req.DryRun)
}

func (w *Trees) giveTree(ctx context.Context, t *find.Target, req Request) error {
	if err := followRegistry(ctx, t); err != nil {
		return err
	}
	m, err := w.maker(ctx, t, req)
	if m == nil || err != nil {
		return err
	}
	err = m.run(ctx)
	if main := m.main; main.repo != nil && main.repo.WorkTree == t.WorkTree {
		t.SettingsFiles = main.files
	}
	return err
}

// maker returns what gives the loom its work tree, nil if none can be wanted.
func (w *Trees) maker(ctx context.Context, t *find.Target, req Request) (*maker, error) {
	o, explicit := req.Options, req.isExplicit()
	if err := canOwnTree(t, req); err != nil || o.Mode == Never {
		if explicit {
			return nil, err
		}
		return nil, nil
	}
	main, err := w.mainTreeOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if o.Mode == FromSettings {
		o.Mode = Mode(main.settings.Container.Worktree)
		if explicit {
			o.Mode = Always
		}
	}
	if err := w.Finder.ReadState(ctx, t); err != nil {
		return nil, err
	}
	return &maker{
		finder: w.Finder, target: t, main: main, state: t.State, options: o, explicit: explicit, dryRun: req.DryRun,
	}, nil
}

// FetchPullRequest fetches the head of the pull request that the loom's work tree will have, if that has to be made.
// It is called before the loom is locked: a remote can take its time.
func (w *Trees) FetchPullRequest(ctx context.Context, t *find.Target, req Request) error {
	if !identity.IsPullRequest(t.ID) || req.DryRun {
		return nil
	}
	// A dry run on a copy says what would be made.
	looked := t.Copy()
	req.DryRun = true
	m, err := w.maker(ctx, looked, req)
	if m == nil || err != nil {
		// Own reports it.
		return nil //nolint:nilerr // as said
	}
	if err := m.run(ctx); err != nil && !t.Git.Interrupted(t.ID) {
		return err
	}
	if looked.Making == nil {
		return nil
	}
	t.Fetched, err = t.Git.FetchHead(ctx, looked.Making)
	return err
}

// followRegistry moves to the work tree that another command gave the loom while this one waited for the lock.
func followRegistry(ctx context.Context, t *find.Target) error {
	k := t.Any()
	if k == nil || t.ID == identity.Main || k.WorkTree == t.WorkTree || k.WorkTree == "" || !host.IsDir(k.WorkTree) {
		return nil
	}
	t.Notes = nil
	return find.MoveTo(ctx, t, k.WorkTree)
}

func canOwnTree(t *find.Target, req Request) error {
	switch {
	case t.ID == identity.Main:
		return &NoTreeError{"main is the loom of the main checkout"}
	case req.ID == "":
		return &NoTreeError{"give the id that it is for"}
	case t.Git == nil:
		return &NoTreeError{t.WorkTree + " is in no git repository"}
	}
	return nil
}

// maker gives one loom its work tree.
type maker struct {
	finder *find.Finder
	target *find.Target
	main   *mainTree
	state  *registry.State
	// options have the settings' mode; explicit reports that the user chose.
	options  Options
	explicit bool
	dryRun   bool
}

func (m *maker) run(ctx context.Context) error {
	if !m.dryRun {
		// An incomplete work tree is completed even if none is wanted now: nobody can work there.
		if done, err := m.resume(ctx); done || err != nil {
			return err
		}
	}
	if m.options.Mode == FromSettings {
		return nil
	}
	if has, err := m.useExisting(ctx); has || err != nil {
		return err
	}
	if !m.wantsNew() {
		return nil
	}
	t := m.target
	wish := m.main.wish(t, m.options)
	if wish.Fetched = t.Fetched; wish.PullRequest > 0 && !m.dryRun {
		wish.NoNetwork = true
	}
	a, err := t.Git.PlanAdd(ctx, wish)
	if err != nil {
		return err
	}
	if a.There {
		if in := m.state.InFolder(a.Path); len(in) > 0 {
			return fmt.Errorf("%w, where loom %s works", &worktree.BranchTakenError{Branch: a.Branch, Path: a.Path}, in[0].ID)
		}
		return m.assign(ctx, a.Path)
	}
	if m.dryRun {
		t.Making, t.Notes = a, []string{"would make " + describe(a), "the plan is that of " + t.WorkTree}
		return nil
	}
	m.finder.Teller.Sayf("%s", "making "+describe(a))
	if err := t.Git.Add(ctx, a); err != nil {
		return err
	}
	return m.complete(ctx, a.Path)
}

// wantsNew reports whether a new work tree is made. An existing loom moves only if the user says so.
func (m *maker) wantsNew() bool {
	any := m.target.Any()
	hasTree := any != nil && host.IsDir(any.WorkTree)
	if m.options.Mode == Auto {
		return !hasTree && len(m.state.InFolder(m.target.WorkTree)) > 0
	}
	return !hasTree || m.explicit
}

func describe(a *worktree.Addition) string {
	s := "work tree " + a.Path + ": branch " + a.Branch
	switch {
	case a.Upstream != "" && a.New:
		s += ", which tracks " + a.Upstream
	case a.New:
		s += " from " + a.From
	}
	return s
}

// resume completes a work tree that an interrupted command left, and reports whether there was one.
func (m *maker) resume(ctx context.Context) (bool, error) {
	path, err := m.target.Git.Resume(ctx, m.target.ID)
	if err != nil || path == "" {
		return false, err
	}
	return true, m.complete(ctx, path)
}

// complete copies untracked files into a new work tree, and assigns it.
func (m *maker) complete(ctx context.Context, path string) error {
	files, err := m.main.copyUntracked(ctx, m.target, path)
	if err != nil {
		return err
	}
	m.finder.Teller.Debugf("copied from the main work tree: %v", files.Paths)
	for _, what := range files.LeftOut {
		m.finder.Teller.Sayf("warning: not copied: %s", what)
	}
	if err := m.main.fillSubmodules(ctx, m.finder.Teller, path); err != nil {
		return err
	}
	if err := m.target.Git.Finish(ctx, path); err != nil {
		return err
	}
	return m.assign(ctx, path)
}

// useExisting finds the work tree that the loom already has, and assigns it.
func (m *maker) useExisting(ctx context.Context) (bool, error) {
	t, o := m.target, m.options
	trees, err := t.Git.Trees(ctx)
	if err != nil {
		return false, err
	}
	tree := m.existing(trees)
	if tree == nil || !host.IsDir(tree.Path) {
		return false, nil
	}
	if tree.Main {
		// The main checkout has a branch with the id in its name. A user who wants a work tree wants another one.
		return o.Mode == Auto && len(m.state.InFolder(tree.Path)) == 0, nil
	}
	if o.Branch != "" && o.Branch != tree.Branch || o.Path != "" && !sameFolder(o.Path, tree.Path) {
		return false, fmt.Errorf("%w: %s with branch %s", ErrOtherTree, tree.Path, tree.Branch)
	}
	return true, m.assign(ctx, tree.Path)
}

// existing is the work tree in which the loom works alone, otherwise the one whose names say that it is the loom's.
func (m *maker) existing(trees []worktree.Tree) *worktree.Tree {
	path := m.finder.PathOf(trees, m.target.ID)
	if k := m.target.Any(); k != nil && k.WorkTree != "" && k.WorkTree != path {
		i := slices.IndexFunc(trees, func(tree worktree.Tree) bool { return tree.Path == k.WorkTree && !tree.Main })
		if i >= 0 && len(registry.OnePerLoom(m.state.InFolder(k.WorkTree))) == 1 {
			return &trees[i]
		}
	}
	if i := slices.IndexFunc(trees, func(tree worktree.Tree) bool { return tree.Path == path }); i >= 0 {
		return &trees[i]
	}
	return nil
}

func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// assign makes the work tree at path the loom's. It removes what the loom generated elsewhere: plain docker compose
// would still act on the loom from there.
func (m *maker) assign(ctx context.Context, path string) error {
	t := m.target
	any := t.Any()
	if path == t.WorkTree && (any == nil || any.WorkTree == path) {
		return nil
	}
	for _, k := range t.Projects {
		if k.WorkTree == path {
			continue
		}
		if files, _ := Generated(t.Of(k)); len(files) > 0 && !m.dryRun {
			if _, err := overrides.Write(files); err != nil {
				return err
			}
		}
		k.MoveTo(path)
	}
	t.Notes = nil
	return find.MoveTo(ctx, t, path)
}

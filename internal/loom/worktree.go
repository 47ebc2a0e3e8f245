package loom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// TreeMode says whether up makes a work tree for a loom that has none.
type TreeMode string

// The modes. Settings, the zero value, leaves it to container.worktree.
const (
	TreeSettings TreeMode = ""
	TreeAlways   TreeMode = "true"
	TreeAuto     TreeMode = "auto" // only when another loom of the repository works in the folder
	TreeNever    TreeMode = "false"
)

// TreeOptions are the user's choices for a work tree of the loom's own.
type TreeOptions struct {
	Mode TreeMode
	// Branch is checked out in a new work tree, From is where a new branch begins, Path is the folder: absolute.
	Branch, From, Path string
}

// asked tells whether the user, not the settings, wants a work tree.
func (o TreeOptions) asked() bool {
	return o.Mode == TreeAlways || o.Mode == TreeAuto || o.Branch != "" || o.From != "" || o.Path != ""
}

// NoTreeError says why a loom cannot have a work tree of its own.
type NoTreeError struct{ Why string }

// Error gives the reason.
func (e *NoTreeError) Error() string { return "no work tree: " + e.Why }

// NextStep says what the user does next.
func (*NoTreeError) NextStep() string {
	return "" // the reason says what to change
}

// ErrOtherTree is in the error for a work tree that the loom has already, and that is another than the one asked for.
var ErrOtherTree error = otherTreeError{}

type otherTreeError struct{}

func (otherTreeError) Error() string { return "the loom has another work tree already" }

// NextStep says what the user does next.
func (otherTreeError) NextStep() string {
	return "docker loom rm ends it with the loom; without --branch and --path it is used"
}

// ownTree gives the loom a work tree of its own where that is wanted: the one it has, else one that is made now. A dry
// run only notes what would be made. The loom's lock must be held, so that of two commands one makes it.
func (l *Looms) ownTree(ctx context.Context, t *Target, req UpRequest) error {
	o := req.Tree
	asked := o.asked()
	if at := t.Known; at != nil && t.ID != Main && at.WorkTree != t.WorkTree && at.WorkTree != "" && isDir(at.WorkTree) {
		// Another command gave it one while this waited for the lock.
		t.Notes = nil
		if err := l.moveTo(ctx, t, at.WorkTree); err != nil {
			return err
		}
	}
	if o.Mode == TreeNever || req.ID == "" || t.ID == Main || t.Git == nil {
		if !asked {
			return nil
		}
		switch {
		case t.ID == Main:
			return &NoTreeError{"main is the loom of the main checkout"}
		case req.ID == "":
			return &NoTreeError{"give the id that it shall be for"}
		case t.Git == nil:
			return &NoTreeError{t.WorkTree + " is in no git repository"}
		}
		return nil
	}
	home, err := l.home(ctx, t.Git)
	if err != nil {
		return err
	}
	switch {
	case o.Mode == TreeSettings && asked:
		o.Mode = TreeAlways
	case o.Mode == TreeSettings:
		o.Mode = TreeMode(home.settings.Container.Worktree)
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return err
	}
	if !req.DryRun {
		// Whatever is wanted now: one that is not complete is nobody's to work in.
		if done, err := l.resumeTree(ctx, t, home); done || err != nil {
			return err
		}
	}
	if o.Mode == "" {
		return nil
	}
	if has, err := l.hasTree(ctx, t, state, o, req.DryRun); has || err != nil {
		return err
	}
	settled := t.Known != nil && isDir(t.Known.WorkTree)
	if o.Mode == TreeAuto && (settled || len(state.InFolder(t.WorkTree)) == 0) || settled && !asked {
		// A loom that is there moves only where the user says so.
		return nil
	}
	a, err := t.Git.PlanAdd(ctx, home.wish(t, o))
	if err != nil {
		return err
	}
	if a.There {
		if in := state.InFolder(a.Path); len(in) > 0 {
			return fmt.Errorf("%w, where loom %s works", &worktree.BranchTakenError{Branch: a.Branch, Path: a.Path}, in[0].ID)
		}
		return l.moveHome(ctx, t, a.Path, req.DryRun)
	}
	if req.DryRun {
		t.making, t.Notes = a, []string{"would make " + describe(a), "the plan is that of " + t.WorkTree}
		return nil
	}
	l.Teller.Sayf("%s", "making "+describe(a))
	if err := t.Git.Add(ctx, a); err != nil {
		return err
	}
	if err := l.furnish(ctx, t, home, a.Path); err != nil {
		return err
	}
	return l.moveHome(ctx, t, a.Path, false)
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

// home is where new work trees get their settings and copies from.
type home struct {
	repo     *worktree.Repository // the main work tree; of a bare repository that of the main branch; nil for none
	settings *settings.Settings
}

// home finds the main work tree. Settings come from there: the work trees' own may be a stranger's.
func (l *Looms) home(ctx context.Context, repo *worktree.Repository) (*home, error) {
	h := &home{}
	dir := repo.Main
	if repo.Bare {
		trees, err := repo.Trees(ctx)
		if err != nil {
			return nil, err
		}
		user, err := settings.Read(settings.Sources{User: l.UserSettings})
		if err != nil {
			return nil, err
		}
		dir = ""
		for _, tree := range trees {
			if tree.Branch == user.MainBranch && isDir(tree.Path) {
				dir = tree.Path
			}
		}
	}
	var err error
	if dir != "" {
		if h.repo, err = worktree.Find(ctx, dir); err != nil {
			return nil, err
		}
	}
	h.settings, err = settings.Read(settings.Sources{User: l.UserSettings, WorkTree: dir})
	return h, err
}

// wish is the work tree that the loom shall have.
func (h *home) wish(t *Target, o TreeOptions) worktree.Wish {
	w := worktree.Wish{
		ID: t.ID, Branch: o.Branch, From: o.From, Path: o.Path, Prefix: h.settings.WorktreePrefix, MainBranch: h.settings.MainBranch,
		Default: "feat/issue-" + t.ID,
		Belongs: func(branch string) bool { return names(t.ID, branch) },
	}
	switch {
	case pullRequest.MatchString(t.ID):
		w.Default, w.Belongs = t.ID, nil
		w.PullRequest, _ = strconv.Atoi(strings.TrimPrefix(t.ID, "pr/"))
	case !number.MatchString(t.ID) && !projectKey.MatchString(t.ID):
		w.Default = t.ID
	}
	return w
}

// names tells whether a branch carries the id.
func names(id, branch string) bool {
	of, _ := worktree.IDFromBranch(branch)
	return is(id, of) || is(id, branch)
}

func is(id, name string) bool {
	parsed, err := ParseID(name)
	return err == nil && parsed == id
}

// resumeTree completes a work tree that an interrupted command has left, and reports whether there was one.
func (l *Looms) resumeTree(ctx context.Context, t *Target, home *home) (bool, error) {
	path, err := t.Git.Resume(ctx, t.ID)
	if err != nil || path == "" {
		return false, err
	}
	if err := l.furnish(ctx, t, home, path); err != nil {
		return false, err
	}
	return true, l.moveHome(ctx, t, path, false)
}

// furnish puts into a new work tree what git does not.
func (l *Looms) furnish(ctx context.Context, t *Target, home *home, path string) error {
	if home.repo != nil {
		files, err := home.repo.Untracked(ctx, projectDirs(t), home.settings.CopyGitIgnoredPatterns)
		if err != nil {
			return err
		}
		copied, err := worktree.Copy(home.repo.WorkTree, path, files, withoutOurs)
		if err != nil {
			return err
		}
		l.Teller.Debugf("copied from %s: %v", home.repo.WorkTree, copied)
	}
	if _, err := os.Stat(filepath.Join(path, ".gitmodules")); err == nil {
		l.Teller.Sayf("its submodules are empty: git -C %s submodule update --init --recursive fetches them", path)
	}
	return t.Git.Finish(ctx, path)
}

// projectDirs are the folders, from the top of the work tree to where the project is looked for, that may have a .env.
func projectDirs(t *Target) []string {
	rel, err := filepath.Rel(t.WorkTree, t.Source.Dir)
	if err != nil || !filepath.IsLocal(rel) {
		return []string{"."}
	}
	dirs := []string{rel}
	for ; rel != "."; dirs = append(dirs, rel) {
		rel = filepath.Dir(rel)
	}
	return dirs
}

// withoutOurs is what a copy of a file in another work tree has: nothing of the loom there. With its block, plain docker
// compose in the new work tree would act on that loom.
func withoutOurs(rel string, content []byte) []byte {
	switch base := filepath.Base(rel); {
	case base == overrides.EnvFile:
		rest := overrides.Cut(content)
		if len(rest) == 0 && overrides.MadeFile(content) {
			return nil
		}
		return rest
	case overrides.IsGenerated(content):
		return nil
	}
	return content
}

// hasTree finds the work tree that the loom has already, and makes it the loom's.
func (l *Looms) hasTree(ctx context.Context, t *Target, state *registry.State, o TreeOptions, dryRun bool) (bool, error) {
	trees, err := t.Git.Trees(ctx)
	if err != nil {
		return false, err
	}
	path := l.belongs(trees, t.ID)
	at := slices.IndexFunc(trees, func(tree worktree.Tree) bool {
		if t.Known == nil || t.Known.WorkTree == "" || path == t.Known.WorkTree {
			return tree.Path == path
		}
		// It may well work in one that nothing names after it, alone.
		return tree.Path == t.Known.WorkTree && !tree.Main && len(state.InFolder(tree.Path)) == 1
	})
	if at < 0 && path != "" {
		at = slices.IndexFunc(trees, func(tree worktree.Tree) bool { return tree.Path == path })
	}
	if at < 0 || !isDir(trees[at].Path) {
		return false, nil
	}
	tree := trees[at]
	if tree.Main {
		// The main checkout has a branch of the loom's name: whoever asks for a work tree, asks for another.
		return o.Mode == TreeAuto && len(state.InFolder(tree.Path)) == 0, nil
	}
	if o.Branch != "" && o.Branch != tree.Branch || o.Path != "" && !sameFolder(o.Path, tree.Path) {
		return false, fmt.Errorf("%w: %s with branch %s", ErrOtherTree, tree.Path, tree.Branch)
	}
	return true, l.moveHome(ctx, t, tree.Path, dryRun)
}

func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// moveHome makes the work tree at path the loom's. What the loom has generated elsewhere goes: it would keep plain docker
// compose there on a loom that has moved.
func (l *Looms) moveHome(ctx context.Context, t *Target, path string, dryRun bool) error {
	if path == t.WorkTree && (t.Known == nil || t.Known.WorkTree == path) {
		return nil
	}
	if t.Known != nil && t.Known.WorkTree != path {
		if files := l.generated(t); len(files) > 0 && !dryRun {
			if _, err := overrides.Write(files); err != nil {
				return err
			}
		}
		t.Known.WorkTree, t.Known.Dir, t.Known.Files = path, "", false
	}
	t.Notes = nil
	return l.moveTo(ctx, t, path)
}

// noted are the ids that the work tree of the folder was made for: by up, by iloom.
func (l *Looms) noted(here *Target) ([]string, error) {
	if here.Git == nil || !here.Git.Linked() {
		return nil, nil
	}
	id, err := here.Git.MadeFor()
	if err != nil {
		return nil, err
	}
	ids := settings.NotedIDs(l.UserSettings, here.WorkTree)
	if id != "" {
		ids = append([]string{id}, ids...)
	}
	return ids, nil
}

// belongs is the path of the work tree that was made for the id, else of one whose folder or branch carries it.
func (l *Looms) belongs(trees []worktree.Tree, id string) string {
	for _, tree := range trees {
		if is(id, tree.For) && !tree.Prunable && !tree.Unfinished {
			return tree.Path
		}
	}
	for _, tree := range trees {
		if tree.Bare || tree.Prunable || tree.Unfinished {
			continue
		}
		if names(id, tree.Branch) {
			return tree.Path
		}
		if tree.Main {
			// The main checkout is called after the repository, not after a loom.
			continue
		}
		base := filepath.Base(tree.Path)
		of, _ := worktree.IDFromFolder(base)
		noted := settings.NotedIDs(l.UserSettings, tree.Path)
		if is(id, base) || is(id, of) || slices.ContainsFunc(noted, func(n string) bool { return is(id, n) }) {
			return tree.Path
		}
	}
	return ""
}

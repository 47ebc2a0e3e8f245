package loom

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// RmRequest asks for the end of a loom and of its work tree.
type RmRequest struct {
	// Force goes ahead although something would be lost.
	Force bool
	// WorkTree removes a work tree that docker loom did not make, too; Branch the branch that is checked out there.
	WorkTree, Branch bool
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
	DryRun  bool
}

// Removal is what became of a loom, or with DryRun would.
type Removal struct {
	Loom string `json:"loom"`
	// State is removed, refused, or stopped: so is a loom whose project has container.keepAlive.
	State    string `json:"state"`
	WorkTree string `json:"workTree"`
	Branch   string `json:"branch"`
	// Refused says what would be lost, Warnings what else the user should know.
	Refused  []string `json:"refused"`
	Warnings []string `json:"warnings"`
	Removed  []string `json:"removed"`
	Kept     []string `json:"kept"`
}

// The states of a Removal.
const (
	RemovalDone    = "removed"
	RemovalRefused = "refused"
	RemovalStopped = "stopped"
)

// RmTargets resolves what rm is to end: looms, and work trees that were made for one which has ended since. All ids are
// checked before anything is touched.
func (l *Looms) RmTargets(ctx context.Context, src stack.Source, ids []string) ([]*Target, error) {
	if len(ids) == 0 {
		ids = []string{""}
	}
	var targets []*Target
	for _, id := range ids {
		where := Where{ID: id, Source: src}
		t, err := l.Resolve(ctx, where, Ending)
		var unknown *UnknownError
		if errors.As(err, &unknown) {
			if t, err = l.Resolve(ctx, where, Making); err != nil {
				return nil, err
			}
			if there, err := l.leaves(ctx, t); err != nil {
				return nil, err
			} else if !there {
				return nil, unknown
			}
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(targets, func(o *Target) bool { return o.ID == t.ID && o.Repository == t.Repository }) {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// leaves tells whether there is a work tree, or a part of one, that was made for an id that no loom has.
func (l *Looms) leaves(ctx context.Context, t *Target) (bool, error) {
	repo, err := repositoryOf(ctx, t)
	if err != nil || repo == nil {
		return false, err
	}
	if repo.Interrupted(t.ID) {
		return true, nil
	}
	tree, err := l.treeOf(ctx, t)
	return tree != nil && !tree.Main, err
}

// treeOf is the work tree of the loom as git lists it, nil where git knows none.
func (l *Looms) treeOf(ctx context.Context, t *Target) (*worktree.Tree, error) {
	repo, err := repositoryOf(ctx, t)
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
		path = l.belongs(trees, t.ID)
	}
	for _, tree := range trees {
		if tree.Path == path && !tree.Bare {
			return &tree, nil
		}
	}
	return nil, nil
}

// repositoryOf is the loom's repository as seen from its main work tree, nil where there is none (any more).
func repositoryOf(ctx context.Context, t *Target) (*worktree.Repository, error) {
	if !isDir(t.Repository) {
		return nil, nil
	}
	return worktree.Find(ctx, t.Repository)
}

// ending is what rm knows of a loom, before anything is touched.
type ending struct {
	repo *worktree.Repository
	home *home
	tree *worktree.Tree // nil where git knows none
	path string         // of the work tree, "" where it stays
	gone bool           // its folder is not there
}

// Rm ends a loom: its stack with volumes, its files, the work tree that was made for it, the branch if that is asked for,
// and its leases last. First it looks at what would be lost; if anything would, nothing is touched, and the Removal says
// so. Interrupted, it is finished by running it again.
func (l *Looms) Rm(ctx context.Context, t *Target, req RmRequest) (*Removal, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	if !req.DryRun {
		release, err := l.alone(ctx, t)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	r := &Removal{Loom: t.ID, State: RemovalDone, Refused: []string{}, Warnings: []string{}, Removed: []string{}, Kept: []string{}}
	e, err := l.ending(ctx, t, req, r)
	if err != nil {
		return nil, err
	}
	never, risks, err := l.risks(ctx, t, req, e)
	if err != nil {
		return nil, err
	}
	if !req.Force {
		never = append(never, risks...)
	} else {
		r.Warnings = append(r.Warnings, risks...)
	}
	if len(never) > 0 {
		r.State, r.Refused = RemovalRefused, never
		return r, nil
	}
	if e.home != nil && e.home.settings.Container.KeepAlive && t.Known != nil && !e.gone {
		return r, l.keepAlive(ctx, t, req, r)
	}
	return r, l.end(ctx, t, req, e, r)
}

// ending finds what there is to end.
func (l *Looms) ending(ctx context.Context, t *Target, req RmRequest, r *Removal) (*ending, error) {
	e := &ending{}
	var err error
	if e.repo, err = repositoryOf(ctx, t); err != nil {
		return nil, err
	}
	if t.Known != nil {
		r.WorkTree = t.Known.WorkTree
	}
	if e.repo == nil {
		if t.Known != nil && isDir(t.Known.WorkTree) {
			set, err := settings.Read(settings.Sources{User: l.UserSettings, WorkTree: t.Known.WorkTree})
			e.home = &home{settings: set}
			return e, err
		}
		e.gone = true
		return e, nil
	}
	if e.home, err = l.home(ctx, e.repo); err != nil {
		return nil, err
	}
	if !req.DryRun && e.repo.Interrupted(t.ID) {
		// One that is not complete is cleared away: nobody can have worked there.
		path, err := e.repo.Resume(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		if path != "" {
			if err := e.repo.Finish(ctx, path); err != nil {
				return nil, err
			}
		} else {
			r.Removed = append(r.Removed, "what an interrupted up has left")
		}
	}
	if e.tree, err = l.treeOf(ctx, t); err != nil {
		return nil, err
	}
	if e.tree == nil {
		if e.gone = !isDir(r.WorkTree); e.gone && r.WorkTree != "" && worktree.Leftover(r.WorkTree) {
			e.path = r.WorkTree
		}
		return e, nil
	}
	r.WorkTree, r.Branch = e.tree.Path, e.tree.Branch
	e.gone = !isDir(e.tree.Path)
	switch {
	case e.tree.Main:
		r.Kept = append(r.Kept, "work tree "+e.tree.Path+", the main one")
	case is(t.ID, e.tree.For) || req.WorkTree:
		e.path = e.tree.Path
	default:
		r.Kept = append(r.Kept, "work tree "+e.tree.Path+", which docker loom did not make (--delete-worktree removes it)")
	}
	if e.path != "" {
		for _, p := range worktree.Users(e.path) {
			r.Warnings = append(r.Warnings, "process "+p.String()+" works in "+e.path)
		}
		if !req.Branch && r.Branch != "" {
			r.Kept = append(r.Kept, "branch "+r.Branch)
		}
	}
	return e, nil
}

// risks tells what forbids rm: never whatever the user says, and risks unless the user says so.
func (l *Looms) risks(ctx context.Context, t *Target, req RmRequest, e *ending) (never, risks []string, err error) {
	switch {
	case t.ID == Main:
		return []string{"main is the loom of the main checkout: docker loom down main --volumes ends it"}, nil, nil
	case e.tree != nil && e.tree.Main && (req.WorkTree || req.Branch):
		return []string{e.tree.Path + " is the main work tree"}, nil, nil
	case e.path == "" && req.Branch && e.tree != nil:
		return []string{"branch " + e.tree.Branch + " is checked out in " + e.tree.Path + ", which stays"}, nil, nil
	}
	if e.path == "" || e.tree == nil {
		return nil, nil, nil
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, other := range state.InFolder(e.path) {
		if other.ID != t.ID {
			risks = append(risks, "loom "+other.ID+" works there too")
		}
	}
	if e.gone {
		if !req.Branch || e.tree.Branch == "" {
			return nil, risks, nil
		}
		if slices.Contains(e.home.settings.ProtectedBranches, e.tree.Branch) {
			risks = append(risks, "branch "+e.tree.Branch+" is protected")
		}
		unmerged, err := e.repo.Unmerged(ctx, e.tree.Branch, e.home.settings.MainBranch)
		return nil, append(risks, unmerged...), err
	}
	if e.tree.Unfinished {
		// Only a dry run sees one: nobody can have worked there.
		return nil, risks, nil
	}
	more, err := e.lost(ctx)
	return nil, append(risks, more...), err
}

// lost tells what would be lost with the work tree.
func (e *ending) lost(ctx context.Context) ([]string, error) {
	at, err := worktree.Find(ctx, e.path)
	if err != nil {
		return nil, err
	}
	if at == nil || at.CommonDir != e.repo.CommonDir {
		return []string{e.path + " is no longer a work tree of " + e.repo.Main}, nil
	}
	return at.Risks(ctx, worktree.Keep{
		MainBranch: e.home.settings.MainBranch, Protected: e.home.settings.ProtectedBranches,
		Copied: func(rel string) bool { return overrides.Leftover(filepath.Base(rel)) || e.home.has(e.path, rel) },
	})
}

// has tells whether a file of a work tree is what furnish has put there.
func (h *home) has(path, rel string) bool {
	if h.repo == nil {
		return false
	}
	if worktree.IsCopy(path, h.repo.WorkTree, rel) {
		return true
	}
	if filepath.Base(rel) != overrides.EnvFile {
		return false
	}
	// One of the two may have the block of a loom.
	a, errA := os.ReadFile(filepath.Join(path, rel))
	b, errB := os.ReadFile(filepath.Join(h.repo.WorkTree, rel))
	return errA == nil && errB == nil && bytes.Equal(overrides.Cut(a), overrides.Cut(b))
}

// keepAlive is what rm comes to where the settings want stacks kept: the loom stops, and nothing else changes.
func (l *Looms) keepAlive(ctx context.Context, t *Target, req RmRequest, r *Removal) error {
	r.State = RemovalStopped
	r.Kept = []string{"the loom, stopped, with its work tree: container.keepAlive is set"}
	if req.DryRun {
		return nil
	}
	return l.Stop(ctx, t, req.Timeout)
}

// end does it, in the order that lets a second one finish what the first was interrupted in.
func (l *Looms) end(ctx context.Context, t *Target, req RmRequest, e *ending, r *Removal) error {
	if t.Known != nil {
		down, err := l.takeDown(ctx, t, DownRequest{Volumes: true, Timeout: req.Timeout, DryRun: req.DryRun})
		if err != nil {
			return err
		}
		r.Removed = append(r.Removed, down.Removed...)
		for _, v := range down.Volumes {
			r.Kept = append(r.Kept, "volume "+v)
		}
	}
	if e.path != "" {
		r.Removed = append(r.Removed, "work tree "+e.path)
		if req.Branch && r.Branch != "" {
			r.Removed = append(r.Removed, "branch "+r.Branch)
		}
	}
	if req.DryRun {
		return nil
	}
	if e.path != "" {
		if err := l.removeTree(ctx, req, e); err != nil {
			return err
		}
	}
	if t.Known == nil {
		return nil
	}
	return l.forget(ctx, t, true)
}

// removeTree removes the work tree, unless somebody has worked there since it was looked at.
func (l *Looms) removeTree(ctx context.Context, req RmRequest, e *ending) error {
	if !req.Force && !e.gone && e.tree != nil {
		risks, err := e.lost(ctx)
		if err != nil {
			return err
		}
		if len(risks) > 0 {
			return &MeanwhileError{e.path, risks}
		}
	}
	if err := e.repo.Remove(ctx, e.path, req.Branch); err != nil {
		return err
	}
	l.forgetWritten(e.path)
	return nil
}

// MeanwhileError says that work came into a work tree while its loom was being taken down.
type MeanwhileError struct {
	Path  string
	Risks []string
}

// Error lists what would be lost.
func (e *MeanwhileError) Error() string {
	return "the stack is down, but " + e.Path + " has changed meanwhile: " + strings.Join(e.Risks, "; ")
}

// NextStep says what the user does next.
func (*MeanwhileError) NextStep() string {
	return "commit and push it, then docker loom rm again; or lose it with --force"
}

// forgetTree makes git forget the work tree that was made for a loom and is gone.
func (l *Looms) forgetTree(ctx context.Context, k *registry.Loom) error {
	repo, err := repositoryOf(ctx, &Target{Repository: k.Repository})
	if err != nil || repo == nil || !gone(k.WorkTree) {
		return err
	}
	trees, err := repo.Trees(ctx)
	if err != nil {
		return err
	}
	for _, tree := range trees {
		if tree.Path == k.WorkTree && is(k.ID, tree.For) {
			return repo.Remove(ctx, tree.Path, false)
		}
	}
	return nil
}

// Merged lists the looms of all repositories on this engine that have a work tree of docker loom's making on a branch
// whose work is in the main branch.
func (l *Looms) Merged(ctx context.Context) ([]Prunable, error) {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	var list []Prunable
	for _, k := range state.Looms {
		if k.Space != space || k.ID == Main || !isDir(k.WorkTree) {
			continue
		}
		t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: copyOf(k)}
		t.Source = stack.Source{Dir: k.WorkTree, Top: k.WorkTree}
		why, err := l.merged(ctx, t)
		if err != nil {
			// One repository that git cannot read must not keep the others.
			l.Teller.Debugf("%s: %v", t.Name(), err)
			continue
		}
		if why != "" {
			list = append(list, Prunable{Target: t, Why: why, Merged: true})
		}
	}
	return list, nil
}

func (l *Looms) merged(ctx context.Context, t *Target) (why string, err error) {
	tree, err := l.treeOf(ctx, t)
	if err != nil || tree == nil || tree.Main || tree.Unfinished || !is(t.ID, tree.For) || tree.Branch == "" {
		return "", err
	}
	repo, err := repositoryOf(ctx, t)
	if err != nil {
		return "", err
	}
	home, err := l.home(ctx, repo)
	if err != nil || home.settings.Container.KeepAlive {
		return "", err
	}
	main := home.settings.MainBranch
	if merged, err := repo.Merged(ctx, tree.Branch, main); err != nil || !merged {
		return "", err
	}
	return "its branch " + tree.Branch + " is merged into " + main, nil
}

// EndGone ends a loom whose work tree is gone, and makes git forget that too where it was made for the loom.
func (l *Looms) EndGone(ctx context.Context, t *Target) error {
	if err := l.forgetTree(ctx, t.Known); err != nil {
		// What git cannot do must not keep the loom.
		l.Teller.Debugf("%s: %v", t.Name(), err)
	}
	_, err := l.Down(ctx, t, DownRequest{Volumes: true})
	return err
}

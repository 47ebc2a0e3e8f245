package loom

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// RmRequest asks to end a loom and to remove its work tree.
type RmRequest struct {
	// Force removes although something would be lost.
	Force bool
	// WorkTree removes a work tree that docker loom did not make, too; Branch the branch that is checked out there.
	WorkTree, Branch bool
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
	DryRun  bool
}

// Removal is what rm did to a loom, or with DryRun would do.
type Removal struct {
	Loom string `json:"loom"`
	// State is removed, refused, or stopped. A loom is only stopped if its project has container.keepAlive.
	State    string `json:"state"`
	WorkTree string `json:"workTree"`
	Branch   string `json:"branch"`
	// Refused lists what would be lost, Warnings what else the user should know.
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

// hasLeftTree reports whether there is a work tree, or a part of one, that was made for an id that no loom has.
func (l *Looms) hasLeftTree(ctx context.Context, t *Target) (bool, error) {
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

// Rm ends a loom: its stack with volumes, its files, the work tree that was made for it, the branch if the request
// says so, and its leases last. First it looks at what would be lost. If anything would be lost, it touches nothing,
// and the Removal says so. After an interruption, a second Rm does the rest.
func (l *Looms) Rm(ctx context.Context, t *Target, req RmRequest) (*Removal, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	if !req.DryRun {
		release, err := l.LockTarget(ctx, t)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	r := &remover{Looms: l, target: t, req: req, result: &Removal{
		Loom: t.ID, State: RemovalDone, Refused: []string{}, Warnings: []string{}, Removed: []string{}, Kept: []string{},
	}}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	never, risks, err := r.risks(ctx)
	if err != nil {
		return nil, err
	}
	if !req.Force {
		never = append(never, risks...)
	} else {
		r.result.Warnings = append(r.result.Warnings, risks...)
	}
	if len(never) > 0 {
		r.result.State, r.result.Refused = RemovalRefused, never
		return r.result, nil
	}
	if r.main != nil && r.main.settings.Container.KeepAlive && t.Known != nil && !r.gone {
		return r.result, r.stop(ctx)
	}
	return r.result, r.end(ctx)
}

// remover ends one loom.
type remover struct {
	*Looms
	target *Target
	req    RmRequest
	result *Removal

	repo *worktree.Repository // as seen from the main work tree; nil without git
	main *mainTree
	tree *worktree.Tree // nil if git knows none
	path string         // of the work tree that is removed, empty if it stays
	gone bool           // the work tree's folder does not exist
}

// look reads what there is to end.
func (r *remover) look(ctx context.Context) (err error) {
	if r.target.Known != nil {
		r.result.WorkTree = r.target.Known.WorkTree
	}
	if r.repo, err = repositoryOf(ctx, r.target); err != nil {
		return err
	}
	if r.repo == nil {
		return r.lookWithoutGit()
	}
	if r.main, err = r.mainTree(ctx, r.repo); err != nil {
		return err
	}
	if err := r.clearInterrupted(ctx); err != nil {
		return err
	}
	if r.tree, err = r.treeOf(ctx, r.target); err != nil {
		return err
	}
	if r.tree == nil {
		at := r.result.WorkTree
		if r.gone = !host.IsDir(at); r.gone && at != "" && worktree.Leftover(at) {
			r.path = at
		}
		return nil
	}
	r.lookAtTree()
	return nil
}

func (r *remover) lookWithoutGit() error {
	if r.target.Known == nil || !host.IsDir(r.target.Known.WorkTree) {
		r.gone = true
		return nil
	}
	set, err := settings.Read(settings.Sources{User: r.UserSettings, WorkTree: r.target.Known.WorkTree})
	r.main = &mainTree{settings: set}
	return err
}

// clearInterrupted clears away a work tree that is not complete: nobody can have worked there.
func (r *remover) clearInterrupted(ctx context.Context) error {
	if r.req.DryRun || !r.repo.Interrupted(r.target.ID) {
		return nil
	}
	path, err := r.repo.Resume(ctx, r.target.ID)
	if err != nil {
		return err
	}
	if path != "" {
		return r.repo.Finish(ctx, path)
	}
	r.result.Removed = append(r.result.Removed, "what an interrupted up has left")
	return nil
}

// lookAtTree decides whether the work tree is removed or kept.
func (r *remover) lookAtTree() {
	r.result.WorkTree, r.result.Branch = r.tree.Path, r.tree.Branch
	r.gone = !host.IsDir(r.tree.Path)
	switch {
	case r.tree.Main:
		r.result.Kept = append(r.result.Kept, "work tree "+r.tree.Path+", the main one")
		return
	case !isID(r.target.ID, r.tree.For) && !r.req.WorkTree:
		r.result.Kept = append(r.result.Kept,
			"work tree "+r.tree.Path+", which docker loom did not make (--delete-worktree removes it)")
		return
	}
	r.path = r.tree.Path
	for _, p := range worktree.Users(r.path) {
		r.result.Warnings = append(r.result.Warnings, "process "+p.String()+" works in "+r.path)
	}
	if !r.req.Branch && r.result.Branch != "" {
		r.result.Kept = append(r.result.Kept, "branch "+r.result.Branch)
	}
}

// risks says what forbids rm: never in any case, risks unless the user forces it.
func (r *remover) risks(ctx context.Context) (never, risks []string, err error) {
	req, tree := r.req, r.tree
	switch {
	case r.target.ID == Main:
		return []string{"main is the loom of the main checkout: docker loom down main --volumes ends it"}, nil, nil
	case tree != nil && tree.Main && (req.WorkTree || req.Branch):
		return []string{tree.Path + " is the main work tree"}, nil, nil
	case r.path == "" && req.Branch && tree != nil:
		return []string{"branch " + tree.Branch + " is checked out in " + tree.Path + ", which stays"}, nil, nil
	case r.path == "" || tree == nil:
		return nil, nil, nil
	}
	state, err := r.Registry.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, other := range state.InFolder(r.path) {
		if other.ID != r.target.ID {
			risks = append(risks, "loom "+other.ID+" works there too")
		}
	}
	var more []string
	switch {
	case r.gone && req.Branch && tree.Branch != "":
		if slices.Contains(r.main.settings.ProtectedBranches, tree.Branch) {
			risks = append(risks, "branch "+tree.Branch+" is protected")
		}
		more, err = r.repo.Unmerged(ctx, tree.Branch, r.main.settings.MainBranch)
	case r.gone, tree.Unfinished:
		// Only a dry run sees an unfinished work tree. Nobody can have worked there.
	default:
		more, err = r.losses(ctx)
	}
	return nil, append(risks, more...), err
}

// losses lists what would be lost with the work tree.
func (r *remover) losses(ctx context.Context) ([]string, error) {
	at, err := worktree.Find(ctx, r.path)
	if err != nil {
		return nil, err
	}
	if at == nil || at.CommonDir != r.repo.CommonDir {
		return []string{r.path + " is no longer a work tree of " + r.repo.Main}, nil
	}
	return at.Risks(ctx, worktree.Keep{
		MainBranch: r.main.settings.MainBranch, Protected: r.main.settings.ProtectedBranches,
		Copied: func(rel string) bool {
			return overrides.Leftover(filepath.Base(rel)) || r.main.isCopied(r.path, rel)
		},
	})
}

// stop is what rm does if the settings keep stacks alive: the loom stops, and nothing else changes.
func (r *remover) stop(ctx context.Context) error {
	r.result.State = RemovalStopped
	r.result.Kept = []string{"the loom, stopped, with its work tree: container.keepAlive is set"}
	if r.req.DryRun {
		return nil
	}
	return r.Stop(ctx, r.target, r.req.Timeout)
}

// end removes everything. The order lets a second rm finish what the first one was interrupted in.
func (r *remover) end(ctx context.Context) error {
	t, req := r.target, r.req
	if t.Known != nil {
		down, err := r.takeDown(ctx, t, DownRequest{Volumes: true, Timeout: req.Timeout, DryRun: req.DryRun})
		if err != nil {
			return err
		}
		r.result.Removed = append(r.result.Removed, down.Removed...)
		for _, v := range down.Volumes {
			r.result.Kept = append(r.result.Kept, "volume "+v)
		}
	}
	if r.path != "" {
		r.result.Removed = append(r.result.Removed, "work tree "+r.path)
		if req.Branch && r.result.Branch != "" {
			r.result.Removed = append(r.result.Removed, "branch "+r.result.Branch)
		}
	}
	if req.DryRun {
		return nil
	}
	if r.path != "" {
		if err := r.removeTree(ctx); err != nil {
			return err
		}
	}
	if t.Known == nil {
		return nil
	}
	return r.forget(ctx, t, true)
}

// removeTree removes the work tree, unless somebody has worked there since rm looked.
func (r *remover) removeTree(ctx context.Context) error {
	if !r.req.Force && !r.gone && r.tree != nil {
		risks, err := r.losses(ctx)
		if err != nil {
			return err
		}
		if len(risks) > 0 {
			return &MeanwhileError{r.path, risks}
		}
	}
	remove := r.repo.Remove
	if r.req.Branch {
		remove = r.repo.RemoveWithBranch
	}
	if err := remove(ctx, r.path); err != nil {
		return err
	}
	r.Registry.ForgetWritten(r.path)
	return nil
}

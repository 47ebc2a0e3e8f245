package tree

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
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
	return "commit and push it, then run docker loom rm ID; or lose it with --force"
}

// RemoveOptions say how a work tree is removed.
type RemoveOptions struct {
	// Force removes although something would be lost, Ignored although only files would be lost that git ignores.
	Force, Ignored bool
	// WorkTree removes a work tree that docker loom did not make, too; Branch the branch that is checked out there.
	WorkTree, Branch bool
	DryRun           bool
}

// Removal is what rm does about the work tree of a loom.
type Removal struct {
	// WorkTree is the loom's work tree, Branch the branch that is checked out there.
	WorkTree, Branch string
	// Path is that of the work tree that is removed, empty if it stays.
	Path string
	// Gone reports that the work tree's folder does not exist.
	Gone bool
	// Lost names the ignored files that are lost with the work tree, empty without any.
	Lost string
	// Caches names the ignored files that go with it and that tools make again, empty without any.
	Caches string
	// Cleared lists what was removed while rm looked, Kept what stays, Warnings what the user should know.
	Cleared, Kept, Warnings []string

	trees   *Trees
	target  *find.Target
	options RemoveOptions
	repo    *worktree.Repository // as seen from the main work tree; nil without git
	main    *mainTree
	tree    *worktree.Tree // nil if git knows none
}

// PlanRemoval looks at the work tree of a loom, and decides what of it goes. It removes nothing but a work tree that is
// not complete.
func (w *Trees) PlanRemoval(ctx context.Context, t *find.Target, o RemoveOptions) (*Removal, error) {
	r := &Removal{trees: w, target: t, options: o}
	return r, r.look(ctx)
}

// KeepsAlive reports whether the settings say that rm only stops the loom.
func (r *Removal) KeepsAlive() bool {
	return r.main != nil && r.main.settings.Container.KeepAlive && !r.Gone
}

// look reads what there is to end.
func (r *Removal) look(ctx context.Context) (err error) {
	if r.target.Known != nil {
		r.WorkTree = r.target.Known.WorkTree
	}
	if r.repo, err = find.RepositoryOf(ctx, r.target); err != nil {
		return err
	}
	if r.repo == nil {
		return r.lookWithoutGit()
	}
	if r.main, err = r.trees.mainTree(ctx, r.repo); err != nil {
		return err
	}
	if err := r.clearInterrupted(ctx); err != nil {
		return err
	}
	if r.tree, err = r.trees.Finder.TreeOf(ctx, r.target); err != nil {
		return err
	}
	if r.tree == nil {
		at := r.WorkTree
		if r.Gone = !host.IsDir(at); r.Gone && at != "" && worktree.Leftover(at) {
			r.Path = at
		}
		return nil
	}
	r.lookAtTree()
	return nil
}

func (r *Removal) lookWithoutGit() error {
	if r.target.Known == nil || !host.IsDir(r.target.Known.WorkTree) {
		r.Gone = true
		return nil
	}
	set, err := settings.Read(settings.Sources{User: r.trees.Finder.UserSettings, WorkTree: r.target.Known.WorkTree})
	r.main = &mainTree{settings: set}
	return err
}

// clearInterrupted clears away a work tree that is not complete: nobody can have worked there.
func (r *Removal) clearInterrupted(ctx context.Context) error {
	if r.options.DryRun || !r.repo.Interrupted(r.target.ID) {
		return nil
	}
	path, err := r.repo.Resume(ctx, r.target.ID)
	if err != nil {
		return err
	}
	if path != "" {
		return r.repo.Finish(ctx, path)
	}
	r.Cleared = append(r.Cleared, "what an interrupted up has left")
	return nil
}

// lookAtTree decides whether the work tree is removed or kept.
func (r *Removal) lookAtTree() {
	r.WorkTree, r.Branch = r.tree.Path, r.tree.Branch
	r.Gone = !host.IsDir(r.tree.Path)
	switch {
	case r.tree.Main:
		r.Kept = append(r.Kept, "work tree "+r.tree.Path+", the main one")
		return
	case !find.IsID(r.target.ID, r.tree.For) && !r.options.WorkTree:
		r.Kept = append(r.Kept,
			"work tree "+r.tree.Path+", which docker loom did not make (--delete-worktree removes it)")
		return
	}
	r.Path = r.tree.Path
	for _, p := range host.Users(r.Path) {
		r.Warnings = append(r.Warnings, "process "+p.String()+" works in "+r.Path)
	}
	if !r.options.Branch && r.Branch != "" {
		r.Kept = append(r.Kept, "branch "+r.Branch)
	}
}

// Risks says what forbids rm: never in any case, risks unless the user forces it.
func (r *Removal) Risks(ctx context.Context) (never, risks []string, err error) {
	o, tree := r.options, r.tree
	switch {
	case r.target.ID == identity.Main:
		return []string{"main is the loom of the main checkout: docker loom down main --volumes ends it"}, nil, nil
	case tree != nil && tree.Main && (o.WorkTree || o.Branch):
		return []string{tree.Path + " is the main work tree"}, nil, nil
	case r.Path == "" && o.Branch && tree != nil:
		return []string{"branch " + tree.Branch + " is checked out in " + tree.Path + ", which stays"}, nil, nil
	case r.Path == "" || tree == nil:
		return nil, nil, nil
	}
	if err := r.trees.Finder.ReadState(ctx, r.target); err != nil {
		return nil, nil, err
	}
	for _, other := range registry.OnePerLoom(r.target.State.InFolder(r.Path)) {
		if other.ID != r.target.ID {
			risks = append(risks, "loom "+other.ID+" works there too")
		}
	}
	var more []string
	switch {
	case r.Gone && o.Branch && tree.Branch != "":
		if slices.Contains(r.main.settings.ProtectedBranches, tree.Branch) {
			risks = append(risks, "branch "+tree.Branch+" is protected")
		}
		more, err = r.repo.Unmerged(ctx, tree.Branch, r.main.settings.MainBranch)
	case r.Gone, tree.Unfinished:
		// Only a dry run sees an unfinished work tree. Nobody can have worked there.
	default:
		more, err = r.losses(ctx)
	}
	return nil, append(risks, more...), err
}

// losses lists what would be lost with the work tree.
func (r *Removal) losses(ctx context.Context) ([]string, error) {
	at, err := worktree.Find(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	if at == nil || at.CommonDir != r.repo.CommonDir {
		return []string{r.Path + " is no longer a work tree of " + r.repo.Main}, nil
	}
	keep := worktree.Keep{
		MainBranch: r.main.settings.MainBranch, Protected: r.main.settings.ProtectedBranches,
		Copied: func(rel string) bool {
			return overrides.Leftover(filepath.Base(rel)) || r.main.isCopied(r.Path, rel) || isGenerated(r.Path, rel)
		},
	}
	risks, err := at.Risks(ctx, keep)
	if err != nil {
		return nil, err
	}
	ignored, err := worktree.FindIgnored(ctx, at, keep)
	if err != nil {
		return nil, err
	}
	risks = append(risks, ignored.Risks()...)
	if !ignored.Caches.None() {
		r.Caches = ignored.Caches.String()
	}
	if r.Lost = ""; !ignored.Files.None() {
		r.Lost = ignored.Files.String()
		if !r.options.Ignored {
			risks = append(risks, r.Lost)
		}
	}
	return risks, nil
}

// isGenerated reports whether docker loom made all of a file of the work tree.
func isGenerated(path, rel string) bool {
	switch filepath.Base(rel) {
	case overrides.EnvFile, overrides.OverrideFile, filepath.Base(overrides.NamedFile):
	default:
		return false
	}
	text, err := rooted.ReadFile(filepath.Join(path, rel))
	return err == nil && withoutGenerated(rel, text) == nil
}

// Run removes the work tree, unless somebody has worked there since rm looked.
func (r *Removal) Run(ctx context.Context) error {
	if !r.options.Force && !r.Gone && r.tree != nil {
		risks, err := r.losses(ctx)
		if err != nil {
			return err
		}
		if len(risks) > 0 {
			return &MeanwhileError{r.Path, risks}
		}
	}
	remove := r.repo.Remove
	if r.options.Branch {
		remove = r.repo.RemoveWithBranch
	}
	if err := remove(ctx, r.Path); err != nil {
		return err
	}
	r.trees.Finder.Registry.ForgetWritten(r.Path)
	return nil
}

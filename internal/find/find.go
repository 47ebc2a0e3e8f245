package find

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// UnknownError says that no loom has this id.
type UnknownError struct{ Name, ID string }

// Error names the id.
func (e *UnknownError) Error() string { return "no loom " + e.Name }

// NextStep says what the user does next.
func (e *UnknownError) NextStep() string {
	return "docker loom ls lists the looms there are; docker loom up " + ShellWord(e.ID) + " makes this one"
}

// SeveralError says that the folder has several looms and none was named.
type SeveralError struct {
	Folder string
	IDs    []string
}

// Error lists the ids.
func (e *SeveralError) Error() string {
	return fmt.Sprintf("%s has several looms: %s", e.Folder, strings.Join(e.IDs, ", "))
}

// NextStep says what the user does next.
func (*SeveralError) NextStep() string {
	return "name the one you mean"
}

// NeitherError says that a name is neither a loom nor a service of the folder's loom.
type NeitherError struct{ Name, Loom string }

// Error says what the name was looked for as.
func (e *NeitherError) Error() string {
	return fmt.Sprintf("there is no loom %s, and loom %s of this folder has no service %s", e.Name, e.Loom, e.Name)
}

// NextStep says what the user does next.
func (e *NeitherError) NextStep() string {
	return "docker loom ls lists the looms, docker loom ps " + e.Loom + " the services"
}

// Purpose is what a command wants of the loom it looks for.
type Purpose int

const (
	// Making may begin a new loom.
	Making Purpose = iota
	// Reading wants an existing loom. If the folder has several, it takes the one that owns the files.
	Reading
	// Ending wants an existing loom. If the folder has several, the user must name one. No file of a work tree that the
	// registry knows is read, and Target.Git may be nil: whoever writes the tree must not keep a loom from being stopped.
	Ending
	// Removing is Ending, but also takes a loom that ended and whose work tree is left.
	Removing
)

// Query says which loom a command means.
type Query struct {
	// Where has the folder, and the project if one is named. Its ID is not looked at.
	Where
	// Words are what the user typed: [ID] [SERVICE...]. The first word is an id if there is a loom of that name, otherwise
	// a service of the folder's loom. If the loom may be new, the first word may also be its id.
	Words   []string
	Purpose Purpose
	// Services lists the services of the folder's loom; nil for those of the [Finder].
	Services func(context.Context, *Target) ([]string, error)
	// Quick starts no git process if the registry knows enough, and the purpose is Reading. Target.Git may then be nil.
	Quick bool
}

// Find finds the loom that is meant, and returns the words behind its id.
func (f *Finder) Find(ctx context.Context, q Query) (t *Target, rest []string, err error) {
	if len(q.Words) == 0 {
		t, err = f.resolveQuery(ctx, q, "", q.Purpose)
		return t, nil, err
	}
	first, existing := q.Words[0], q.Purpose
	if existing == Making {
		existing = Reading
	}
	t, unknown := f.resolveQuery(ctx, q, first, existing)
	if several, ok := errors.AsType[*SeveralProjectsError](unknown); ok && len(q.Words) > 1 {
		return f.byService(ctx, q, t, several, q.Words[1:])
	}
	if !errors.As(unknown, new(*UnknownError)) {
		return t, q.Words[1:], unknown
	}
	here, err := f.resolveQuery(ctx, q, "", q.Purpose)
	if errors.As(err, new(*UnknownError)) {
		// The folder has no loom whose service the word could be.
		return nil, nil, unknown
	}
	if several, ok := errors.AsType[*SeveralProjectsError](err); ok {
		return f.byService(ctx, q, here, several, q.Words)
	}
	if err != nil {
		return nil, nil, err
	}
	services, err := f.servicesOf(ctx, q, here)
	if err != nil {
		return nil, nil, err
	}
	if slices.Contains(services, first) {
		return here, q.Words, nil
	}
	if q.Purpose == Making {
		isNew, err := f.canBeNew(ctx, here, first)
		if err != nil {
			return nil, nil, err
		}
		if isNew {
			where := q.Where
			where.ID = first
			t, err = f.Resolve(ctx, where, Making)
			return t, q.Words[1:], err
		}
	}
	if here.Known == nil {
		return nil, nil, unknown
	}
	return nil, nil, &NeitherError{Name: first, Loom: here.ID}
}

func (f *Finder) resolveQuery(ctx context.Context, q Query, id string, purpose Purpose) (*Target, error) {
	where := q.Where
	where.ID = id
	if q.Quick && purpose == Reading {
		if t := f.Registered(ctx, where); t != nil {
			return t, nil
		}
	}
	return f.Resolve(ctx, where, purpose)
}

// canBeNew reports whether a word is the id of a loom that up would make: a number, a key, a pull request, or the
// name of a work tree. Any other word is more likely a typing error.
func (f *Finder) canBeNew(ctx context.Context, here *Target, word string) (bool, error) {
	id, err := identity.ParseID(word)
	if err != nil {
		return false, err
	}
	if identity.IsNumber(id) || identity.IsPullRequest(id) || identity.IsKey(id) {
		return true, nil
	}
	if here.Git == nil {
		return false, nil
	}
	trees, err := here.Git.Trees(ctx)
	return err == nil && f.PathOf(trees, id) != "", err
}

// Resolve finds the loom with this id, or the folder's loom if there is no id.
func (f *Finder) Resolve(ctx context.Context, where Where, purpose Purpose) (*Target, error) {
	state, err := f.Promises(ctx)
	if err != nil {
		return nil, err
	}
	t, err := f.start(ctx, state, where.Source, purpose)
	if err != nil {
		return nil, err
	}
	t.State = state
	if where.ID == "" {
		err = f.chooseID(state, t, purpose)
	} else {
		err = f.useTypedID(ctx, t, where.ID, purpose)
	}
	if err != nil {
		return nil, err
	}
	if t.Projects = registry.Clones(state.Projects(t.Repository, t.ID)); len(t.Projects) == 0 {
		if t.Projects, err = f.recover(ctx, state, t); err != nil && purpose != Making {
			return nil, err
		}
	}
	if len(t.Projects) > 0 {
		t.Known = t.Projects[0]
	}
	if t.Known == nil && purpose != Making {
		left := false
		if purpose == Removing {
			if left, err = f.hasLeftTree(ctx, t); err != nil {
				return nil, err
			}
		}
		if !left {
			return nil, &UnknownError{Name: t.Name(), ID: t.ID}
		}
	}
	if err := f.chooseWorkTree(ctx, t, where, purpose); err != nil {
		return nil, err
	}
	if err := f.chooseProject(ctx, t, where, purpose); err != nil {
		return t, err
	}
	f.InUse.noteWord(t.ID, t.ID)
	if len(t.Projects) > 0 {
		f.MarkInUse(ctx, t)
	}
	f.Teller.Debugf("loom %s: repository %s, work tree %s, looking for the project from %s",
		t.ID, t.Repository, t.WorkTree, t.Source.Dir)
	return t, nil
}

// start is where the search for a loom begins.
func (f *Finder) start(
	ctx context.Context, state *registry.State, src stack.Source, purpose Purpose,
) (*Target, error) {
	if purpose == Ending {
		if t := f.inKnownTree(state, src); t != nil {
			return t, nil
		}
	}
	return f.Here(ctx, src)
}

// Here is the repository and work tree of the folder that the command runs in, without an id.
func (f *Finder) Here(ctx context.Context, src stack.Source) (*Target, error) {
	dir, err := filepath.EvalSymlinks(src.Dir)
	if err != nil {
		return nil, err
	}
	src.Dir, src.Environ = dir, f.Process.Environ
	repo, err := worktree.Find(ctx, dir)
	if err != nil {
		return nil, err
	}
	t := &Target{Source: src, Git: repo}
	switch {
	case repo != nil && repo.WorkTree != "":
		t.Repository, t.WorkTree = repo.Main, repo.WorkTree
		t.Source.Top = repo.WorkTree
	case repo != nil:
		t.Repository, t.WorkTree = repo.Main, dir
	default:
		t.Repository, t.WorkTree = dir, dir
		if found, err := stack.Find(src, stack.Ours{}); err == nil {
			t.Repository, t.WorkTree = found.Dir, found.Dir
		}
	}
	return t, nil
}

// RepositoryPath is the path of the repository that has the folder.
func (f *Finder) RepositoryPath(ctx context.Context, src stack.Source) (string, error) {
	here, err := f.Here(ctx, src)
	if err != nil {
		return "", err
	}
	return here.Repository, nil
}

// chooseID sets the id of the folder's loom: the exported one if it works in this folder, otherwise the registry's,
// otherwise what the names of the work tree say.
func (f *Finder) chooseID(state *registry.State, t *Target, purpose Purpose) error {
	in := registry.OnePerLoom(state.InFolder(t.WorkTree))
	exported := f.Process.Getenv("ILOOM_LOOM")
	for _, k := range in {
		if exported != "" && k.ID == exported || len(in) == 1 {
			t.ID = k.ID
			return nil
		}
	}
	if len(in) == 0 {
		noted, err := f.notedIDs(t)
		if err == nil {
			t.ID = idFromNames(t.Git, noted)
		}
		return err
	}
	if k := filesOwner(state, t); k != nil && (purpose == Making || purpose == Reading) {
		t.ID = k.ID
		return nil
	}
	e := &SeveralError{Folder: t.WorkTree}
	for _, k := range in {
		e.IDs = append(e.IDs, k.ID)
	}
	return e
}

// filesOwner is the loom whose generated files are nearest to the folder, otherwise one that has files elsewhere in the
// work tree; nil if none has.
func filesOwner(state *registry.State, t *Target) *registry.Loom {
	for dir := t.Source.Dir; host.IsBelow(dir, t.WorkTree); dir = filepath.Dir(dir) {
		if k := state.FilesOwner(dir); k != nil {
			return k
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, k := range state.InFolder(t.WorkTree) {
		if k.Files {
			return k
		}
	}
	return nil
}

// idFromNames reads an id from what is noted of the work tree, otherwise from its folder, otherwise from its branch.
// A linked work tree whose names follow no pattern is a loom all the same, called by its branch or its folder: main
// is the loom of the main checkout.
func idFromNames(repo *worktree.Repository, noted []string) string {
	if repo == nil || repo.WorkTree == "" {
		return identity.Main
	}
	names := noted
	if id, ok := identity.IDFromFolder(filepath.Base(repo.WorkTree)); ok && repo.Linked() {
		names = append(names, id)
	}
	if id, ok := identity.IDFromBranch(repo.Branch); ok {
		names = append(names, id)
	}
	if repo.Linked() {
		names = append(names, repo.Branch)
		if !repo.Bare {
			// With HEAD detached, as in a rebase, only the folder has a name.
			names = append(names, filepath.Base(repo.WorkTree))
		}
	}
	for _, name := range names {
		// Normalised like a typed id, because 007 here must be the 7 that the user types. No name leads to main.
		if id, err := identity.ParseID(name); err == nil && id != identity.Main {
			return id
		}
	}
	return identity.Main
}

// useTypedID sets the id that was typed: an id of this repository, or repo/id of a loom that the registry knows.
func (f *Finder) useTypedID(ctx context.Context, t *Target, typed string, purpose Purpose) error {
	state := t.State
	id, err := identity.ParseID(typed)
	if err != nil {
		return err
	}
	t.ID = id
	repo, rest, ok := strings.Cut(typed, "/")
	if state.Find(t.Repository, id) != nil {
		return nil
	}
	if identity.IsPath(typed) {
		// An earlier docker loom made looms of such names: those are found above.
		return &identity.IDError{Typed: typed}
	}
	if !ok {
		return nil
	}
	other, err := identity.ParseID(rest)
	if err != nil {
		return nil //nolint:nilerr // it is not repo/id, but a branch such as feat/-
	}
	var paths []string
	for _, k := range registry.OnePerLoom(state.Looms) {
		if k.ID == other && filepath.Base(k.Repository) == repo {
			paths = append(paths, k.Repository)
		}
	}
	switch len(paths) {
	case 0:
		return nil
	case 1:
		t.ID, t.Repository = other, paths[0]
		f.InUse.noteWord(other, typed)
		// The search begins at the top of that repository, and no work tree of this one may stand in for a missing one.
		t.Source.Dir = t.WorkTree
		return move(ctx, t, t.Repository, purpose)
	}
	return fmt.Errorf("%s is a loom of several repositories: %s", typed, strings.Join(paths, ", "))
}

// Package loom is the house's first floor: what a loom is, and the order in which the others do their work. Each
// command reads facts, makes a plan from them, carries the plan out and tells what came of it; how each step is done is
// known below.
package loom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// Looms carries out the commands on one engine with one registry.
type Looms struct {
	Stack    *stack.Stack
	Engine   *engine.Engine
	Registry *registry.Registry
	// FeatureStore fetches the features of dev containers.
	FeatureStore *features.Store
	// UserSettings is the path of the user's own settings file.
	UserSettings string
	// Cache is the folder for what can be learnt again; "" for none.
	Cache string
	// Version is that of the plugin; it is put on containers.
	Version string
	// Teller speaks with the user.
	Teller tell.Teller
	// Process is what the command takes from its process.
	Process host.Process

	// permitted are the powers that the user has accepted in this process.
	permitted []string
	// Unnoticed keeps what is done from counting as use of the looms.
	Unnoticed bool

	attendance sync.Mutex        // of attending
	attending  map[string]func() // by name of the loom, with its repository
}

// Where says which loom is meant: an id as typed, or none, and the folder and files the command was given.
type Where struct {
	ID     string
	Source stack.Source
}

// Target is the loom that a command acts on.
type Target struct {
	ID         string
	Repository string // path of the main work tree, or the project folder without git
	WorkTree   string
	// Source is where its project is looked for.
	Source stack.Source
	// Git is the repository as seen from the work tree, nil without git.
	Git *worktree.Repository
	// Known is the registry's entry, nil for a loom that is new to it.
	Known *registry.Loom
	// Notes tell how the work tree was chosen where that may surprise.
	Notes []string

	// recovered says that Known is made of labels: the registry does not know the loom.
	recovered bool
	// foreign are the projects of other looms on the engine, of other users' registries too, where the loom is new.
	foreign []string
	// making is the work tree that up would make for the loom; only a dry run has it. The plan is then that of the folder
	// that up was run in.
	making *worktree.Addition
}

// Name is how the loom is called in messages: shop/123.
func (t *Target) Name() string { return registry.Name(t.Repository, t.ID) }

// UnknownError says that no loom has this id.
type UnknownError struct{ Name string }

// Error names the id.
func (e *UnknownError) Error() string { return "no loom " + e.Name }

// NextStep says what the user does next.
func (*UnknownError) NextStep() string {
	return "docker loom ls lists the looms there are; docker loom up ID makes one"
}

// SeveralError says that the folder has several looms and none was named.
type SeveralError struct {
	Folder string
	IDs    []string
}

// Error lists them.
func (e *SeveralError) Error() string {
	return fmt.Sprintf("%s has several looms: %s", e.Folder, strings.Join(e.IDs, ", "))
}

// NextStep says what the user does next.
func (*SeveralError) NextStep() string {
	return "name the one you mean"
}

// Purpose is what a command wants of the loom it looks for.
type Purpose int

const (
	// Making may begin a new loom.
	Making Purpose = iota
	// Reading wants one that there is; of several in a folder, the one that owns the files.
	Reading
	// Ending wants one that there is; of several in a folder, none without its id.
	Ending
)

// Resolve finds the loom that is meant.
func (l *Looms) Resolve(ctx context.Context, where Where, purpose Purpose) (*Target, error) {
	state, err := l.promises(ctx)
	if err != nil {
		return nil, err
	}
	here, err := l.here(ctx, where.Source)
	if err != nil {
		return nil, err
	}
	if where.ID == "" {
		noted, err := l.noted(here)
		if err != nil {
			return nil, err
		}
		if here.ID, err = l.choose(state, here, purpose, noted); err != nil {
			return nil, err
		}
	} else if err := l.address(ctx, state, here, where.ID); err != nil {
		return nil, err
	}
	here.Known = copyOf(state.Find(here.Repository, here.ID))
	if here.Known == nil {
		if here.Known, err = l.recover(ctx, state, here); err != nil && purpose != Making {
			return nil, err
		}
	}
	if here.Known == nil && purpose != Making {
		return nil, &UnknownError{here.Name()}
	}
	if err := l.settle(ctx, here, where); err != nil {
		return nil, err
	}
	if here.Known != nil {
		l.attend(ctx, here)
	}
	l.Teller.Debugf("loom %s: repository %s, work tree %s, looking for the project from %s", here.ID, here.Repository, here.WorkTree, here.Source.Dir)
	return here, nil
}

// here is the repository and work tree of the folder that the command runs in, with no id yet.
func (l *Looms) here(ctx context.Context, src stack.Source) (*Target, error) {
	dir, err := filepath.EvalSymlinks(src.Dir)
	if err != nil {
		return nil, err
	}
	src.Dir = dir
	repo, err := worktree.Find(ctx, dir)
	if err != nil {
		return nil, err
	}
	t := &Target{Source: src, Git: repo}
	if repo != nil && repo.WorkTree != "" {
		t.Repository, t.WorkTree = repo.Main, repo.WorkTree
		t.Source.Top = repo.WorkTree
		return t, nil
	}
	if repo != nil {
		t.Repository, t.WorkTree = repo.Main, dir
		return t, nil
	}
	t.Repository, t.WorkTree = dir, dir
	if found, err := stack.Find(src, stack.Ours{}); err == nil {
		t.Repository, t.WorkTree = found.Dir, found.Dir
	}
	return t, nil
}

// choose picks the loom of the folder when no id was given. noted are the ids that the folder's work tree was made for.
func (l *Looms) choose(state *registry.State, here *Target, purpose Purpose, noted []string) (string, error) {
	in := state.InFolder(here.WorkTree)
	if id := l.Process.Getenv("ILOOM_LOOM"); id != "" {
		for _, l := range in {
			if l.ID == id {
				return id, nil
			}
		}
	}
	if len(in) == 1 {
		return in[0].ID, nil
	}
	if len(in) > 1 {
		for _, l := range in {
			if purpose != Ending && l.Files {
				return l.ID, nil
			}
		}
		e := &SeveralError{Folder: here.WorkTree}
		for _, l := range in {
			e.IDs = append(e.IDs, l.ID)
		}
		return "", e
	}
	return patterns(here.Git, noted), nil
}

// patterns reads an id from what is noted of the work tree, else from its names: its folder, its branch. A linked work tree whose names follow
// no pattern is a loom of its own all the same, called by its branch, else by its folder: main is the main checkout's.
func patterns(repo *worktree.Repository, noted []string) string {
	if repo == nil || repo.WorkTree == "" {
		return Main
	}
	names := noted
	if id, ok := worktree.IDFromFolder(filepath.Base(repo.WorkTree)); ok && repo.Linked() {
		names = append(names, id)
	}
	if id, ok := worktree.IDFromBranch(repo.Branch); ok {
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
		// Normalised like a typed one, or 007 here would not be the 7 that the user types; and no name leads to main.
		if id, err := ParseID(name); err == nil && id != Main {
			return id
		}
	}
	return Main
}

// address takes the id that was typed: one of this repository, or repo/id of any that the registry knows.
func (l *Looms) address(ctx context.Context, state *registry.State, here *Target, typed string) error {
	id, err := ParseID(typed)
	if err != nil {
		return err
	}
	here.ID = id
	if state.Find(here.Repository, id) != nil || !strings.Contains(typed, "/") {
		return nil
	}
	repo, rest, _ := strings.Cut(typed, "/")
	other, err := ParseID(rest)
	if err != nil {
		return nil //nolint:nilerr // not repo/id then, but a branch such as feat/-
	}
	var matches []*registry.Loom
	for _, k := range state.Looms {
		if k.ID == other && filepath.Base(k.Repository) == repo {
			matches = append(matches, k)
		}
	}
	switch len(matches) {
	case 0:
		return nil
	case 1:
		here.ID, here.Repository = other, matches[0].Repository
		// Its work trees are to be looked for there, and none of this repository may stand in for one that is gone.
		here.Source.Dir = here.WorkTree
		return l.moveTo(ctx, here, here.Repository)
	}
	var paths []string
	for _, m := range matches {
		paths = append(paths, m.Repository)
	}
	return fmt.Errorf("%s is a loom of several repositories: %s", typed, strings.Join(paths, ", "))
}

// recover finds a loom that the registry does not know by the labels of what it has on the engine.
func (l *Looms) recover(ctx context.Context, state *registry.State, t *Target) (*registry.Loom, error) {
	// Without the check an engine that swallows packets would keep the user waiting.
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	looms, err := l.Engine.Looms(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range looms {
		if e.ID != t.ID || e.Repo != t.Repository {
			t.foreign = append(t.foreign, e.Project)
			continue
		}
		if other := byProject(state, e.Project); other != nil {
			continue
		}
		l.Teller.Debugf("loom %s is not in the registry; its project %s was found by labels", t.Name(), e.Project)
		k := fromLabels(e)
		k.Space, t.recovered = space, true
		return k, nil
	}
	return nil, nil
}

// promises is what the registry says, rebuilt from the engine's labels where it is new or was lost.
func (l *Looms) promises(ctx context.Context) (*registry.State, error) {
	state, err := l.Registry.Read(ctx)
	if err != nil || !state.Fresh {
		return state, err
	}
	return l.rebuild(ctx, state)
}

// rebuild fills a registry that is new or was lost with the looms that the engine has. Their ports are leased again when
// their projects are planned; until then their containers hold them.
func (l *Looms) rebuild(ctx context.Context, fresh *registry.State) (*registry.State, error) {
	if err := l.Engine.Check(ctx); err != nil {
		l.Teller.Debugf("looms on the engine: %v", err)
		return fresh, nil
	}
	looms, err := l.Engine.Looms(ctx)
	if err != nil || len(looms) == 0 {
		l.Teller.Debugf("looms on the engine: %d, %v", len(looms), err)
		return fresh, nil
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	err = l.Registry.Update(ctx, func(state *registry.State) error {
		if !state.Fresh {
			return nil
		}
		for _, e := range looms {
			// Where the repository is not here, the loom is another user's or machine's, and in their registry.
			if e.ID == "" || !isDir(e.Repo) || state.Find(e.Repo, e.ID) != nil {
				continue
			}
			k := fromLabels(e)
			k.Space = space
			state.Put(*k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l.Registry.Read(ctx)
}

// fromLabels is what the labels of a loom's containers, networks and volumes tell of it.
func fromLabels(e engine.Loom) *registry.Loom {
	k := &registry.Loom{ID: e.ID, Repository: e.Repo, Project: e.Project, WorkTree: e.WorkTree, Offset: e.Offset}
	// Only --offset gives main one.
	k.Pinned = e.ID == Main && e.Offset > 0
	for _, c := range e.Containers {
		if isSandbox(c) {
			k.Sandboxed = true
		}
		if c.Service == egressService {
			// Until the next agent command says how: the services of a loom with a sandbox must not come up open.
			k.Confined = &registry.Confined{Mode: string(egress.None)}
		}
		if dir := c.Labels[stack.LabelWorkingDir]; dir != "" {
			k.Dir = dir
		}
		if k.Created.IsZero() || c.Created.Before(k.Created) {
			k.Created = c.Created.UTC()
		}
	}
	if k.Dir != "" {
		env, _ := os.ReadFile(filepath.Join(k.Dir, overrides.EnvFile)) // without one it is nobody's
		id, _, _ := overrides.Block(env)
		k.Files = id == k.ID || overrides.GeneratedFor(filepath.Join(k.Dir, overrides.OverrideFile)) == k.Name()
	}
	return k
}

func byProject(state *registry.State, project string) *registry.Loom {
	for _, k := range state.Looms {
		if k.Project == project {
			return k
		}
	}
	return nil
}

// settle finds the work tree of the loom: the one it has, else the one whose names say so, else the current folder.
func (l *Looms) settle(ctx context.Context, t *Target, where Where) error {
	at := t.WorkTree
	switch {
	case t.ID == Main && (t.Git == nil || t.Git.Bare || t.Known != nil && t.Known.Repository != t.Git.Main):
		if t.Known != nil {
			at = t.Known.WorkTree
		}
	case t.ID == Main:
		at = t.Git.Main
	case t.Known != nil && t.Known.WorkTree != "" && isDir(t.Known.WorkTree):
		if at = t.Known.WorkTree; where.ID == "" && at != t.WorkTree {
			t.Notes = append(t.Notes, fmt.Sprintf("loom %s has the work tree %s: using that, not this folder", t.ID, at))
		}
	case t.Git != nil && where.ID != "":
		trees, err := t.Git.Trees(ctx)
		if err != nil {
			return err
		}
		if tree := l.belongs(trees, t.ID); tree != "" {
			at = tree
		} else {
			t.Notes = append(t.Notes, fmt.Sprintf("no work tree belongs to %s: using this folder, %s", t.ID, t.WorkTree))
		}
	}
	if t.Known != nil && t.Known.WorkTree != "" && !isDir(t.Known.WorkTree) {
		t.Notes = append(t.Notes, fmt.Sprintf("the loom's work tree %s is gone", t.Known.WorkTree))
	}
	if at == t.WorkTree && isDir(at) {
		return nil
	}
	return l.moveTo(ctx, t, at)
}

// moveTo makes another work tree the loom's, with the search beginning at the same place below it.
func (l *Looms) moveTo(ctx context.Context, t *Target, at string) error {
	rel, err := filepath.Rel(t.WorkTree, t.Source.Dir)
	if err != nil || !filepath.IsLocal(rel) {
		rel = "."
	}
	t.WorkTree, t.Source.Top = at, at
	t.Source.Dir = filepath.Join(at, rel)
	if t.Known != nil && t.Known.Dir != "" && len(t.Source.Files) == 0 && t.Source.ProjectDirectory == "" && isDir(t.Known.Dir) {
		t.Source.Dir = t.Known.Dir
	} else if !isDir(t.Source.Dir) {
		t.Source.Dir = at
	}
	if !isDir(at) {
		t.Git = nil
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

func copyOf(k *registry.Loom) *registry.Loom {
	if k == nil {
		return nil
	}
	c := *k
	c.Ports = slices.Clone(k.Ports)
	return &c
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

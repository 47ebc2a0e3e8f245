package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
)

// Git is what is known of the repository of a work tree ([ReadGit]).
//
// An agent that can write a repository's configuration, hooks or the files that lead git to them runs programs as whoever
// calls git next on the host. So what is writable is listed, and all else is read-only.
//
// In a linked work tree the common dir is read-only as a whole; objects, refs, logs and the work tree's own folder of
// worktrees/ are writable. At the common dir's path is a [View] of it.
//
// A main checkout's git folder must be writable itself, since git makes HEAD.lock and index.lock in it and renames them.
// It is a mount of its own, so that it cannot be renamed, and so is each thing in it that git obeys ([guarded]): a
// mountpoint can neither be renamed nor removed. Those that are missing are made before, empty, or the agent would make
// them. Of these, commondir is the one that no git folder of a main checkout has: it names the folder that git takes config
// and hooks from. An empty one makes git fail, so it holds ".", the git folder itself; git 2.39 and 2.53 then do all that
// they did (status, commit, branch, stash, rebase, gc, fsck, repack, clone, fetch, push, submodule, worktree add, remove
// and prune, sparse-checkout, bisect). It is there while the loom has a sandbox ([UnprepareGit]).
//
// A mountpoint's parent can be renamed. So every folder between the work tree and something guarded in it is mounted on
// itself.
type Git struct {
	// Common is the git folder that all work trees share, Dir that of this one: the same in a main checkout.
	Common, Dir string
	Main        bool
	// File says that .git of the work tree is a file.
	File bool
	// Trees are other work trees inside this one, whose files are not the agent's.
	Trees []string
	// Submodules are folders inside the work tree that have a .git of their own.
	Submodules []string
	// Reftable says that refs are in the folder reftable.
	Reftable bool
	// Others are the names of what else is in a main checkout's git folder and is neither guarded nor git's to write, and of
	// all that is in a common dir. They are read-only too; new ones do not make another sandbox of it.
	Others []string
}

// shared are the folders of the common dir that every git command writes to.
var shared = []string{"objects", "refs", "logs"}

// entry is a guarded name in a git folder, with what it is made as where it is missing.
type entry struct {
	name    string
	folder  bool
	content string
}

// guarded is what git obeys in the git folder of a main checkout.
var guarded = []entry{
	{name: "config"},
	{name: "config.worktree"},
	{name: "commondir", content: ".\n"},
	{name: "hooks", folder: true},
	{name: "info", folder: true},
	{name: "modules", folder: true},
	{name: "worktrees", folder: true},
	// The older ways of naming a remote.
	{name: "branches", folder: true},
	{name: "remotes", folder: true},
}

// guardedLinked is what git obeys in the own folder of a linked work tree.
var guardedLinked = []entry{{name: "commondir"}, {name: "gitdir"}, {name: "config.worktree"}, {name: "modules", folder: true}}

// written are the names in a main checkout's git folder that git replaces as it works, with patterns of [filepath.Match].
var written = []string{
	"HEAD", "ORIG_HEAD", "FETCH_HEAD", "*_HEAD", "MERGE_*", "SQUASH_MSG", "AUTO_MERGE", "BISECT_*", "*_EDITMSG", "EDIT_DESCRIPTION",
	"NOTES_*", "index", "index.*", "next-index-*", "sharedindex.*", "packed-refs", "packed-refs.new", "shallow", "shallow_*", "*.lock",
	"objects", "refs", "logs", "reftable", "rebase-merge", "rebase-apply", "sequencer", "rr-cache", "gc.pid", "gc.log", "addp-hunk-edit.diff",
}

// isWritten tells whether name is one that git replaces.
func isWritten(name string) bool {
	return slices.ContainsFunc(written, func(pattern string) bool {
		ok, err := filepath.Match(pattern, name)
		return ok && err == nil
	})
}

func isGuarded(name string) bool {
	return slices.ContainsFunc(guarded, func(e entry) bool { return e.name == name })
}

// Writable are the folders of git's that the agent may write.
func (g *Git) Writable() []string {
	var all []string
	for _, name := range g.shared() {
		all = append(all, filepath.Join(g.Common, name))
	}
	return append(all, g.Dir)
}

func (g *Git) shared() []string {
	if g.Reftable {
		return slices.Concat(shared, []string{"reftable"})
	}
	return shared
}

// binds are git's mounts. The paths are those of the host, inside as well.
func (g *Git) binds(workTree string, readOnly bool) []bind {
	var all []bind
	add := func(p string, ro, passing bool) {
		if !slices.ContainsFunc(all, func(b bind) bool { return b.target == p }) {
			all = append(all, bind{source: p, target: p, readOnly: ro || readOnly, passing: passing})
		}
	}
	switch {
	case g.Main:
		add(g.Common, false, false)
	case readOnly:
		add(g.Common, true, false)
	default:
		all = append(all, bind{source: g.Common, target: commonInside, readOnly: true})
		add(filepath.Join(g.Common, "worktrees"), true, false)
	}
	for _, p := range g.Writable() {
		add(p, false, false)
	}
	for _, p := range g.guardedPaths() {
		add(p, true, false)
	}
	if g.Main {
		for _, name := range g.Others {
			add(filepath.Join(g.Common, name), true, true)
		}
	}
	if g.File {
		add(filepath.Join(workTree, ".git"), true, false)
	}
	for _, dir := range g.Submodules {
		for _, p := range between(workTree, filepath.Join(dir, ".git")) {
			add(p, false, false)
		}
		add(filepath.Join(dir, ".git"), true, false)
	}
	for _, dir := range g.Trees {
		for _, p := range between(workTree, dir) {
			add(p, false, false)
		}
		add(dir, true, false)
	}
	if readOnly {
		// Nothing is writable, so nothing on top needs guarding.
		all = slices.DeleteFunc(all, func(b bind) bool { return b.target != g.Common || inside(workTree, b.target) })
	}
	return all
}

// guardedPaths are those of [guarded] or [guardedLinked].
func (g *Git) guardedPaths() []string {
	list := guardedLinked
	if g.Main {
		list = guarded
	}
	var all []string
	for _, e := range list {
		all = append(all, filepath.Join(g.Dir, e.name))
	}
	return all
}

// between are the folders between base and p, without both.
func between(base, p string) []string {
	var all []string
	for dir := filepath.Dir(p); dir != base && inside(base, dir); dir = filepath.Dir(dir) {
		all = append(all, dir)
	}
	slices.Reverse(all)
	return all
}

// inside reports whether p is base or below it; both are clean.
func inside(base, p string) bool {
	if base == p {
		return true
	}
	return strings.HasPrefix(p, strings.TrimSuffix(base, string(filepath.Separator))+string(filepath.Separator))
}

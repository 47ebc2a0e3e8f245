// Package gitview decides which files of a work tree's git repository a sandbox may write, and prepares them for its
// mounts.
//
// An agent that can write a repository's configuration, its hooks or the files that lead git to them runs programs as
// whoever calls git next on the host. So the writable paths are listed, and everything else is read-only.
//
// In a linked work tree the common dir is read-only as a whole. Writable are objects, refs, logs/refs and the work
// tree's own folder of worktrees/. logs/HEAD is not: it tells which commits the user made in the main
// checkout. A [View] stands at the common dir's path.
//
// A main checkout's git folder must be writable itself: git makes HEAD.lock and index.lock in it and renames them. It
// is a mount of its own, so that it cannot be renamed, and so is every protected entry in it: a mountpoint can
// neither be renamed nor removed. Missing entries are made first, empty, or the agent would make them. One of them,
// commondir, exists in no git folder of a main checkout: it names the folder that git takes config and hooks from. An
// empty one makes git fail, so it holds ".", the git folder itself. git 2.39 and 2.53 then do what they did (status,
// commit, branch, stash, rebase, gc, fsck, repack, clone, fetch, push, submodule, worktree add, remove and prune,
// sparse-checkout, bisect). [Unprepare] removes it.
//
// A mountpoint's parent can be renamed. So every folder between the work tree and a protected path is mounted on
// itself.
package gitview

import (
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// Repository is the git repository of a work tree, as [Read] found it on the host.
type Repository struct {
	// Common is the git folder that all work trees share, Dir the one of this work tree. In a main checkout both are the
	// same.
	Common, Dir string
	Main        bool
	// DotGitFile reports that .git of the work tree is a file.
	DotGitFile bool
	// Trees are other work trees inside this one. The agent does not write them.
	Trees []string
	// Submodules are folders inside the work tree that have a .git of their own.
	Submodules []string
	// Reftable reports that refs are in the folder reftable.
	Reftable bool
	// Others are the names in the git folder that are neither protected nor git's to write; of a common dir, all names.
	// They are read-only too. They do not count in the sandbox's hash.
	Others []string
}

// Mount is a path of the repository inside the sandbox.
type Mount struct {
	Source, Target string
	ReadOnly       bool
	// Unhashed mounts may come and go without the sandbox being recreated.
	Unhashed bool
}

// entry is a protected name in a git folder. If it is missing, it is made: as a folder, or as a file with the content.
type entry struct {
	name     string
	isFolder bool
	content  string
}

// commonFolders are the folders of the common dir that every git command writes to.
var commonFolders = []string{"objects", "refs"}

// protectedMain are the names in a main checkout's git folder that decide what git does.
var protectedMain = []entry{
	{name: "config"},
	{name: "config.worktree"},
	{name: "commondir", content: ".\n"},
	{name: "hooks", isFolder: true},
	{name: "info", isFolder: true},
	{name: "modules", isFolder: true},
	{name: "worktrees", isFolder: true},
	// The older ways of naming a remote.
	{name: "branches", isFolder: true},
	{name: "remotes", isFolder: true},
}

// protectedLinked are the names in a linked work tree's own folder that decide what git does.
var protectedLinked = []entry{
	{name: "commondir"}, {name: "gitdir"}, {name: "config.worktree"}, {name: "modules", isFolder: true},
}

// writtenByGit are the names in a main checkout's git folder that git replaces as it works: patterns of
// [filepath.Match].
var writtenByGit = []string{
	"HEAD", "ORIG_HEAD", "FETCH_HEAD", "*_HEAD", "MERGE_*", "SQUASH_MSG", "AUTO_MERGE", "BISECT_*", "*_EDITMSG",
	"EDIT_DESCRIPTION", "NOTES_*", "index", "index.*", "next-index-*", "sharedindex.*", "packed-refs", "packed-refs.new",
	"shallow", "shallow_*", "*.lock", "objects", "refs", "logs", "reftable", "rebase-merge", "rebase-apply", "sequencer",
	"rr-cache", "gc.pid", "gc.log", "addp-hunk-edit.diff",
}

func isWrittenByGit(name string) bool {
	return slices.ContainsFunc(writtenByGit, func(pattern string) bool {
		ok, err := filepath.Match(pattern, name)
		return ok && err == nil
	})
}

func isProtectedInMain(name string) bool {
	return slices.ContainsFunc(protectedMain, func(e entry) bool { return e.name == name })
}

// protected returns the protected entries of Dir.
func (r *Repository) protected() []entry {
	if r.Main {
		return protectedMain
	}
	return protectedLinked
}

// Writable returns the folders of the repository that the agent writes.
func (r *Repository) Writable() []string { return append(r.Shared(), r.Dir) }

// Shared returns the folders of the repository that the agents of all its work trees write.
func (r *Repository) Shared() []string {
	var all []string
	for _, name := range r.commonFolders() {
		all = append(all, filepath.Join(r.Common, filepath.FromSlash(name)))
	}
	return all
}

// Worktrees returns the folder with the own folders of the linked work trees.
func (r *Repository) Worktrees() string { return filepath.Join(r.Common, "worktrees") }

func (r *Repository) commonFolders() []string {
	logs := "logs"
	if !r.Main {
		// A linked work tree has the reflog of its HEAD in its own folder.
		logs = "logs/refs"
	}
	folders := slices.Concat(commonFolders, []string{logs})
	if r.Reftable {
		folders = append(folders, "reftable")
	}
	return folders
}

// ProtectedPaths returns the paths in Dir that decide what git does.
func (r *Repository) ProtectedPaths() []string {
	var all []string
	for _, e := range r.protected() {
		all = append(all, filepath.Join(r.Dir, e.name))
	}
	return all
}

// Mounts returns the mounts for an agent that writes its work tree. Paths inside are those of the host.
func (r *Repository) Mounts(workTree string) []Mount {
	var l mountList
	if r.Main {
		l.add(Mount{Source: r.Common})
	} else {
		l.add(Mount{Source: r.Common, Target: commonTarget, ReadOnly: true})
		l.add(Mount{Source: r.Worktrees(), ReadOnly: true})
	}
	for _, p := range r.Writable() {
		l.add(Mount{Source: p})
	}
	for _, p := range r.ProtectedPaths() {
		l.add(Mount{Source: p, ReadOnly: true})
	}
	if r.Main {
		for _, name := range r.Others {
			l.add(Mount{Source: filepath.Join(r.Common, name), ReadOnly: true, Unhashed: true})
		}
	}
	if r.DotGitFile {
		l.add(Mount{Source: filepath.Join(workTree, ".git"), ReadOnly: true})
	}
	for _, dir := range r.Submodules {
		l.addReadOnlyInTree(workTree, filepath.Join(dir, ".git"))
	}
	for _, dir := range r.Trees {
		l.addReadOnlyInTree(workTree, dir)
	}
	return l
}

// ReadOnlyMounts returns the mounts for an agent that writes nothing: nothing on top needs protection.
func (r *Repository) ReadOnlyMounts(workTree string) []Mount {
	if paths.Contains(workTree, r.Common) {
		return nil
	}
	return []Mount{{Source: r.Common, Target: r.Common, ReadOnly: true}}
}

// mountList has one mount for each target; the first one counts.
type mountList []Mount

// add adds m. Without a target it is mounted at its source's path.
func (l *mountList) add(m Mount) {
	if m.Target == "" {
		m.Target = m.Source
	}
	if !slices.ContainsFunc(*l, func(have Mount) bool { return have.Target == m.Target }) {
		*l = append(*l, m)
	}
}

// addReadOnlyInTree adds a path inside the work tree, and the folders above it so that none of them can be renamed.
func (l *mountList) addReadOnlyInTree(workTree, p string) {
	for _, dir := range paths.Between(workTree, p) {
		l.add(Mount{Source: dir})
	}
	l.add(Mount{Source: p, ReadOnly: true})
}

package sandbox

import (
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// Rights returns the rights on the host that the agent needs for its work tree and repository. A path that [Compile]
// mounts read-only gets only the right to read, so that a lost mount gives nothing away.
//
// The agents of a repository's other looms may be the same user of the host. So the rights reduce only what belongs to
// this loom: its work tree and its own git folder. Elsewhere, and for an agent that only reads, they add.
func (s Spec) Rights() []acl.Right {
	all := s.ownRights()
	for i, r := range all {
		all[i].KeepWider = r.KeepWider || s.ReadOnly
	}
	if s.Git == nil {
		return all
	}
	for i := range all {
		all[i].Except = append(all[i].Except, s.Git.Trees...)
	}
	for _, tree := range s.Git.Trees {
		all = append(all, acl.Right{Path: tree, KeepWider: true})
	}
	return all
}

// ownRights returns the rights without those for other work trees inside this one.
func (s Spec) ownRights() []acl.Right {
	all := s.treeRights()
	switch {
	case s.Git == nil:
		return all
	case s.ReadOnly:
		return append(all, acl.Right{Path: s.Git.Common})
	case s.Git.Main:
		return append(all, mainRights(s.Git)...)
	default:
		return append(all, linkedRights(s.Git)...)
	}
}

// RightsAtEnd returns the rights that the agents' user of a loom loses when the loom ends: those that are revoked, and
// those that are reduced to reading because siblings need that. siblings are the work trees of the repository's other
// looms whose agents are the same user.
func RightsAtEnd(workTree string, git *gitview.Repository, siblings []string) (revoked, reduced []acl.Right) {
	tree := acl.Right{Path: workTree, Except: siblings}
	switch {
	case slices.Contains(siblings, workTree):
		return nil, nil
	case git == nil:
		return []acl.Right{tree}, nil
	case len(siblings) == 0:
		return []acl.Right{tree, {Path: git.Dir}, {Path: git.Common}}, nil
	}
	tree.Except = append(slices.Clone(siblings), git.Common)
	own := acl.Right{Path: git.Dir, Except: siblings}
	if git.Main {
		own.Except = slices.Concat(siblings, git.Shared(), []string{git.Worktrees()})
	}
	if slices.ContainsFunc(siblings, func(s string) bool { return paths.Contains(s, workTree) }) {
		return nil, []acl.Right{tree, own}
	}
	return []acl.Right{tree}, []acl.Right{own}
}

// mainRights returns the rights for the git folder of a main checkout.
func mainRights(git *gitview.Repository) []acl.Right {
	common := acl.Right{Path: git.Common, Write: true, Except: git.ProtectedPaths()}
	for _, name := range git.Others {
		common.Except = append(common.Except, filepath.Join(git.Common, name))
	}
	protected := readRights(common.Except)
	for i, r := range protected {
		protected[i].KeepWider = r.Path == git.Worktrees()
	}
	return append([]acl.Right{common}, protected...)
}

// linkedRights returns the rights for the git folders of a linked work tree.
func linkedRights(git *gitview.Repository) []acl.Right {
	all := []acl.Right{{Path: git.Common, KeepWider: true, Except: git.Writable()}}
	for _, p := range git.Writable() {
		r := acl.Right{Path: p, Write: true}
		if p == git.Dir {
			r.Except = git.ProtectedPaths()
		}
		all = append(all, r)
	}
	return append(all, readRights(git.ProtectedPaths())...)
}

// treeRights returns the right for the work tree, and the rights to read what is in it and stays read-only.
func (s Spec) treeRights() []acl.Right {
	settings := filepath.Join(s.WorkTree, ".iloom")
	tree := acl.Right{Path: s.WorkTree, Write: !s.ReadOnly, Except: []string{settings}}
	nested := []acl.Right{{Path: settings}}
	if s.Git == nil {
		return append([]acl.Right{tree}, nested...)
	}
	dotGit := filepath.Join(s.WorkTree, ".git")
	tree.Except = append(tree.Except, dotGit)
	if s.Git.DotGitFile {
		nested = append(nested, acl.Right{Path: dotGit})
	}
	for _, dir := range s.Git.Submodules {
		inside := filepath.Join(dir, ".git")
		tree.Except = append(tree.Except, inside)
		nested = append(nested, acl.Right{Path: inside})
	}
	return append([]acl.Right{tree}, nested...)
}

func readRights(paths []string) []acl.Right {
	var all []acl.Right
	for _, p := range paths {
		all = append(all, acl.Right{Path: p})
	}
	return all
}

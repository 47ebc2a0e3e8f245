package sandbox

import (
	"path/filepath"

	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

// Rights returns the rights on the host that the agent needs for its work tree and repository. A path that [Compile]
// mounts read-only gets only the right to read, so that a lost mount gives nothing away.
func (s Spec) Rights() []acl.Right {
	tree, nested := treeRights(s.WorkTree, s.Git)
	tree.Write = !s.ReadOnly
	all := append([]acl.Right{tree}, nested...)
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

// mainRights returns the rights for the git folder of a main checkout.
func mainRights(git *gitview.Repository) []acl.Right {
	common := acl.Right{Path: git.Common, Write: true, Except: git.ProtectedPaths()}
	for _, name := range git.Others {
		common.Except = append(common.Except, filepath.Join(git.Common, name))
	}
	return append([]acl.Right{common}, readRights(common.Except)...)
}

// linkedRights returns the rights for the git folders of a linked work tree.
func linkedRights(git *gitview.Repository) []acl.Right {
	all := []acl.Right{{Path: git.Common, Except: git.Writable()}}
	for _, p := range git.Writable() {
		r := acl.Right{Path: p, Write: true}
		if p == git.Dir {
			r.Except = git.ProtectedPaths()
		}
		all = append(all, r)
	}
	return append(all, readRights(git.ProtectedPaths())...)
}

// treeRights returns the right for a work tree, and the rights to read what is in it and stays read-only.
func treeRights(workTree string, git *gitview.Repository) (tree acl.Right, nested []acl.Right) {
	settings := filepath.Join(workTree, ".iloom")
	tree = acl.Right{Path: workTree, Except: []string{settings}}
	nested = []acl.Right{{Path: settings}}
	if git == nil {
		return tree, nested
	}
	dotGit := filepath.Join(workTree, ".git")
	tree.Except = append(tree.Except, dotGit)
	if git.DotGitFile {
		nested = append(nested, acl.Right{Path: dotGit})
	}
	var inside []string
	for _, dir := range git.Submodules {
		inside = append(inside, filepath.Join(dir, ".git"))
	}
	inside = append(inside, git.Trees...)
	tree.Except = append(tree.Except, inside...)
	return tree, append(nested, readRights(inside)...)
}

func readRights(paths []string) []acl.Right {
	var all []acl.Right
	for _, p := range paths {
		all = append(all, acl.Right{Path: p})
	}
	return all
}

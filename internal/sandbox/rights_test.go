//go:build linux

package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

// repositoryOfThree is a repository whose main checkout, a work tree beside it and one inside it have agents, which are
// all the same user.
func repositoryOfThree(t *testing.T) map[string]Spec {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "loom-rights-") // /tmp may be a file system without lists
	assert.NilError(t, err)
	t.Cleanup(func() { assert.Check(t, os.RemoveAll(dir)) })
	main := filepath.Join(dir, "main")
	git := filepath.Join(main, ".git")
	for _, name := range []string{
		"main/file", "main/.git/HEAD", "main/.git/config", "main/.git/objects/00/x", "main/.git/refs/heads/x", "main/.git/logs/x",
		"main/.git/worktrees/beside/index", "main/.git/worktrees/inside/index", "beside/file", "main/trees/inside/file",
	} {
		path := filepath.Join(dir, name)
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		assert.NilError(t, os.WriteFile(path, nil, 0o600))
	}
	specs := map[string]Spec{}
	for name, tree := range map[string]string{
		"main": main, "beside": filepath.Join(dir, "beside"), "inside": filepath.Join(main, "trees", "inside"),
	} {
		s := Spec{WorkTree: tree, UID: FixedID, Git: &gitview.Repository{Common: git, DotGitFile: true}}
		s.Git.Dir = filepath.Join(git, "worktrees", name)
		if name == "main" {
			s.Git.Dir, s.Git.Main, s.Git.DotGitFile = git, true, false
			s.Git.Trees = []string{filepath.Join(main, "trees", "inside")}
		}
		assert.NilError(t, gitview.Prepare(tree, s.Git))
		specs[name] = s
	}
	return specs
}

// grant starts an agent's loom, as far as its rights go, and returns how many files that changed.
func grant(t *testing.T, s Spec) int {
	t.Helper()
	n, err := acl.Grant(s.Rights(), s.UID)
	assert.NilError(t, err)
	return n
}

// end ends a loom beside siblings.
func end(t *testing.T, s Spec, siblings []Spec) {
	t.Helper()
	var trees []string
	for _, other := range siblings {
		trees = append(trees, other.WorkTree)
	}
	revoked, reduced := RightsAtEnd(s.WorkTree, s.Git, trees)
	_, err := acl.Revoke(revoked, s.UID)
	assert.NilError(t, err)
	_, err = acl.Grant(reduced, s.UID)
	assert.NilError(t, err)
}

// orders are all orders of the names.
func orders(names []string) [][]string {
	if len(names) < 2 {
		return [][]string{names}
	}
	var all [][]string
	for i, first := range names {
		for _, rest := range orders(slices.Delete(slices.Clone(names), i, i+1)) {
			all = append(all, append([]string{first}, rest...))
		}
	}
	return all
}

func TestNoLoomTakesItsSiblingsRights(t *testing.T) {
	t.Parallel()
	specs := repositoryOfThree(t)
	reader := specs["beside"]
	reader.ReadOnly = true
	names := []string{"main", "beside", "inside"}
	for _, starts := range orders(names) {
		for _, ends := range orders(names) {
			for _, name := range starts {
				assert.Assert(t, grant(t, specs[name]) > 0)
			}
			grant(t, reader)
			for _, name := range names {
				assert.Equal(t, grant(t, specs[name]), 0, "%s, started in the order of %s, had all its rights", name, starts)
			}
			var left []Spec
			for i, ended := range ends {
				left = nil
				for _, name := range ends[i+1:] {
					left = append(left, specs[name])
				}
				end(t, specs[ended], left)
				for _, s := range left {
					assert.Equal(t, grant(t, s), 0, "%s kept its rights when %s ended (%s)", s.WorkTree, ended, ends)
				}
			}
			n, err := acl.Revoke([]acl.Right{{Path: specs["main"].WorkTree}, {Path: specs["beside"].WorkTree}}, FixedID)
			assert.NilError(t, err)
			assert.Equal(t, n, 0, "rights stay after all have ended in the order of %s", ends)
		}
	}
}

func TestALoomThatEndsBesideASiblingKeepsOnlyTheRightToRead(t *testing.T) {
	t.Parallel()
	specs := repositoryOfThree(t)
	for _, name := range []string{"main", "inside", "beside"} {
		grant(t, specs[name])
	}
	git := specs["main"].Git
	for ended, path := range map[string]string{"main": git.Common + "/HEAD", "inside": git.Worktrees() + "/inside/index"} {
		end(t, specs[ended], []Spec{specs["beside"]})
		n, err := acl.Grant([]acl.Right{{Path: path}}, FixedID)
		assert.NilError(t, err)
		assert.Equal(t, n, 0, "%s is reduced to reading", path)
	}
	// Two looms of one work tree.
	end(t, specs["beside"], []Spec{specs["beside"]})
	assert.Equal(t, grant(t, specs["beside"]), 0)
}

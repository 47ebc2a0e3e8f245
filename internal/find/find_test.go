package find

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// crowd is a repository with work trees, whose looms a property draws.
type crowd struct {
	*testWorld
	repo    string
	trees   []string
	folders []string // in the work trees, their tops included
}

// typedIDs are the ids that the looms of a crowd have, each with other ways to type it.
var typedIDs = map[string][]string{
	"7": {"7", "#7", "007"}, "8": {"8"}, "pr/45": {"pr/45", "PR-45"}, "ENG-3": {"eng-3", "ENG-3"}, "feat/x": {"feat/x"},
	identity.Main: {identity.Main}, "new": {"new"},
}

func newCrowd(t *testing.T) *crowd {
	w := newWorld(t, worldtest.Remote)
	c := &crowd{testWorld: w, repo: w.Repo("shop")}
	c.trees = []string{
		c.repo, w.Tree(c.repo, "issue-7", "looms", "seven"), w.Tree(c.repo, "other", "looms", "x_pr_45"),
		w.Tree(c.repo, "feat/x", "looms", "x"), w.Tree(c.repo, "issue-main", "looms", "z"),
	}
	for _, tree := range c.trees {
		rel, err := filepath.Rel(w.Dir, tree)
		assert.NilError(t, err)
		w.Write("", rel, "sub", "deep", "file")
		c.folders = append(c.folders, tree, filepath.Join(tree, "sub"), filepath.Join(tree, "sub", "deep"))
	}
	w.Write("", "elsewhere", "file")
	return c
}

// draw fills the registry with looms in any order, each in any work tree, beside those of another repository.
func (c *crowd) draw(t *rapid.T) []*registry.Loom {
	space, err := c.Engine.Space(c.T.Context())
	assert.NilError(t, err)
	var looms []*registry.Loom
	for _, id := range slices.Sorted(maps.Keys(typedIDs)) {
		if id == "new" || !rapid.Bool().Draw(t, "registered "+id) {
			continue
		}
		tree := rapid.SampledFrom(append(slices.Clone(c.trees), c.Path("gone"))).Draw(t, "work tree of "+id)
		if id == identity.Main {
			tree = c.repo
		}
		looms = append(looms,
			&registry.Loom{
				ID: id, Repository: c.repo, Project: "p-" + id, WorkTree: tree, Space: space,
				Files: rapid.Bool().Draw(t, "files of "+id),
			},
			&registry.Loom{ID: id, Repository: c.Path("elsewhere"), Project: "q-" + id, WorkTree: c.Path("elsewhere"), Space: space})
	}
	looms = rapid.Permutation(looms).Draw(t, "order")
	assert.NilError(t, c.Registry.Update(c.T.Context(), func(s *registry.State) error {
		s.Fresh, s.Looms = false, looms
		return nil
	}))
	return looms
}

// meant is the loom that a command finds, as a line without the folder that the search begins in.
func (c *crowd) meant(t *rapid.T, where Where, purpose Purpose) string {
	target, err := c.finder.Resolve(c.T.Context(), where, purpose)
	if err != nil {
		return "error: " + err.Error()
	}
	line := target.ID + " of " + target.Repository
	if target.Known != nil {
		line += ", project " + target.Known.Project
		if host.IsDir(target.Known.WorkTree) || target.ID == identity.Main {
			line += " in " + target.WorkTree
		}
	}
	if purpose == Reading {
		quick, _, err := c.finder.Find(c.T.Context(), Query{Where: where, Words: words(where.ID), Purpose: Reading, Quick: true})
		assert.NilError(t, err)
		assert.Equal(t, quick.ID+quick.Repository+quick.Known.Project, target.ID+target.Repository+target.Known.Project)
	}
	return line
}

func words(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

func TestATypedIDMeansTheSameLoomFromEverywhere(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	folder := rapid.SampledFrom(c.folders)
	rapid.Check(t, func(t *rapid.T) {
		c.draw(t)
		id := rapid.SampledFrom([]string{"7", "8", "pr/45", "ENG-3", "feat/x", identity.Main, "new"}).Draw(t, "id")
		purpose := rapid.SampledFrom([]Purpose{Making, Reading, Ending}).Draw(t, "purpose")
		typed := rapid.SampledFrom(typedIDs[id])
		here := c.meant(t, in(folder.Draw(t, "folder"), typed.Draw(t, "typed")), purpose)
		there := c.meant(t, in(folder.Draw(t, "other folder"), typed.Draw(t, "typed otherwise")), purpose)
		assert.Equal(t, here, there)
		addressed := c.meant(t, in(c.Path("elsewhere"), "shop/"+id), purpose)
		if known := c.State().Find(c.repo, id) != nil; known {
			assert.Equal(t, here, addressed)
		}
	})
}

func TestTheExportedLoomCountsOnlyInItsWorkTree(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	without := c.finder.Process
	rapid.Check(t, func(t *rapid.T) {
		looms := c.draw(t)
		exported := rapid.SampledFrom([]string{"7", "8", "feat/x", identity.Main, "99"}).Draw(t, "exported")
		tree := rapid.SampledFrom(c.trees).Draw(t, "work tree")
		purpose := rapid.SampledFrom([]Purpose{Making, Reading, Ending}).Draw(t, "purpose")
		want := c.meant(t, in(tree, ""), purpose)
		if slices.ContainsFunc(looms, func(k *registry.Loom) bool { return k.ID == exported && k.WorkTree == tree }) {
			want = c.meant(t, in(tree, exported), purpose)
		}
		c.finder.Process.Environ = append(slices.Clone(without.Environ), "ILOOM_LOOM="+exported)
		got := c.meant(t, in(tree, ""), purpose)
		c.finder.Process = without
		assert.Equal(t, got, want)
	})
}

func TestNoNameLeadsToMain(t *testing.T) {
	t.Parallel()
	name := rapid.OneOf(rapid.SampledFrom([]string{identity.Main, "issue-main", "pr-main", "main__x", "issue-7", ""}), rapid.StringMatching(`[a-z0-9/_-]{1,12}`))
	rapid.Check(t, func(t *rapid.T) {
		branch, folder := name.Draw(t, "branch"), name.Draw(t, "folder")
		noted := rapid.SliceOfN(name, 0, 2).Draw(t, "noted")
		repo := &worktree.Repository{
			Main: "/src/shop", WorkTree: filepath.Join("/looms", folder), CommonDir: "/src/shop/.git",
			GitDir: "/src/shop/.git/worktrees/x", Branch: branch,
		}
		isName := func(n string) bool { id, err := identity.ParseID(n); return err == nil && id != identity.Main }
		if id := idFromNames(repo, noted); id == identity.Main {
			for _, n := range append(noted, branch, filepath.Base(repo.WorkTree)) {
				assert.Assert(t, !isName(n), "%q is the name of a loom", n)
			}
		}
	})
}

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"
)

// treeField is a world with the pair project, a secret that git does not track, and enough files that git is a while at
// them.
func treeField(t *testing.T, name string, place int) *field {
	files := pair(basePort(place))
	files[".gitignore"] = ".env\n"
	for i := range 1500 {
		files[fmt.Sprintf("files/%d/%d", i%40, i)] = strings.Repeat(strconv.Itoa(i), 500)
	}
	f := newField(t, name, place, files)
	f.write(filepath.Join(f.repoDir, ".env"), "SECRET=1\n")
	return f
}

// tree is the work tree that up makes for an id.
func (f *field) tree(id string) string {
	return filepath.Join(f.work, f.repo+"-looms", "feat-issue-"+id)
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// admin is what git keeps of that work tree.
func (f *field) admin(id string) string {
	return filepath.Join(f.repoDir, ".git", "worktrees", "feat-issue-"+id)
}

func (f *field) branch(id string) bool {
	return there(filepath.Join(f.repoDir, ".git", "refs", "heads", "feat", "issue-"+id))
}

// isHome checks that a loom is whole and works in a whole work tree of its own.
func (f *field) isHome(id string) {
	f.Helper()
	f.isWhole(id)
	assert.Equal(f, f.promises().Find(f.repoDir, id).WorkTree, f.tree(id))
	assert.Equal(f, f.git(f.tree(id), "status", "--porcelain"), "")
	assert.Equal(f, f.git(f.tree(id), "branch", "--show-current"), "feat/issue-"+id+"\n")
	env, err := os.ReadFile(filepath.Join(f.tree(id), ".env"))
	assert.NilError(f, err)
	assert.Assert(f, strings.HasPrefix(string(env), "SECRET=1\n") && strings.Contains(string(env), `ILOOM_LOOM="`+id+`"`), "%s", env)
	assert.Assert(f, !there(filepath.Join(f.admin(id), "locked")))
}

// isGone checks that nothing of a loom is left: on the engine, in the registry, in git, on the disk.
func (f *field) isGone(id string) {
	f.Helper()
	f.nothing(f.project(id))
	assert.Assert(f, !registered(f, id))
	assert.Assert(f, !there(f.tree(id)))
	assert.Assert(f, !there(f.admin(id)))
	assert.Assert(f, !f.branch(id))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(f.tree(id)), ".feat-issue-"+id+".*"))
	assert.NilError(f, err)
	assert.Equal(f, len(left), 0, "%v", left)
	left, err = filepath.Glob(filepath.Join(f.repoDir, ".git", "*-feat-issue-"+id))
	assert.NilError(f, err)
	assert.Equal(f, len(left), 0, "%v", left)
}

// TestManyWorkTreesAtOnce: commands that make work trees of one repository in the same second are never in each other's
// way; of two for one id, one makes it and the other uses it.
func TestManyWorkTreesAtOnce(t *testing.T) {
	notCore(t)
	t.Parallel()
	const place = 5
	f := treeField(t, "trees", place)
	before := f.exclude()
	ids := []string{"1", "2", "3", "4", "5", "6", "1", "2"}
	assert.NilError(t, atOnce(ids, f.loomed("up", "--worktree")))
	f.disjoint()
	for _, id := range ids {
		f.isHome(id)
	}
	assert.Equal(t, strings.Count(f.git(f.repoDir, "worktree", "list"), "\n"), 7)
	ids = ids[:6]
	assert.NilError(t, atOnce(ids, f.loomed("rm", "--delete-branch")))
	for _, id := range ids {
		f.isGone(id)
	}
	f.tidyBut(before, "!! .env\n")
}

// tidyBut is tidy for a main checkout in which git status shows something from the start.
func (f *field) tidyBut(exclude []byte, status string) {
	f.Helper()
	assert.Equal(f, f.git(f.repoDir, "status", "--porcelain", "--ignored"), status)
	assert.Equal(f, string(f.exclude()), string(exclude))
	assert.Assert(f, !there(filepath.Join(f.work, f.repo+"-looms")))
}

// The moments of a work tree's life, in their order.
var (
	treeMoments = []moment{
		{"at its start", func(*field, string) bool { return true }},
		{"with a branch", func(f *field, id string) bool { return f.branch(id) }},
		{"with an entry in git", func(f *field, id string) bool { return there(f.admin(id)) }},
		{"with a folder", func(f *field, id string) bool { return there(f.tree(id)) }},
		{"with some files", func(f *field, id string) bool { return there(filepath.Join(f.tree(id), "files")) }},
		{"with git's index under way", func(f *field, id string) bool { return there(filepath.Join(f.admin(id), "index.lock")) }},
		{"with all files", func(f *field, id string) bool { return there(filepath.Join(f.admin(id), "index")) }},
		{"with the secrets", func(f *field, id string) bool { return there(filepath.Join(f.tree(id), ".env")) }},
		{"with leases", registered},
		{"with a network", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.networks > 0 }) }},
		{"with a running container", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.running > 0 }) }},
	}
	rmMoments = []moment{
		{"at its start", func(*field, string) bool { return true }},
		{"with a container less", func(f *field, id string) bool {
			return engineHas(f, id, func(m made) bool { return m.running < whole.running })
		}},
		{"without containers", func(f *field, id string) bool {
			return engineHas(f, id, func(m made) bool { return m.containers == 0 })
		}},
		{"without volumes", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.volumes == 0 }) }},
		{"without files of its own", func(f *field, id string) bool {
			return !there(filepath.Join(f.tree(id), "compose.override.yaml"))
		}},
		{"without its folder", func(f *field, id string) bool { return !there(f.tree(id)) }},
		{"without its branch", func(f *field, id string) bool { return !f.branch(id) }},
		{"without git's entry", func(f *field, id string) bool { return !there(f.admin(id)) }},
		{"without what was its folder", func(f *field, id string) bool {
			return !there(f.tree(id)) && !there(filepath.Join(filepath.Dir(f.tree(id)), ".feat-issue-"+id+".docker-loom-removed"))
		}},
		{"without names in info/exclude", func(f *field, id string) bool { return !excluded(f, id) }},
	}
)

// TestKilledInWorkTrees: up --worktree and rm that are killed at any moment are finished by running them again; so is an
// up by rm. It is the same whether git is killed with them or not.
func TestKilledInWorkTrees(t *testing.T) {
	notCore(t)
	t.Parallel()
	const place = 10
	f := treeField(t, "killtree", place)
	before := f.exclude()
	var mu sync.Mutex
	landed, all := 0, 0
	count := func(hit bool) {
		mu.Lock()
		defer mu.Unlock()
		if all++; hit {
			landed++
		}
	}
	t.Run("moments", func(t *testing.T) {
		for i, m := range treeMoments {
			for j, up := range []struct {
				name string
				kill func(*field, moment, string, ...string) bool
			}{{"up ", (*field).killAt}, {"up alone ", (*field).killAloneAt}} {
				t.Run(up.name+m.name, func(t *testing.T) {
					t.Parallel()
					f, id := f.in(t), strconv.Itoa(100+300*j+i)
					count(up.kill(f, m, id, "up", "--worktree"))
					f.looms()
					f.must("up", "--worktree", id)
					f.isHome(id)
					f.must("rm", "--delete-branch", id)
					f.isGone(id)
				})
			}
			t.Run("up, then rm, "+m.name, func(t *testing.T) {
				t.Parallel()
				f, id := f.in(t), strconv.Itoa(200+i)
				count(f.killAt(m, id, "up", "--worktree"))
				if o := f.loom("rm", "--delete-branch", id); o.err != nil {
					// There was not yet anything but perhaps the branch.
					assert.Assert(t, strings.Contains(o.stderr.String(), "no loom "), "%s", o)
					assert.Assert(t, !there(f.tree(id)))
					f.must("up", "--worktree", id)
					f.isHome(id)
					f.must("rm", "--delete-branch", id)
				}
				if f.branch(id) {
					// git had not yet told of which branch the work tree is.
					f.git(f.repoDir, "branch", "-q", "-D", "feat/issue-"+id)
				}
				f.isGone(id)
			})
		}
		for i, m := range rmMoments {
			t.Run("rm "+m.name, func(t *testing.T) {
				t.Parallel()
				f, id := f.in(t), strconv.Itoa(300+i)
				f.must("up", "--worktree", id)
				count(f.killAt(m, id, "rm", "--delete-branch"))
				f.looms()
				if o := f.loom("rm", "--delete-branch", id); o.err != nil {
					// It had done all.
					assert.Assert(t, strings.Contains(o.stderr.String(), "no loom "), "%s", o)
				}
				f.isGone(id)
			})
		}
	})
	assert.Equal(t, len(f.promises().Looms), 0)
	f.tidyBut(before, "!! .env\n")
	t.Logf("%d of %d commands were killed at work", landed, all)
	assert.Assert(t, landed*2 > all, "only %d of %d kills met a command at work", landed, all)
}

// TestRmTellsWhoWorksThere: rm warns of a process whose folder is in the work tree, and does not refuse because of it.
func TestRmTellsWhoWorksThere(t *testing.T) {
	notCore(t)
	t.Parallel()
	const place = 11
	f := newField(t, "usedtree", place, pair(basePort(place)))
	f.must("prepare", "1", "--worktree", "--files-only")
	cmd := f.command(f.tree("1"), "sleep", "600")
	assert.NilError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	o := f.loom("rm", "1", "--delete-branch")
	assert.NilError(t, o.err, "%s", o)
	assert.Assert(t, strings.Contains(o.stderr.String(), fmt.Sprintf("warning: loom 1: process sleep (%d) works in %s", cmd.Process.Pid, f.tree("1"))), "%s", o)
	f.isGone("1")
}

// TestPruneMerged: prune --merged ends the looms whose work has come into the main branch, with work tree and branch, and
// leaves those that are new, at work, or would lose something. Nothing may run beside this test.
func TestPruneMerged(t *testing.T) {
	notCore(t)
	const place = 8
	f := newField(t, "merged", place, pair(basePort(place)))
	f.alone()
	before := f.exclude()
	work := func(id, name string) {
		f.write(filepath.Join(f.tree(id), name), "work\n")
		f.git(f.tree(id), "add", name)
		f.git(f.tree(id), "commit", "-q", "-m", name)
	}
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		f.must("prepare", id, "--worktree", "--files-only")
	}
	f.must("up", "1")
	for _, id := range []string{"1", "2", "3", "5"} {
		work(id, "file-"+id)
	}
	f.git(f.repoDir, "merge", "-q", "-m", "merged", "feat/issue-1")
	f.git(f.repoDir, "merge", "-q", "--squash", "feat/issue-2")
	f.git(f.repoDir, "commit", "-q", "-m", "squashed")
	f.git(f.repoDir, "merge", "-q", "-m", "merged", "feat/issue-5")
	f.write(filepath.Join(f.tree("5"), "unsaved"), "")

	assert.Equal(t, f.must("prune", "--dry-run"), "nothing to prune\n")
	o := f.loom("prune", "--merged", "--dry-run")
	assert.NilError(t, o.err, "%s", o)
	for _, want := range []string{
		"/1: its branch feat/issue-1 is merged into main\n", "/2: its branch feat/issue-2 is merged into main\n",
		"  remove work tree " + f.tree("1") + "\n  remove branch feat/issue-1\n",
		"/5: its branch feat/issue-5 is merged into main\n  stays: 1 file that git does not track: unsaved\n",
	} {
		assert.Assert(t, strings.Contains(o.stderr.String(), want), "%s", o)
	}
	f.isWhole("1")

	assert.Equal(t, f.must("prune", "--merged", "--yes"), "2 loom(s) ended\n")
	for _, id := range []string{"1", "2"} {
		f.isGone(id)
	}
	for _, id := range []string{"3", "4", "5"} {
		assert.Assert(t, registered(f, id) && there(f.tree(id)) && f.branch(id), id)
	}

	// A work tree that the user has removed by hand goes from git's list too, so that its branch is free again.
	assert.NilError(t, os.RemoveAll(f.tree("3")))
	assert.Equal(t, f.must("prune", "--yes"), "1 loom(s) ended\n")
	assert.Assert(t, !there(f.admin("3")) && f.branch("3"))
	f.must("rm", "4", "5", "--delete-branch", "--force")
	f.tidy(before)
}

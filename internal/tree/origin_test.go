package tree_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/gitfile/gittest"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// shared is a repository in which a sandbox may move refs: the sandbox's work tree is of loom 1.
type shared struct {
	*worldtest.World
	repo, sandboxed string
	trees           *tree.Trees
}

// newRepository is the repository before any sandbox.
func newRepository(t *testing.T) *shared {
	t.Helper()
	w := worldtest.New(t, worldtest.Remote)
	s := &shared{World: w, repo: w.Repo("shop")}
	s.trees = &tree.Trees{Finder: &find.Finder{
		Engine: w.Engine, Registry: w.Registry, UserSettings: w.UserSettings(), Teller: w.Teller(), Process: host.Current(),
		InUse: &find.InUse{}, Last: &find.LastRead{},
	}}
	return s
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := newRepository(t)
	w := s.World
	s.sandboxed = w.Tree(s.repo, "one", "one")
	s.Git(s.repo, "branch", "before")
	w.Know(registry.Loom{ID: "1", Repository: s.repo, WorkTree: s.sandboxed, Project: "one"})
	target := s.target(s.sandboxed, "1")
	assert.NilError(t, s.trees.ShareRepository(t.Context(), target))
	_, err := w.Registry.KeepWritten(target.Known)
	assert.NilError(t, err)
	assert.NilError(t, w.Registry.Update(t.Context(), func(state *registry.State) error {
		state.Find(s.repo, "1").Sandboxed = true
		return nil
	}))
	return s
}

func (s *shared) target(dir, id string) *find.Target {
	s.T.Helper()
	where := find.Where{ID: id, Source: stack.Source{Dir: dir}}
	target, err := s.trees.Finder.Resolve(s.T.Context(), where, find.Making)
	assert.NilError(s.T, err)
	return target
}

// origin brings up a loom with a work tree of its own, and returns what is known of who wrote the tree.
func (s *shared) origin(id string, o tree.Options) string {
	s.T.Helper()
	target := s.target(s.repo, id)
	assert.NilError(s.T, s.trees.Own(s.T.Context(), target, tree.Request{Options: o, ID: id}))
	assert.Assert(s.T, target.WorkTree != s.repo)
	w := s.Registry.Written(target.WorkTree)
	if w == nil {
		return ""
	}
	assert.Assert(s.T, w.NoSandbox && !w.Since.IsZero() && w.ID == target.ID && w.Repository == s.repo)
	k := &registry.Loom{ID: id, Repository: s.repo, WorkTree: target.WorkTree}
	k.Inherit(&registry.State{}, w)
	assert.Assert(s.T, k.IsWrittenByOthers() && !k.Sandboxed && k.WrittenSince.Equal(w.Since))
	return w.Origin
}

func (s *shared) commit(dir, message string) {
	s.T.Helper()
	assert.NilError(s.T, os.WriteFile(filepath.Join(dir, "page"), []byte(message), 0o644))
	s.Git(dir, "add", "page")
	s.Git(dir, "commit", "-q", "-m", message)
}

func TestAWorkTreeOfARefThatASandboxMovedIsOfOthers(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(s *shared){
		"a commit on its own branch": func(s *shared) { s.Git(s.sandboxed, "checkout", "-q", "-b", "target") },
		"update-ref of a new one":    func(s *shared) { s.Git(s.sandboxed, "update-ref", "refs/heads/target", "HEAD") },
		"branch -f of the user's": func(s *shared) {
			s.Git(s.repo, "branch", "target")
			s.Git(s.sandboxed, "branch", "-f", "target", "HEAD")
		},
		"a remote-tracking ref": func(s *shared) {
			s.Git(s.repo, "remote", "add", "origin", s.Path("away"))
			s.Git(s.sandboxed, "update-ref", "refs/remotes/origin/target", "HEAD")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t)
			s.commit(s.sandboxed, "of the agent")
			move(s)
			if strings.HasPrefix(name, "a commit") {
				s.Git(s.sandboxed, "checkout", "-q", "one")
			}
			assert.Equal(t, s.origin("target", tree.Options{Mode: tree.Always}), registry.FromSandboxedRefs)
			assert.Equal(t, s.origin("2", tree.Options{Mode: tree.Always, From: "target"}), registry.FromSandboxedRefs)
			s.Git(s.repo, "worktree", "add", "-q", "-b", "by-hand", s.Path("by-hand"), "target")
			assert.Equal(t, s.origin("by-hand", tree.Options{}), registry.FromSandboxedRefs)
			// The user's own commit on it does not make the rest the user's.
			s.Git(s.repo, "worktree", "add", "-q", "-b", "more", s.Path("more"), "target")
			s.commit(s.Path("more"), "of the user")
			assert.Equal(t, s.origin("more", tree.Options{}), registry.FromSandboxedRefs)
		})
	}
}

func TestAWorkTreeOfTheUsersCommitsIsTheUsers(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	s.commit(s.sandboxed, "of the agent")
	assert.Equal(t, s.origin("before", tree.Options{Mode: tree.Always}), "")
	s.Git(s.repo, "checkout", "-q", "-b", "mine")
	s.commit(s.repo, "of the user")
	s.Git(s.repo, "checkout", "-q", "main")
	assert.Equal(t, s.origin("mine", tree.Options{Mode: tree.Always}), "")
	s.Git(s.repo, "worktree", "add", "-q", "-b", "by-hand", s.Path("by-hand"))
	s.commit(s.Path("by-hand"), "of the user too")
	assert.Equal(t, s.origin("by-hand", tree.Options{}), "")
	// What was merged counts as read.
	s.Git(s.repo, "merge", "-q", "one")
	assert.Equal(t, s.origin("3", tree.Options{Mode: tree.Always}), "")
}

func TestAResetToARefThatASandboxMovedMakesNoCommitTheUsers(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	s.commit(s.sandboxed, "of the agent")
	s.Git(s.sandboxed, "update-ref", "refs/heads/main", "HEAD")
	s.Git(s.repo, "reset", "-q")
	s.Git(s.repo, "checkout", "-q", "-f", "before")
	s.Git(s.repo, "checkout", "-q", "main")
	assert.Equal(t, s.origin("2", tree.Options{Mode: tree.Always}), registry.FromSandboxedRefs)
}

// Objects are writable too, and git does not look whether they are what their names say.
func TestACommitOfTheUserWithAnotherContentIsOfOthers(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	s.commit(s.sandboxed, "of the agent")
	s.Git(s.sandboxed, "replace", "before", "one")
	assert.Equal(t, s.origin("before", tree.Options{Mode: tree.Always}), registry.FromSandboxedRefs)

	s = newShared(t)
	s.commit(s.repo, "of the user")
	s.Git(s.repo, "branch", "mine")
	s.commit(s.sandboxed, "of the agent")
	from, to := s.objectOf("one:page"), s.objectOf("mine:page")
	assert.NilError(t, os.Remove(to))
	text, err := os.ReadFile(from)
	assert.NilError(t, err)
	assert.NilError(t, os.WriteFile(to, text, 0o444))
	assert.Equal(t, s.origin("mine", tree.Options{Mode: tree.Always}), registry.FromSandboxedRefs)
}

// objectOf is the file of an object.
func (s *shared) objectOf(name string) string {
	s.T.Helper()
	id := gittest.Run(s.T, s.repo, "rev-parse", name)
	return filepath.Join(s.repo, ".git", "objects", id[:2], id[2:])
}

func TestNothingIsTheUsersIfAnEarlierSandboxWasNotNoted(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	assert.NilError(t, os.RemoveAll(s.Registry.SandboxDir(".repositories")))
	assert.Equal(t, s.origin("before", tree.Options{Mode: tree.Always}), registry.FromSandboxedRefs)
	// A sandbox that starts now comes too late.
	assert.NilError(t, s.trees.ShareRepository(t.Context(), s.target(s.sandboxed, "1")))
	s.Git(s.repo, "branch", "later")
	assert.Equal(t, s.origin("later", tree.Options{Mode: tree.Always}), registry.FromSandboxedRefs)
}

func TestAPullRequestIsOfOthersHoweverItsTreeWasMade(t *testing.T) {
	t.Parallel()
	s := newRepository(t)
	s.Git(s.Dir, "clone", "-q", "--bare", s.repo, "origin.git")
	s.Git(s.repo, "remote", "add", "origin", s.Path("origin.git"))
	s.Git(s.repo, "checkout", "-q", "-b", "theirs")
	s.commit(s.repo, "of a stranger")
	s.Git(s.repo, "push", "-q", "origin", "HEAD:refs/pull/7/head", "HEAD:refs/merge-requests/8/head")
	s.Git(s.repo, "checkout", "-q", "main")
	s.Git(s.repo, "branch", "-q", "-D", "theirs")
	s.Git(s.repo, "fetch", "-q", "origin", "pull/7/head:pr/7", "merge-requests/8/head:mr/8", "pull/7/head:other")
	s.Git(s.repo, "fetch", "-q", "origin", "+refs/pull/7/head:refs/remotes/origin/pr/7")

	s.Git(s.repo, "worktree", "add", "-q", s.Path("seven"), "pr/7")
	assert.Equal(t, s.origin("pr/7", tree.Options{}), "it has the head of pr/7")
	s.Git(s.repo, "worktree", "add", "-q", s.Path("eight"), "mr/8")
	assert.Equal(t, s.origin("mr/8", tree.Options{}), "it has the head of pr/8")
	// Under another name it is known by the ref that was fetched, or by what the branch follows.
	s.Git(s.repo, "worktree", "add", "-q", s.Path("other"), "other")
	assert.Equal(t, s.origin("other", tree.Options{}), "it has the head of pr/7")
	s.Git(s.repo, "update-ref", "-d", "refs/remotes/origin/pr/7")
	s.Git(s.repo, "branch", "followed", "pr/7")
	s.Git(s.repo, "config", "branch.followed.merge", "refs/pull/7/head")
	assert.Equal(t, s.origin("followed", tree.Options{Mode: tree.Always}), "it has the head of pr/7")
	s.Git(s.repo, "branch", "merged", "main")
	assert.Equal(t, s.origin("merged", tree.Options{Mode: tree.Always}), "")
}

// The loom is locked while its work tree is made, and a remote can take its time.
func TestTheHeadOfAPullRequestIsFetchedBeforeItsTreeIsMade(t *testing.T) {
	t.Parallel()
	s := newRepository(t)
	s.Git(s.Dir, "clone", "-q", "--bare", s.repo, "origin.git")
	s.Git(s.repo, "remote", "add", "origin", s.Path("origin.git"))
	s.Git(s.repo, "push", "-q", "origin", "HEAD:refs/pull/7/head")
	req := tree.Request{Options: tree.Options{Mode: tree.Always}, ID: "pr/7"}

	target := s.target(s.repo, "pr/7")
	err := s.trees.Own(t.Context(), target, req)
	assert.ErrorContains(t, err, "pull request 7")
	assert.NilError(t, s.trees.FetchPullRequest(t.Context(), target, req))
	assert.Assert(t, target.WorkTree == s.repo && target.Making == nil)
	assert.NilError(t, os.RemoveAll(s.Path("origin.git")))
	assert.NilError(t, s.trees.Own(t.Context(), target, req))
	assert.Equal(t, gittest.Run(t, target.WorkTree, "rev-parse", "HEAD"), gittest.Run(t, s.repo, "rev-parse", "HEAD"))
	// With the tree there is nothing to fetch.
	assert.NilError(t, s.trees.FetchPullRequest(t.Context(), s.target(s.repo, "pr/7"), req))
}

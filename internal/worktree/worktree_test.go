package worktree

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	is "gotest.tools/v3/assert/cmp"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// TestMain gives every test, and the git processes they start, a home of their own: the developer's git configuration
// must not decide what these tests see.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "docker-loom-worktree")
	if err != nil {
		panic(err)
	}
	config := "[user]\nname = t\nemail = t@example.com\n[init]\ndefaultBranch = main\n[protocol \"file\"]\nallow = always\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		panic(err)
	}
	for k, v := range map[string]string{"HOME": home, "USERPROFILE": home, "GIT_CONFIG_GLOBAL": filepath.Join(home, ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// tempDir is a temporary folder as git spells it.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	return dir
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git.Run(t.Context(), dir, args...)
	assert.NilError(t, err)
	return string(out)
}

// newRepo makes a repository with one commit.
func newRepo(t *testing.T, dir string) string {
	t.Helper()
	assert.NilError(t, os.MkdirAll(dir, 0o755))
	mustGit(t, dir, "init", "-q")
	mustGit(t, dir, "commit", "-q", "--allow-empty", "-m", "first")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
}

func find(t *testing.T, dir string) *Repository {
	t.Helper()
	r, err := Find(t.Context(), dir)
	assert.NilError(t, err)
	assert.Assert(t, r != nil, "no repository in %s", dir)
	return r
}

func TestFindTellsTheRepositoryOfAFolder(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	common := filepath.Join(repo, ".git")
	linked := filepath.Join(dir, "repo-looms", "feat-x")
	mustGit(t, repo, "worktree", "add", "-q", "-b", "feat/x", linked)
	mustGit(t, repo, "worktree", "add", "-q", "--detach", filepath.Join(dir, "detached"))
	nested := filepath.Join(repo, "looms", "n")
	mustGit(t, repo, "worktree", "add", "-q", nested)
	unborn := filepath.Join(dir, "unborn")
	assert.NilError(t, os.Mkdir(unborn, 0o755))
	mustGit(t, unborn, "init", "-q", "-b", "feat/first")
	for _, tree := range []string{repo, linked} {
		assert.NilError(t, os.MkdirAll(filepath.Join(tree, "a", "b"), 0o755))
	}

	main := &Repository{Main: repo, CommonDir: common, WorkTree: repo, GitDir: common, Branch: "main"}
	feature := &Repository{Main: repo, CommonDir: common, WorkTree: linked, GitDir: filepath.Join(common, "worktrees", "feat-x"), Branch: "feat/x"}
	for name, tc := range map[string]struct {
		dir    string
		linked bool
		want   *Repository
	}{
		"main work tree":             {repo, false, main},
		"folder below":               {filepath.Join(repo, "a", "b"), false, main},
		"linked work tree":           {linked, true, feature},
		"folder below a linked one":  {filepath.Join(linked, "a", "b"), true, feature},
		"detached":                   {filepath.Join(dir, "detached"), true, &Repository{Main: repo, CommonDir: common, WorkTree: filepath.Join(dir, "detached"), GitDir: filepath.Join(common, "worktrees", "detached")}},
		"linked inside the main one": {nested, true, &Repository{Main: repo, CommonDir: common, WorkTree: nested, GitDir: filepath.Join(common, "worktrees", "n"), Branch: "n"}},
		"unborn branch":              {unborn, false, &Repository{Main: unborn, CommonDir: filepath.Join(unborn, ".git"), WorkTree: unborn, GitDir: filepath.Join(unborn, ".git"), Branch: "feat/first"}},
		"inside the git folder":      {filepath.Join(common, "refs"), false, &Repository{Main: repo, CommonDir: common, GitDir: common, Branch: "main"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := find(t, tc.dir)
			assert.DeepEqual(t, r, tc.want)
			assert.Equal(t, r.Linked(), tc.linked)
			assert.NilError(t, Verify(r))
		})
	}
}

func TestFindBareRepositoryAndItsWorkTrees(t *testing.T) {
	t.Parallel()
	// As people lay it out: apart, hidden behind a .git file, and called .git.
	for name, layout := range map[string]struct{ bare, file string }{
		"apart":  {"repo.git", ""},
		"hidden": {filepath.Join("project", ".bare"), "gitdir: ./.bare\n"},
		".git":   {filepath.Join("project", ".git"), ""},
	} {
		for _, perTree := range []bool{false, true} {
			if perTree {
				name += " with worktreeConfig"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := tempDir(t)
				bare := filepath.Join(dir, layout.bare)
				source := newRepo(t, filepath.Join(dir, "source"))
				mustGit(t, dir, "clone", "-q", "--bare", source, bare)
				if layout.file != "" {
					write(t, filepath.Join(filepath.Dir(bare), ".git"), layout.file)
				}
				tree := filepath.Join(dir, "project", "feat")
				mustGit(t, bare, "worktree", "add", "-q", tree)
				if perTree {
					// What git itself does to a bare repository when a work tree gets settings of its own.
					mustGit(t, bare, "config", "extensions.worktreeConfig", "true")
					mustGit(t, bare, "config", "--worktree", "core.bare", "true")
					mustGit(t, bare, "config", "--file", filepath.Join(bare, "config"), "--unset", "core.bare")
				}

				r := find(t, tree)
				assert.DeepEqual(t, r, &Repository{Main: bare, CommonDir: bare, WorkTree: tree, GitDir: filepath.Join(bare, "worktrees", "feat"), Branch: "feat", Bare: true})
				assert.NilError(t, Verify(r))
				trees, err := r.Trees(t.Context())
				assert.NilError(t, err)
				assert.DeepEqual(t, trees, []Tree{{Path: bare, Main: true, Bare: true}, {Path: tree, Branch: "feat"}})

				r = find(t, bare)
				assert.DeepEqual(t, r, &Repository{Main: bare, CommonDir: bare, GitDir: bare, Branch: "main", Bare: true})
				assert.NilError(t, Verify(r))
				if layout.bare != "repo.git" {
					assert.Equal(t, find(t, filepath.Join(dir, "project")).Main, bare)
				}
			})
		}
	}
}

func TestLinkedTreeOfABareRepositoryIsFoundWhereBareOnesAreNot(t *testing.T) {
	// Not parallel: it sets a variable.
	dir := tempDir(t)
	bare, tree := filepath.Join(dir, "b.git"), filepath.Join(dir, "t")
	mustGit(t, dir, "clone", "-q", "--bare", newRepo(t, filepath.Join(dir, "source")), bare)
	mustGit(t, bare, "worktree", "add", "-q", tree)
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "safe.bareRepository")
	t.Setenv("GIT_CONFIG_VALUE_0", "explicit")
	r := find(t, tree)
	assert.Equal(t, r.Main, bare)
	_, err := r.Trees(t.Context())
	assert.NilError(t, err)
	_, err = Find(t.Context(), bare)
	assert.ErrorContains(t, err, "cannot use bare repository")
}

func TestSubmoduleIsARepositoryOfItsOwn(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	library := newRepo(t, filepath.Join(dir, "library"))
	super := newRepo(t, filepath.Join(dir, "super"))
	mustGit(t, super, "submodule", "--quiet", "add", library, "lib")
	sub := filepath.Join(super, "lib")
	common := filepath.Join(super, ".git", "modules", "lib")

	r := find(t, sub)
	assert.DeepEqual(t, r, &Repository{Main: sub, CommonDir: common, WorkTree: sub, GitDir: common, Branch: "main"})
	assert.NilError(t, Verify(r))

	linked := filepath.Join(dir, "lib-2")
	mustGit(t, sub, "worktree", "add", "-q", linked)
	r = find(t, linked)
	assert.DeepEqual(t, r, &Repository{Main: sub, CommonDir: common, WorkTree: linked, GitDir: filepath.Join(common, "worktrees", "lib-2"), Branch: "lib-2"})
	assert.NilError(t, Verify(r))
	trees, err := r.Trees(t.Context())
	assert.NilError(t, err)
	assert.DeepEqual(t, trees, []Tree{{Path: sub, Branch: "main", Main: true}, {Path: linked, Branch: "lib-2"}})

	r = find(t, super)
	tracked, err := r.Tracked(t.Context(), sub, filepath.Join(sub, ".env"))
	assert.NilError(t, err)
	assert.DeepEqual(t, tracked, map[string]bool{sub: true, filepath.Join(sub, ".env"): false})
}

func TestSeparateGitDir(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	tree, gitDir, linked := filepath.Join(dir, "tree"), filepath.Join(dir, "repo.git"), filepath.Join(dir, "linked")
	mustGit(t, dir, "init", "-q", "--separate-git-dir", gitDir, tree)
	mustGit(t, tree, "commit", "-q", "--allow-empty", "-m", "first")
	mustGit(t, tree, "worktree", "add", "-q", linked)
	r := find(t, tree)
	assert.DeepEqual(t, r, &Repository{Main: tree, CommonDir: gitDir, WorkTree: tree, GitDir: gitDir, Branch: "main"})
	assert.NilError(t, Verify(r))
	assert.Equal(t, find(t, linked).Main, gitDir)
}

func TestCoreWorktreeIsTheMainWorkTree(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo, elsewhere, linked := newRepo(t, filepath.Join(dir, "repo")), filepath.Join(dir, "elsewhere"), filepath.Join(dir, "linked")
	mustGit(t, repo, "worktree", "add", "-q", linked)
	assert.NilError(t, os.Mkdir(elsewhere, 0o755))
	mustGit(t, repo, "config", "core.worktree", elsewhere)
	assert.Equal(t, find(t, linked).Main, elsewhere)
	assert.Equal(t, find(t, filepath.Join(repo, ".git")).Main, elsewhere)
}

func TestBranchCalledLikeAKeyChangesNothing(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo, linked := newRepo(t, filepath.Join(dir, "repo")), filepath.Join(dir, "linked")
	mustGit(t, repo, "worktree", "add", "-q", linked)
	mustGit(t, repo, "config", "branch.bare/worktree.description", "core.worktree")
	r := find(t, linked)
	assert.Equal(t, r.Main, repo)
	assert.Assert(t, !r.Bare)
}

func TestRelativeLinks(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo, linked := newRepo(t, filepath.Join(dir, "repo")), filepath.Join(dir, "linked")
	mustGit(t, repo, "worktree", "add", "-q", linked)
	// What git 2.48 writes with worktree.useRelativePaths; older ones read it as well, save for the list.
	gitDir := filepath.Join(repo, ".git", "worktrees", "linked")
	write(t, filepath.Join(linked, ".git"), "gitdir: ../repo/.git/worktrees/linked\n")
	write(t, filepath.Join(gitDir, "gitdir"), "../../../../linked/.git\n")
	r := find(t, linked)
	assert.DeepEqual(t, r, &Repository{Main: repo, CommonDir: filepath.Join(repo, ".git"), WorkTree: linked, GitDir: gitDir, Branch: "linked"})
	assert.NilError(t, Verify(r))
}

func TestPathsMayHoldAnything(t *testing.T) {
	t.Parallel()
	names := map[string]string{"spaces": "a  b ", "unicode": "größe 布 e\u0301", "quotes": `a"b'c$d`, "line end": "a\nb\n", "looks like our separator": separator}
	if runtime.GOOS == "windows" {
		names = map[string]string{"spaces": "a  b", "unicode": "größe 布"}
	}
	for name, base := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			repo := newRepo(t, filepath.Join(dir, base, "repo"))
			linked := filepath.Join(dir, base, "linked "+base)
			mustGit(t, repo, "worktree", "add", "-q", "-b", "x", linked)
			r := find(t, linked)
			assert.Equal(t, r.Main, repo)
			assert.Equal(t, r.WorkTree, linked)
			assert.NilError(t, Verify(r))
			trees, err := r.Trees(t.Context())
			assert.NilError(t, err)
			assert.DeepEqual(t, trees, []Tree{{Path: repo, Branch: "main", Main: true}, {Path: linked, Branch: "x"}})

			file := filepath.Join(linked, base, "*.env")
			write(t, file, "")
			mustGit(t, linked, "add", ".")
			tracked, err := r.Tracked(t.Context(), file, filepath.Join(linked, base))
			assert.NilError(t, err)
			assert.DeepEqual(t, tracked, map[string]bool{file: true, filepath.Join(linked, base): true})
		})
	}
}

func TestTwoSpellingsOfAFolderGiveOneRepository(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	linked := filepath.Join(dir, "linked")
	if err := os.Symlink(repo, filepath.Join(dir, "alias")); err != nil {
		t.Skip(err)
	}
	mustGit(t, filepath.Join(dir, "alias"), "worktree", "add", "-q", linked)
	assert.NilError(t, os.Symlink(linked, filepath.Join(dir, "linked-alias")))

	assert.DeepEqual(t, find(t, filepath.Join(dir, "alias")), find(t, repo))
	assert.DeepEqual(t, find(t, filepath.Join(dir, "linked-alias")), find(t, linked))
	assert.Equal(t, find(t, linked).Main, repo)
}

func TestTreesSpellsPathsAsFindDoes(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	mustGit(t, repo, "worktree", "add", "-q", filepath.Join(dir, "looms", "a"))
	// The user moves the folder away and leaves a link, so that what git has noted is now an alias.
	assert.NilError(t, os.Rename(filepath.Join(dir, "looms"), filepath.Join(dir, "disk")))
	if err := os.Symlink(filepath.Join(dir, "disk"), filepath.Join(dir, "looms")); err != nil {
		t.Skip(err)
	}
	trees, err := find(t, repo).Trees(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, trees[1].Path, find(t, filepath.Join(dir, "looms", "a")).WorkTree)
}

func TestNoRepositoryIsNoError(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	r, err := Find(t.Context(), dir)
	assert.NilError(t, err)
	assert.Assert(t, is.Nil(r))

	assert.NilError(t, os.Mkdir(filepath.Join(dir, ".git"), 0o755)) // git looks past an empty one
	r, err = Find(t.Context(), dir)
	assert.NilError(t, err)
	assert.Assert(t, is.Nil(r))
}

func TestBrokenWorkTreeIsAnError(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	write(t, filepath.Join(dir, ".git"), "gitdir: /nowhere/.git/worktrees/x\n")
	_, err := Find(t.Context(), dir)
	assert.ErrorContains(t, err, "not a git repository: /nowhere/.git/worktrees/x")

	_, err = Find(t.Context(), filepath.Join(dir, "gone"))
	assert.Assert(t, errors.Is(err, os.ErrNotExist), "%v", err)
}

func TestWithoutGitThereIsNoRepositoryUnlessOneIsThere(t *testing.T) {
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	assert.NilError(t, os.MkdirAll(filepath.Join(repo, "a"), 0o755))
	t.Setenv("PATH", dir)
	r, err := Find(t.Context(), dir)
	assert.NilError(t, err)
	assert.Assert(t, is.Nil(r))
	_, err = Find(t.Context(), filepath.Join(repo, "a"))
	assert.ErrorIs(t, err, exec.ErrNotFound)
	assert.ErrorContains(t, err, filepath.Join(repo, ".git"))
}

func TestDubiousOwnershipIsToldInGitsWords(t *testing.T) {
	dir := newRepo(t, tempDir(t))
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	_, err := Find(t.Context(), dir)
	assert.ErrorContains(t, err, "detected dubious ownership in repository")
	assert.ErrorContains(t, err, "git config --global --add safe.directory")
	var exit *exec.ExitError
	assert.Assert(t, errors.As(err, &exit))

	// Containers and CI trust folders by the environment; that must reach git.
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "safe.directory")
	t.Setenv("GIT_CONFIG_VALUE_0", "*")
	assert.Equal(t, find(t, dir).Main, dir)
}

func TestFolderDecidesNotTheEnvironment(t *testing.T) {
	dir := tempDir(t)
	repo, other := newRepo(t, filepath.Join(dir, "repo")), newRepo(t, filepath.Join(dir, "other"))
	write(t, filepath.Join(repo, ".env"), "")
	mustGit(t, repo, "add", ".env")
	t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
	t.Setenv("GIT_WORK_TREE", other)
	t.Setenv("GIT_COMMON_DIR", filepath.Join(other, ".git"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(dir, "index"))
	t.Setenv("GIT_GLOB_PATHSPECS", "1")
	t.Setenv("GIT_NAMESPACE", "x")
	t.Setenv("PWD", other)
	t.Setenv("LANGUAGE", "de")
	r := find(t, repo)
	assert.Equal(t, r.WorkTree, repo)
	tracked, err := r.Tracked(t.Context(), filepath.Join(repo, ".env"))
	assert.NilError(t, err)
	assert.Assert(t, tracked[filepath.Join(repo, ".env")])
}

func TestRepositoryRunsNoProgramOfItsOwn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	program, ran := filepath.Join(dir, "program"), filepath.Join(dir, "ran")
	assert.NilError(t, os.WriteFile(program, []byte("#!/bin/sh\ntouch '"+ran+"'\n"), 0o755))
	mustGit(t, repo, "config", "core.fsmonitor", program)
	mustGit(t, repo, "config", "core.hooksPath", dir)
	r := find(t, repo)
	_, err := r.Trees(t.Context())
	assert.NilError(t, err)
	_, err = r.Tracked(t.Context(), repo, program)
	assert.NilError(t, err)
	mustGit(t, repo, "status")
	_, err = os.Stat(ran)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestCancelledWorkSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Find(ctx, t.TempDir())
	assert.ErrorIs(t, err, context.Canceled)
}

func TestTreesListsThemAll(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	add := func(name string, args ...string) string {
		path := filepath.Join(dir, name)
		mustGit(t, repo, append(append([]string{"worktree", "add", "-q"}, args...), path)...)
		return path
	}
	detached := add("detached", "--detach")
	feature := add("feature", "-b", "feat/x")
	gone := add("gone")
	locked := add("locked")
	mustGit(t, repo, "worktree", "lock", "--reason", "branch refs/heads/trap\nbare", locked)
	assert.NilError(t, os.RemoveAll(gone))
	want := []Tree{
		{Path: repo, Branch: "main", Main: true},
		{Path: detached},
		{Path: feature, Branch: "feat/x"},
		{Path: gone, Branch: "gone", Prunable: true},
		{Path: locked, Branch: "locked", Locked: true, Reason: "branch refs/heads/trap\nbare"},
	}
	for _, from := range []string{repo, feature, filepath.Join(repo, ".git")} {
		trees, err := find(t, from).Trees(t.Context())
		assert.NilError(t, err)
		assert.DeepEqual(t, trees, want)
	}
}

func TestTrackedTellsFilesAndFolders(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	at := func(s string) string { return filepath.Join(repo, filepath.FromSlash(s)) }
	for _, name := range []string{".env", "src/a/b.go", ".env.local", "srcx/y", "[a]/*.x"} {
		write(t, at(name), "")
	}
	mustGit(t, repo, "--literal-pathspecs", "add", ".env", "src", "[a]/*.x")
	write(t, at("a/z.x"), "")
	write(t, at("tracked"), "")
	write(t, at("gone"), "")
	mustGit(t, repo, "add", "tracked", "gone")
	assert.NilError(t, os.Remove(at("gone")))

	r := find(t, repo)
	want := map[string]bool{
		at(".env"): true, at("src"): true, at("src/a"): true, at("src/a/b.go"): true, at("gone"): true, repo: true, at("[a]/*.x"): true,
		at(".env.local"): false, at("srcx"): false, at("sr"): false, at("none/such"): false, at("a/z.x"): false, at("*"): false,
		at(".env/below"): false, dir: false, filepath.Join(dir, "repo2", ".env"): false, at("../other"): false, at(".git/config"): false, at("..env"): false,
	}
	// The same path in another spelling is its own key.
	want[repo+string(filepath.Separator)+"."+string(filepath.Separator)+".env"] = true
	var paths []string
	for p := range want {
		paths = append(paths, p)
	}
	tracked, err := r.Tracked(t.Context(), paths...)
	assert.NilError(t, err)
	assert.DeepEqual(t, tracked, want)

	tracked, err = r.Tracked(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, len(tracked), 0)
	tracked, err = find(t, filepath.Join(repo, ".git")).Tracked(t.Context(), at(".env"))
	assert.NilError(t, err)
	assert.DeepEqual(t, tracked, map[string]bool{at(".env"): false})
}

func TestTrackedFollowsLinksAboveTheLastPart(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo := newRepo(t, filepath.Join(dir, "repo"))
	write(t, filepath.Join(repo, "real", ".env"), "")
	if err := os.Symlink(repo, filepath.Join(dir, "alias")); err != nil {
		t.Skip(err)
	}
	assert.NilError(t, os.Symlink("real", filepath.Join(repo, "link")))
	assert.NilError(t, os.Symlink(dir, filepath.Join(repo, "out")))
	assert.NilError(t, os.Symlink(filepath.Join("real", ".env"), filepath.Join(repo, ".env")))
	mustGit(t, repo, "add", "real", "out")
	want := map[string]bool{
		filepath.Join(dir, "alias", "real", ".env"): true,
		filepath.Join(repo, "link", ".env"):         true,
		filepath.Join(repo, "out", "x"):             false,
		filepath.Join(repo, "out"):                  true,
		filepath.Join(repo, ".env"):                 false,
		filepath.Join(dir, "alias"):                 true,
	}
	var paths []string
	for p := range want {
		paths = append(paths, p)
	}
	tracked, err := find(t, repo).Tracked(t.Context(), paths...)
	assert.NilError(t, err)
	assert.DeepEqual(t, tracked, want)
}

func TestVerifyRefusesWhatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(t *testing.T, linked, gitDir, other string)
		want   string
	}{
		".git leads to another repository": {func(t *testing.T, linked, _, other string) {
			write(t, filepath.Join(linked, ".git"), "gitdir: "+filepath.Join(other, ".git")+"\n")
		}, "leads to"},
		".git became a folder": {func(t *testing.T, linked, _, _ string) {
			assert.NilError(t, os.Remove(filepath.Join(linked, ".git")))
			newRepo(t, linked)
		}, "leads to"},
		".git became something else": {func(t *testing.T, linked, _, _ string) {
			write(t, filepath.Join(linked, ".git"), "x")
		}, "names no path"},
		".git is gone": {func(t *testing.T, linked, _, _ string) {
			assert.NilError(t, os.Remove(filepath.Join(linked, ".git")))
		}, ".git"},
		"commondir leads to another repository": {func(t *testing.T, _, gitDir, other string) {
			write(t, filepath.Join(gitDir, "commondir"), filepath.Join(other, ".git")+"\n")
		}, "commondir: leads to"},
		"the way back leads to another work tree": {func(t *testing.T, _, gitDir, other string) {
			write(t, filepath.Join(gitDir, "gitdir"), filepath.Join(other, ".git")+"\n")
		}, "gitdir: leads to"},
		"the way back leads nowhere": {func(t *testing.T, _, gitDir, _ string) {
			write(t, filepath.Join(gitDir, "gitdir"), filepath.Join(gitDir, "nowhere", ".git")+"\n")
		}, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			repo, other, linked := newRepo(t, filepath.Join(dir, "repo")), newRepo(t, filepath.Join(dir, "other")), filepath.Join(dir, "linked")
			mustGit(t, repo, "worktree", "add", "-q", linked)
			r := find(t, linked)
			assert.NilError(t, Verify(r))
			tc.change(t, linked, r.GitDir, other)
			assert.ErrorContains(t, Verify(r), tc.want)
		})
	}
}

func TestVerifyRefusesAForgedRepositoryInsideTheWorkTree(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	repo, linked := newRepo(t, filepath.Join(dir, "repo")), filepath.Join(dir, "linked")
	mustGit(t, repo, "worktree", "add", "-q", linked)
	// One who may write only the work tree copies the whole repository into it: all pointers agree.
	mustGit(t, dir, "clone", "-q", "--bare", repo, filepath.Join(linked, "evil"))
	gitDir := filepath.Join(linked, "evil", "worktrees", "linked")
	write(t, filepath.Join(gitDir, "HEAD"), "ref: refs/heads/main\n")
	write(t, filepath.Join(gitDir, "commondir"), "../..\n")
	write(t, filepath.Join(gitDir, "gitdir"), filepath.Join(linked, ".git")+"\n")
	write(t, filepath.Join(linked, ".git"), "gitdir: "+gitDir+"\n")
	assert.ErrorContains(t, Verify(find(t, linked)), "inside the work tree")
}

func TestGitErrorsNameCommandAndFolder(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	_, err := git.Run(t.Context(), dir, "--literal-pathspecs", "ls-files")
	assert.Assert(t, strings.HasPrefix(err.Error(), "git ls-files in "+dir+": fatal: not a git repository"), "%v", err)
}

func BenchmarkFind(b *testing.B) {
	dir := b.TempDir()
	for _, args := range [][]string{{"init", "-q"}, {"commit", "-q", "--allow-empty", "-m", "x"}, {"worktree", "add", "-q", "linked"}} {
		if _, err := git.Run(b.Context(), dir, args...); err != nil {
			b.Fatal(err)
		}
	}
	bare := filepath.Join(dir, "bare.git")
	for _, args := range [][]string{{"clone", "-q", "--bare", dir, bare}, {"-C", bare, "worktree", "add", "-q", "../of-bare", "-b", "x"}} {
		if _, err := git.Run(b.Context(), dir, args...); err != nil {
			b.Fatal(err)
		}
	}
	for name, at := range map[string]string{"main": dir, "linked": filepath.Join(dir, "linked"), "linked of bare": filepath.Join(dir, "of-bare")} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Find(b.Context(), at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestHeadThatGitAloneCanRead(t *testing.T) {
	t.Parallel()
	dir := newRepo(t, tempDir(t))
	head := filepath.Join(dir, ".git", "HEAD")
	assert.NilError(t, os.Remove(head))
	if err := os.Symlink(filepath.Join("refs", "heads", "main"), head); err != nil { // as core.preferSymlinkRefs makes it
		t.Skip(err)
	}
	assert.Equal(t, find(t, dir).Branch, "main")

	if out, err := git.Run(t.Context(), tempDir(t), "init", "-q", "--ref-format=reftable"); err != nil {
		assert.Assert(t, bytes.Contains([]byte(err.Error()), []byte("ref-format")), "%s %v", out, err) // before git 2.45
		return
	}
	tables := tempDir(t)
	mustGit(t, tables, "init", "-q", "--ref-format=reftable", "-b", "feat/y")
	assert.Equal(t, find(t, tables).Branch, "feat/y")
}

func TestFindStartsOneProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the git that counts is a shell script")
	}
	dir := tempDir(t)
	repo, linked := newRepo(t, filepath.Join(dir, "repo")), filepath.Join(dir, "linked")
	mustGit(t, repo, "worktree", "add", "-q", linked)
	real, err := exec.LookPath("git")
	assert.NilError(t, err)
	bin, log := filepath.Join(dir, "bin"), filepath.Join(dir, "log")
	assert.NilError(t, os.Mkdir(bin, 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\necho >>'"+log+"'\nexec '"+real+"' \"$@\"\n"), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	find(t, repo)
	find(t, linked)
	b, err := os.ReadFile(log)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "\n\n")
}

package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@x", "GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@x")
	out, err := cmd.CombinedOutput()
	assert.NilError(t, err, "git %s: %s", args, out)
	return strings.TrimSpace(string(out))
}

// repository has a linked work tree beside it, one inside it, and a submodule.
func repository(t *testing.T) (main, linked string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	main, linked = filepath.Join(dir, "main"), filepath.Join(dir, "linked")
	git(t, dir, "init", "-q", "lib")
	git(t, dir+"/lib", "commit", "-q", "--allow-empty", "-m", "lib")
	git(t, dir, "init", "-q", "main")
	git(t, main, "-c", "protocol.file.allow=always", "submodule", "add", "-q", dir+"/lib", "deep/lib")
	git(t, main, "commit", "-q", "-m", "one")
	git(t, main, "worktree", "add", "-q", linked)
	git(t, main, "worktree", "add", "-q", "trees/other")
	return main, linked
}

func TestReadGitFindsWhatIsToBeGuarded(t *testing.T) {
	t.Parallel()
	main, linked := repository(t)
	g, fs, err := ReadGit(main, main+"/.git", main+"/.git")
	assert.NilError(t, err)
	assert.Equal(t, len(fs), 0)
	assert.DeepEqual(t, g, &Git{
		Common: main + "/.git", Dir: main + "/.git", Main: true, Trees: []string{main + "/trees/other"}, Submodules: []string{main + "/deep/lib"},
		Others: []string{"description"},
	})
	g, _, err = ReadGit(linked, main+"/.git", main+"/.git/worktrees/linked")
	assert.NilError(t, err)
	assert.Check(t, slices.Contains(g.Others, "config") && slices.Contains(g.Others, "HEAD"), "%v", g.Others)
	g.Others = nil
	assert.DeepEqual(t, g, &Git{Common: main + "/.git", Dir: main + "/.git/worktrees/linked", File: true})
	git(t, linked, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
	g, _, err = ReadGit(linked, main+"/.git", main+"/.git/worktrees/linked")
	assert.NilError(t, err)
	assert.DeepEqual(t, g.Submodules, []string{linked + "/deep/lib"})
}

func TestReadGitRefusesWhatAnAgentMayHaveLaid(t *testing.T) {
	t.Parallel()
	for want, lay := range map[string]string{
		"objects is no folder (a symbolic link)": "mv $M/.git/objects $M/o; ln -s $M/o $M/.git/objects",
		"hooks is no folder (a symbolic link)":   "mv $M/.git/hooks $M/h; ln -s ../h $M/.git/hooks",
		"config is no file (a symbolic link)":    "mv $M/.git/config $M/c; ln -s ../c $M/.git/config",
		`commondir: it leads git to "/tmp\n"`:    "echo /tmp >$M/.git/commondir",
		"main/.git leads to":                     "mv $M/.git $M/g; ln -s g $M/.git",
		"trees: a symbolic link on the way to":   "mv $M/trees $M/t; ln -s t $M/trees",
		"deep: a symbolic link on the way to":    "mv $M/deep $M/d; ln -s d $M/deep",
		"deep/lib/.git is a symbolic link":       "mv $M/deep/lib/.git $M/x; ln -s $M/x $M/deep/lib/.git",
		"which is inside the work tree":          "mv $M/.git $M/g; echo 'gitdir: g' >$M/.git; G=$M/g",
	} {
		main, _ := repository(t)
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-ec", "M="+main+" G="+main+"/.git;"+lay+"; echo $G").CombinedOutput()
		assert.NilError(t, err, "%s", out)
		g := strings.TrimSpace(string(out))
		_, _, err = ReadGit(main, g, g)
		assert.Check(t, err != nil && strings.Contains(err.Error(), want), "%v, wanted %s", err, want)
	}
	main, linked := repository(t)
	_, _, err := ReadGit(linked, main+"/.git", main+"/.git/worktrees/other")
	assert.ErrorContains(t, err, "linked/.git leads to")
	_, _, err = ReadGit(linked, linked, main+"/.git/worktrees/linked")
	assert.ErrorContains(t, err, "which is inside the work tree")
}

func TestPreparedGitIsWhatItWasForTheUser(t *testing.T) {
	t.Parallel()
	main, linked := repository(t)
	for _, at := range []struct{ tree, dir string }{{main, main + "/.git"}, {linked, main + "/.git/worktrees/linked"}} {
		before := git(t, at.tree, "status", "--porcelain") + git(t, at.tree, "config", "--list", "--local")
		g, _, err := ReadGit(at.tree, main+"/.git", at.dir)
		assert.NilError(t, err)
		for range 2 {
			assert.NilError(t, PrepareGit(at.tree, g))
		}
		for _, p := range g.guardedPaths() {
			_, err := os.Lstat(p)
			assert.NilError(t, err)
		}
		assert.Equal(t, git(t, at.tree, "status", "--porcelain")+git(t, at.tree, "config", "--list", "--local"), before)
		git(t, at.tree, "commit", "-q", "--allow-empty", "-m", "two")
		git(t, at.tree, "branch", "b-"+filepath.Base(at.tree))
		git(t, at.tree, "fsck")
		git(t, at.tree, "gc", "-q")
		git(t, at.tree, "worktree", "add", "-q", at.tree+"-more")
		git(t, at.tree+"-more", "status")
		git(t, at.tree, "worktree", "remove", at.tree+"-more")
		again, _, err := ReadGit(at.tree, main+"/.git", at.dir)
		assert.NilError(t, err)
		assert.Assert(t, !strings.Contains(strings.Join(again.Others, " "), "lock"))
		assert.NilError(t, UnprepareGit(g))
	}
	_, err := os.Lstat(main + "/.git/commondir")
	assert.Assert(t, os.IsNotExist(err))
}

func TestASettingsFolderThatIsALinkIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.NilError(t, os.Symlink("/etc", dir+"/.iloom"))
	assert.ErrorContains(t, PrepareFolder(dir), ".iloom is a symbolic link")
}

func TestRightsAreOfWhatIsMountedWritable(t *testing.T) {
	t.Parallel()
	for _, s := range []Spec{linkedSpec(), mainSpec()} {
		if s.Git.Main {
			s.WorkTree = "/src/shop"
		}
		binds, err := s.binds()
		assert.NilError(t, err)
		rights := Rights(s.WorkTree, s.Git, false)
		// The right that holds for a path is that of the longest path, unless it is an exception there.
		writes := func(p string) (write, said bool) {
			best := -1
			for _, r := range rights {
				if inside(r.Path, p) && len(r.Path) > best {
					best, write, said = len(r.Path), r.Write, true
				}
			}
			return write, said
		}
		for _, b := range binds {
			if w, said := writes(b.source); said && !b.isVolume {
				assert.Check(t, w == !b.readOnly, "%s", b.source)
			}
		}
	}
}

func TestWhatAnAgentLeftInGitsFoldersIsTold(t *testing.T) {
	t.Parallel()
	main, linked := repository(t)
	at := func(tree, dir string) string {
		g, _, err := ReadGit(tree, main+"/.git", dir)
		assert.NilError(t, err)
		fs, err := Altered(tree, g)
		assert.NilError(t, err)
		var all []string
		for _, f := range fs {
			all = append(all, f.Message)
		}
		return strings.Join(all, "\n")
	}
	own := main + "/.git/worktrees/linked"
	assert.Equal(t, at(main, main+"/.git"), "")
	assert.Equal(t, at(linked, own), "")
	git(t, linked, "checkout", "-q", "--detach")
	assert.Equal(t, at(linked, own), "")
	assert.NilError(t, os.Symlink("/etc/motd", own+"/COMMIT_EDITMSG"))
	assert.NilError(t, os.Symlink("/etc/motd", main+"/.git/logs/refs/heads/x"))
	assert.Equal(t, at(linked, own), main+"/.git/logs/refs/heads/x is a symbolic link, through which git would write\n"+own+"/COMMIT_EDITMSG is a symbolic link, through which git would write")
	assert.NilError(t, os.Remove(main+"/.git/logs/refs/heads/x"))

	put(t, main+"/HEAD", "ref: refs/heads/x\n")
	assert.NilError(t, os.MkdirAll(main+"/objects", 0o755))
	assert.NilError(t, os.MkdirAll(main+"/refs", 0o755))
	assert.Equal(t, at(main, main+"/.git"), main+" has itself become a git folder, with a configuration of its own")
	put(t, main+"/.git/HEAD", "nothing\n")
	assert.Assert(t, strings.HasPrefix(at(main, main+"/.git"), "it is no git folder any more"))
}

func TestAViewLinksWhatIsNotMountedAndHoldsPackedRefsBehindMoreLinksThanGitFollows(t *testing.T) {
	t.Parallel()
	s := linkedSpec()
	s.Git.Others = []string{"HEAD", "objects", "worktrees", "git-crypt"}
	v, err := s.View()
	assert.NilError(t, err)
	assert.Equal(t, v.Target, s.Git.Common)
	assert.Equal(t, v.Links["git-crypt"], "/var/lib/docker-loom/git/git-crypt")
	for _, name := range []string{"objects", "refs", "logs", "worktrees"} {
		assert.Check(t, v.Links[name] == "", "%s is mounted", name)
	}
	followed := 0
	for at := "packed-refs"; v.Links[at] != ""; at = v.Links[at] {
		followed++
	}
	assert.Equal(t, followed, 6)

	// A work tree inside a bare repository is mounted where it is.
	s.WorkTree = s.Git.Common + "/trees/123"
	s.Git.Others = append(s.Git.Others, "trees")
	v, err = s.View()
	assert.NilError(t, err)
	assert.Equal(t, v.Links["trees"], "")

	s.ReadOnly = true
	v, err = s.View()
	assert.NilError(t, err)
	assert.Assert(t, v == nil)
}

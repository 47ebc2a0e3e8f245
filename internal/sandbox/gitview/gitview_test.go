package gitview

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile/gittest"
)

func TestReadFindsWhatMustBeProtected(t *testing.T) {
	t.Parallel()
	main, linked := gittest.Repository(t)
	g, fs, err := Read(main, main+"/.git", main+"/.git")
	assert.NilError(t, err)
	assert.Equal(t, len(fs), 0)
	assert.DeepEqual(t, g, &Repository{
		Common: main + "/.git", Dir: main + "/.git", Main: true, Trees: []string{main + "/trees/other"}, Submodules: []string{main + "/deep/lib"},
		Others: []string{"description"},
	})
	g, _, err = Read(linked, main+"/.git", main+"/.git/worktrees/linked")
	assert.NilError(t, err)
	assert.Check(t, slices.Contains(g.Others, "config") && slices.Contains(g.Others, "HEAD"), "%v", g.Others)
	g.Others = nil
	assert.DeepEqual(t, g, &Repository{Common: main + "/.git", Dir: main + "/.git/worktrees/linked", DotGitFile: true})
	gittest.Run(t, linked, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
	g, _, err = Read(linked, main+"/.git", main+"/.git/worktrees/linked")
	assert.NilError(t, err)
	assert.DeepEqual(t, g.Submodules, []string{linked + "/deep/lib"})
}

func TestReadRefusesWhatAnAgentMayHaveLaid(t *testing.T) {
	t.Parallel()
	for want, lay := range map[string]string{
		"objects must be a folder, not a symbolic link":                 "mv $M/.git/objects $M/o; ln -s $M/o $M/.git/objects",
		"hooks must be a folder, not a symbolic link":                   "mv $M/.git/hooks $M/h; ln -s ../h $M/.git/hooks",
		"config must be a file, not a symbolic link":                    "mv $M/.git/config $M/c; ln -s ../c $M/.git/config",
		`commondir names "/tmp\n", but this is`:                         "echo /tmp >$M/.git/commondir",
		"main/.git goes through a symbolic":                             "mv $M/.git $M/g; ln -s g $M/.git",
		"trees: a symbolic link on the way to":                          "mv $M/trees $M/t; ln -s t $M/trees",
		"deep: a symbolic link on the way to":                           "mv $M/deep $M/d; ln -s d $M/deep",
		"deep/lib/.git must be a file or a folder, not a symbolic link": "mv $M/deep/lib/.git $M/x; ln -s $M/x $M/deep/lib/.git",
		"which is inside the work tree":                                 "mv $M/.git $M/g; echo 'gitdir: g' >$M/.git; G=$M/g",
	} {
		main, _ := gittest.Repository(t)
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-ec", "M="+main+" G="+main+"/.git;"+lay+"; echo $G").CombinedOutput()
		assert.NilError(t, err, "%s", out)
		g := strings.TrimSpace(string(out))
		_, _, err = Read(main, g, g)
		assert.Check(t, err != nil && strings.Contains(err.Error(), want), "%v, wanted %s", err, want)
	}
	main, linked := gittest.Repository(t)
	_, _, err := Read(linked, main+"/.git", main+"/.git/worktrees/other")
	assert.ErrorContains(t, err, "linked/.git names")
	_, _, err = Read(linked, linked, main+"/.git/worktrees/linked")
	assert.ErrorContains(t, err, "which is inside the work tree")
}

func TestPreparedGitIsWhatItWasForTheUser(t *testing.T) {
	t.Parallel()
	main, linked := gittest.Repository(t)
	for _, at := range []struct{ tree, dir string }{{main, main + "/.git"}, {linked, main + "/.git/worktrees/linked"}} {
		before := gittest.Run(t, at.tree, "status", "--porcelain") + gittest.Run(t, at.tree, "config", "--list", "--local")
		g, _, err := Read(at.tree, main+"/.git", at.dir)
		assert.NilError(t, err)
		for range 2 {
			assert.NilError(t, Prepare(at.tree, g))
		}
		for _, p := range g.ProtectedPaths() {
			_, err := os.Lstat(p)
			assert.NilError(t, err)
		}
		assert.Equal(t, gittest.Run(t, at.tree, "status", "--porcelain")+gittest.Run(t, at.tree, "config", "--list", "--local"), before)
		gittest.Run(t, at.tree, "commit", "-q", "--allow-empty", "-m", "two")
		gittest.Run(t, at.tree, "branch", "b-"+filepath.Base(at.tree))
		gittest.Run(t, at.tree, "fsck")
		gittest.Run(t, at.tree, "gc", "-q")
		gittest.Run(t, at.tree, "worktree", "add", "-q", at.tree+"-more")
		gittest.Run(t, at.tree+"-more", "status")
		gittest.Run(t, at.tree, "worktree", "remove", at.tree+"-more")
		again, _, err := Read(at.tree, main+"/.git", at.dir)
		assert.NilError(t, err)
		assert.Assert(t, !strings.Contains(strings.Join(again.Others, " "), "lock"))
		assert.NilError(t, Unprepare(g))
	}
	_, err := os.Lstat(main + "/.git/commondir")
	assert.Assert(t, os.IsNotExist(err))
}

func TestASettingsFolderThatIsALinkIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.NilError(t, os.Symlink("/etc", dir+"/.iloom"))
	assert.ErrorContains(t, PrepareSettingsFolder(dir), ".iloom must be a folder, not a symbolic link")
}

func TestWhatAnAgentLeftInGitsFoldersIsTold(t *testing.T) {
	t.Parallel()
	main, linked := gittest.Repository(t)
	at := func(tree, dir string) string {
		g, _, err := Read(tree, main+"/.git", dir)
		assert.NilError(t, err)
		fs, err := FindAltered(tree, g)
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
	gittest.Run(t, linked, "checkout", "-q", "--detach")
	assert.Equal(t, at(linked, own), "")
	assert.NilError(t, os.Symlink("/etc/motd", own+"/COMMIT_EDITMSG"))
	assert.NilError(t, os.Symlink("/etc/motd", main+"/.git/logs/refs/heads/x"))
	assert.Equal(t, at(linked, own), main+"/.git/logs/refs/heads/x is a symbolic link, through which git would write\n"+own+"/COMMIT_EDITMSG is a symbolic link, through which git would write")
	assert.NilError(t, os.Remove(main+"/.git/logs/refs/heads/x"))

	write(t, main+"/HEAD", "ref: refs/heads/x\n")
	assert.NilError(t, os.MkdirAll(main+"/objects", 0o755))
	assert.NilError(t, os.MkdirAll(main+"/refs", 0o755))
	assert.Equal(t, at(main, main+"/.git"), main+" has itself become a git folder, with a configuration of its own")
	write(t, main+"/.git/HEAD", "nothing\n")
	assert.Assert(t, strings.HasPrefix(at(main, main+"/.git"), "git no longer accepts it as a git folder"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NilError(t, os.WriteFile(path, []byte(text), 0o600))
}

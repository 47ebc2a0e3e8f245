package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
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

func TestWhatIsReplacedOnTheHostIsSeen(t *testing.T) {
	t.Parallel()
	main, linked := repository(t)
	for _, at := range []struct {
		tree, dir string
		want      []string
	}{
		{main, main + "/.git", []string{
			"main/.iloom", "main/.git/branches", "main/.git/commondir", "main/.git/config", "main/.git/config.worktree", "main/.git/hooks", "main/.git/info",
			"main/.git/modules", "main/.git/remotes", "main/.git/worktrees", "main/deep/lib/.git", "main/trees/other",
		}},
		{linked, main + "/.git/worktrees/linked", []string{
			"linked/.git", "linked/.iloom", "main/.git/worktrees/linked/commondir", "main/.git/worktrees/linked/config.worktree",
			"main/.git/worktrees/linked/gitdir", "main/.git/worktrees/linked/modules",
		}},
	} {
		g, _, err := gitview.Read(at.tree, main+"/.git", at.dir)
		assert.NilError(t, err)
		assert.NilError(t, gitview.Prepare(at.tree, g))
		s := linkedSpec()
		s.WorkTree, s.Git = at.tree, g
		got, err := ReadOnlyOverlays(s)
		assert.NilError(t, err)
		var rel []string
		for _, p := range got {
			rel = append(rel, strings.TrimPrefix(p, strings.TrimSuffix(main, "main")))
		}
		slices.Sort(rel)
		slices.Sort(at.want)
		assert.DeepEqual(t, rel, at.want)

		before := Fingerprint(got)
		git(t, at.tree, "commit", "-q", "--allow-empty", "-m", "two")
		git(t, at.tree, "gc", "-q")
		assert.Equal(t, Fingerprint(got), before)
		git(t, at.tree, "config", "a.b", "c")
		assert.Equal(t, Fingerprint(got) != before, g.Main, "the configuration is in the common dir")
	}
}

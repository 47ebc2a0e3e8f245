package sandbox

import (
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/gitfile/gittest"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

func TestWhatIsReplacedOnTheHostIsSeen(t *testing.T) {
	t.Parallel()
	main, linked := gittest.Repository(t)
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
		gittest.Run(t, at.tree, "commit", "-q", "--allow-empty", "-m", "two")
		gittest.Run(t, at.tree, "gc", "-q")
		assert.Equal(t, Fingerprint(got), before)
		gittest.Run(t, at.tree, "config", "a.b", "c")
		assert.Equal(t, Fingerprint(got) != before, g.Main, "the configuration is in the common dir")
	}
}

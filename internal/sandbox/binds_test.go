package sandbox

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

func TestRightsAreOfWhatIsMountedWritable(t *testing.T) {
	t.Parallel()
	for _, s := range []Spec{linkedSpec(), mainSpec()} {
		if s.Git.Main {
			s.WorkTree = "/src/shop"
		}
		binds, err := s.binds()
		assert.NilError(t, err)
		rights := s.Rights()
		// The right that holds for a path is that of the longest path, unless it is an exception there.
		writes := func(p string) (write, said bool) {
			best := -1
			for _, r := range rights {
				if paths.Contains(r.Path, p) && len(r.Path) > best {
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

func TestAViewLinksWhatIsNotMountedAndHoldsPackedRefsBehindMoreLinksThanGitFollows(t *testing.T) {
	t.Parallel()
	s := linkedSpec()
	s.Git.Others = []string{"HEAD", "commondir", "objects", "worktrees", "git-crypt"}
	v, err := s.View()
	assert.NilError(t, err)
	assert.Equal(t, v.Target, s.Git.Common)
	assert.Equal(t, v.Links["git-crypt"], "/var/lib/docker-loom/git/git-crypt")
	for _, name := range []string{"objects", "refs", "logs", "worktrees"} {
		assert.Check(t, v.Links[name] == "", "%s is mounted", name)
	}
	_, linked := v.Links["commondir"]
	assert.Assert(t, !linked, "it goes away with the agent of the main checkout")
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

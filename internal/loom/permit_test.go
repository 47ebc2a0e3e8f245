package loom

import (
	"io"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

// The agents' policy is obeyed in the main work tree only.
func TestThePolicyOfAnotherWorkTreeIsNoAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	repo := w.Repo("shop")
	tree := w.Tree(repo, "issue-3", "three")
	policy := `{"container": {"agent": {"vault": "work"}}}`
	w.Write(policy, "shop", ".iloom", "settings.json")
	w.Write(policy, "three", ".iloom", "settings.json")
	for dir, want := range map[string]int{repo: 1, tree: 0} {
		target, err := w.looms.Finder().Resolve(t.Context(), in(dir, ""), Making)
		assert.NilError(t, err)
		d, err := w.looms.planner().begin(t.Context(), target, Options{})
		assert.NilError(t, err)
		assert.Equal(t, len(d.facts.PolicyAccess), want, dir)
	}
}

// While a loom is locked other commands wait: nobody may keep them waiting for an answer.
func TestNobodyIsAskedWhileALoomIsLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldtest.Remote)
	target := &Target{ID: "pr/5", Repository: w.Path("shop"), WorkTree: w.Path("shop")}
	asked := 0
	w.looms.Teller = &tell.Writer{Out: io.Discard, Question: func(string) error {
		asked++
		release, err := w.looms.Registry.Lock(t.Context(), target.Repository, target.ID)
		assert.NilError(t, err)
		release()
		return nil
	}}
	tries := 0
	err := w.looms.Locked(t.Context(), target, Options{}, func() error {
		tries++
		release, err := w.looms.lock(t.Context(), target)
		assert.NilError(t, err)
		defer release()
		entry := &registry.Loom{ID: target.ID, Repository: target.Repository}
		return w.looms.permission().Ask(permit.Request{
			Entry: entry, State: &registry.State{}, Access: []string{"service web is privileged"},
		})
	})
	assert.NilError(t, err)
	assert.Equal(t, asked, 1)
	assert.Equal(t, tries, 2)
}

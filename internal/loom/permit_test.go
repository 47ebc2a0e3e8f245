package loom

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestAVariableCountsIfTheUserHasSetIt(t *testing.T) {
	t.Parallel()
	p := permission{process: host.Process{Environ: []string{"LOOM_TEST_TOKEN=x"}}}
	all := []string{trust.ReadsVariable + "LOOM_TEST_TOKEN", trust.ReadsVariable + "LOOM_TEST_OTHER"}
	assert.DeepEqual(t, p.notAccepted(&registry.Loom{ID: "pr/5", Repository: "/r"}, &registry.State{}, all), all[:1])
}

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

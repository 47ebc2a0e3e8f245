package loom

import (
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// What an agent left in a work tree is there when its loom has ended, when the registry is lost, and for another loom on it.
func TestAWorkTreeThatASandboxWroteStaysDistrusted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := &Looms{Registry: registry.Open(filepath.Join(dir, "registry")), Teller: tell.Nowhere()}
	tree := filepath.Join(dir, "tree")
	of := func(id string) *registry.Loom { return &registry.Loom{ID: id, Repository: dir, WorkTree: tree} }
	was := of("1")
	was.Sandboxed, was.Accepted = true, &registry.Accepted{Powers: []string{"a"}}

	beside := of("2")
	l.inherit(beside, &registry.State{})
	assert.Assert(t, !beside.Sandboxed && beside.Accepted == nil)
	l.inherit(beside, &registry.State{Looms: []*registry.Loom{was}})
	assert.Assert(t, beside.Sandboxed)
	assert.DeepEqual(t, judge(beside, nil, []string{"a", "b"}), []string{"b"})

	assert.NilError(t, l.Registry.KeepWritten(was))
	again := of("1")
	l.inherit(again, &registry.State{})
	assert.Assert(t, again.Sandboxed)
	assert.DeepEqual(t, judge(again, nil, []string{"a", "b"}), []string{"b"})

	l.Registry.ForgetWritten(tree)
	again = of("1")
	l.inherit(again, &registry.State{})
	assert.Assert(t, !again.Sandboxed)
}

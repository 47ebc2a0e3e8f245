package trust

import (
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// What an agent left in a work tree is there when its loom has ended, when the registry is lost, and for another loom on it.
func TestAWorkTreeThatASandboxWroteStaysDistrusted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := registry.Open(filepath.Join(dir, "registry"))
	tree := filepath.Join(dir, "tree")
	of := func(id string) *registry.Loom { return &registry.Loom{ID: id, Repository: dir, WorkTree: tree} }
	was := of("1")
	was.Sandboxed, was.Accepted = true, &registry.Accepted{HostAccess: []string{"a"}}

	beside := of("2")
	beside.Inherit(&registry.State{}, r.Written(tree))
	assert.Assert(t, !beside.Sandboxed && beside.Accepted == nil)
	beside.Inherit(&registry.State{Looms: []*registry.Loom{was}}, r.Written(tree))
	assert.Assert(t, beside.Sandboxed)
	assert.DeepEqual(t, NotAccepted(beside, nil, []string{"a", "b"}, noneSet), []string{"b"})

	assert.NilError(t, r.KeepWritten(was))
	again := of("1")
	again.Inherit(&registry.State{}, r.Written(tree))
	assert.Assert(t, again.Sandboxed)
	assert.DeepEqual(t, NotAccepted(again, nil, []string{"a", "b"}, noneSet), []string{"b"})

	r.ForgetWritten(tree)
	again = of("1")
	again.Inherit(&registry.State{}, r.Written(tree))
	assert.Assert(t, !again.Sandboxed)
}

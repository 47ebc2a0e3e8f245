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

	_, err := r.KeepWritten(was)
	assert.NilError(t, err)
	again := of("1")
	again.Inherit(&registry.State{}, r.Written(tree))
	assert.Assert(t, again.Sandboxed)
	assert.DeepEqual(t, NotAccepted(again, nil, []string{"a", "b"}, noneSet), []string{"b"})

	r.ForgetWritten(tree)
	again = of("1")
	again.Inherit(&registry.State{}, r.Written(tree))
	assert.Assert(t, !again.Sandboxed)
}

func TestATreeIsWrittenByOthersSinceTheFirstOfThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := registry.Open(filepath.Join(dir, "registry"))
	tree := filepath.Join(dir, "tree")
	of := func() *registry.Loom {
		k := &registry.Loom{ID: "5", Repository: dir, WorkTree: tree}
		k.Inherit(&registry.State{}, r.Written(tree))
		return k
	}
	first, err := r.KeepOrigin(registry.WrittenTree{WorkTree: tree, Origin: registry.FromSandboxedRefs})
	assert.NilError(t, err)
	k := of()
	assert.Assert(t, k.Untrusted && !k.Sandboxed && k.WrittenSince.Equal(first.Since))
	assert.DeepEqual(t, Reasons(k), []string{registry.FromSandboxedRefs})

	// A sandbox there comes later, and an older entry in the registry does not know since when.
	_, err = r.KeepWritten(k)
	assert.NilError(t, err)
	k = of()
	assert.Assert(t, k.Untrusted && k.Sandboxed && k.WrittenSince.Equal(first.Since))
	assert.Equal(t, len(Reasons(k)), 2)
	older := &registry.Loom{ID: "6", Repository: dir, WorkTree: filepath.Join(dir, "older"), Sandboxed: true}
	written, err := r.KeepWritten(older)
	assert.NilError(t, err)
	assert.Assert(t, written.Since.IsZero())
	older.Inherit(&registry.State{}, written)
	assert.Assert(t, older.WrittenSince.IsZero())
	assert.DeepEqual(t, Reasons(&registry.Loom{ID: "pr/7"}), []string{"it has the head of pr/7"})

	known, err := r.KeepAccepted(&registry.Loom{
		WorkTree: filepath.Join(dir, "nobody's"), Accepted: &registry.Accepted{},
	})
	assert.Assert(t, err == nil && !known)
}

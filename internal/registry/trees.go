package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/host"
)

// WrittenTree is what is remembered of a work tree that a sandbox could write: the tree outlives the loom, and what the
// agent left in it with it.
type WrittenTree struct {
	WorkTree string    `json:"workTree"`
	Accepted *Accepted `json:"accepted,omitempty"`
}

// treeFile is beside the registry, so that it is there if that is lost.
func (r *Registry) treeFile(tree string) string {
	real := host.RealPath(tree)
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", len(real), real))
	return filepath.Join(r.SandboxDir(".trees"), hex.EncodeToString(sum[:])[:32]+".json")
}

// SandboxDir is the folder in which the sandboxes of a Compose project keep what they are made with.
func (r *Registry) SandboxDir(project string) string { return filepath.Join(r.dir, "sandbox", project) }

// KeepWritten notes that a sandbox could write the loom's work tree, and what was accepted of it.
func (r *Registry) KeepWritten(k *Loom) error {
	text, err := json.Marshal(WrittenTree{k.WorkTree, k.Accepted})
	if err != nil {
		return err
	}
	path := r.treeFile(k.WorkTree)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicwriter.WriteFile(path, text, 0o600)
}

// ForgetWritten is called when a work tree is gone: a tree that is made in its place is another.
func (r *Registry) ForgetWritten(tree string) { _ = os.Remove(r.treeFile(tree)) }

// Written returns what is remembered of a work tree, nil if no sandbox could write it.
func (r *Registry) Written(tree string) *WrittenTree {
	text, err := os.ReadFile(r.treeFile(tree))
	if err != nil {
		return nil
	}
	// Whatever is in it: that the file is there is what counts.
	var w WrittenTree
	_ = json.Unmarshal(text, &w)
	return &w
}

// Inherit gives a loom what its work tree has of others before it, or beside it: that a sandbox could write there, and
// what was accepted then. written is what [Registry.Written] returned.
func (l *Loom) Inherit(s *State, written *WrittenTree) {
	from := func(accepted *Accepted) {
		if l.Sandboxed = true; l.Accepted == nil {
			l.Accepted = accepted
		}
	}
	for _, other := range s.InFolder(l.WorkTree) {
		if other.Sandboxed {
			from(other.Accepted)
		}
	}
	if written != nil && (!l.Sandboxed || l.Accepted == nil) {
		from(written.Accepted)
	}
}

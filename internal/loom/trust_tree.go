package loom

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// written is what is remembered of a work tree that a sandbox could write: the tree outlives the loom, and what the agent
// left in it with it.
type written struct {
	WorkTree string             `json:"workTree"`
	Accepted *registry.Accepted `json:"accepted,omitempty"`
}

// writtenFile is beside the registry, so that it is there where that is lost.
func (l *Looms) writtenFile(tree string) string {
	return filepath.Join(filepath.Dir(l.Registry.Path()), "sandbox", ".trees", digest([]byte(followed(tree)))[:32]+".json")
}

// keepWritten notes that a sandbox could write the loom's work tree, and what was accepted of it.
func (l *Looms) keepWritten(k *registry.Loom) error {
	text, err := json.Marshal(written{k.WorkTree, k.Accepted})
	if err != nil {
		return err
	}
	path := l.writtenFile(k.WorkTree)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicwriter.WriteFile(path, text, 0o600)
}

// forgetWritten is for a work tree that is gone: one that is made in its place is another.
func (l *Looms) forgetWritten(tree string) { _ = os.Remove(l.writtenFile(tree)) }

// inherit gives a loom what its work tree has of others before it, or beside it: that a sandbox could write there, and what
// was accepted then.
func (l *Looms) inherit(k *registry.Loom, state *registry.State) {
	from := func(accepted *registry.Accepted) {
		if k.Sandboxed = true; k.Accepted == nil {
			k.Accepted = accepted
		}
	}
	for _, other := range state.InFolder(k.WorkTree) {
		if other.Sandboxed {
			from(other.Accepted)
		}
	}
	if k.Sandboxed && k.Accepted != nil {
		return
	}
	var w written
	if text, err := os.ReadFile(l.writtenFile(k.WorkTree)); err == nil {
		// Whatever is in it: that it is there is what counts.
		_ = json.Unmarshal(text, &w)
		from(w.Accepted)
	}
}

// MarkSandboxed notes, before a sandbox starts, that from now on somebody else may have written the loom's work tree.
func (l *Looms) MarkSandboxed(ctx context.Context, t *Target) error {
	if err := l.keepWritten(t.Known); err != nil || t.Known.Sandboxed {
		return err
	}
	t.Known.Sandboxed = true
	return l.Registry.Update(ctx, func(state *registry.State) error {
		k := state.Find(t.Repository, t.ID)
		if k == nil {
			return &UnknownError{t.Name()}
		}
		k.Sandboxed = true
		return nil
	})
}

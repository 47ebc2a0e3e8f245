package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/host"
)

// WrittenTree is what is remembered of a work tree that others may have written: the tree outlives the loom, and what
// they left in it with it.
type WrittenTree struct {
	WorkTree string `json:"workTree"`
	// Projects is what was accepted of the Compose projects in it, by their folders as [Loom.Folder] gives them.
	Projects map[string]*Accepted `json:"projects,omitempty"`
	// Accepted is what an earlier docker loom noted, without the folder.
	Accepted *Accepted `json:"accepted,omitempty"`
	// Since is when it began; zero in a file of an earlier docker loom.
	Since time.Time `json:"since,omitzero"`
	// Origin says where the files are from if others wrote them, "" if the user did.
	Origin string `json:"origin,omitempty"`
	// NoSandbox says that no sandbox could write the tree itself. A file of an earlier docker loom is about a sandbox.
	NoSandbox bool `json:"noSandbox,omitempty"`
	// ID and Repository name the loom that the tree was judged for.
	ID         string `json:"id,omitempty"`
	Repository string `json:"repository,omitempty"`
}

// The origins of files that others wrote.
const (
	// FromSandboxedRefs is the origin of a work tree whose commit a sandbox may have made.
	FromSandboxedRefs = "its commit may come from a sandbox that moved a ref"
	// FromSandboxedFolder is the origin of a work tree that was made where a sandbox could write.
	FromSandboxedFolder = "it was made inside of a folder that a sandbox can write"
)

// FromPullRequest is the origin of a work tree that has the head of a pull request, named by its id.
func FromPullRequest(id string) string { return "it has the head of " + id }

// IsWrittenByOthers reports whether others may have written the loom's work tree.
func (l *Loom) IsWrittenByOthers() bool {
	return l.Untrusted || l.Sandboxed || strings.HasPrefix(l.ID, "pr/")
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
func (r *Registry) KeepWritten(k *Loom) (*WrittenTree, error) {
	w := r.Written(k.WorkTree)
	if w == nil {
		w = &WrittenTree{Since: k.WrittenSince, Origin: k.Origin}
		if !k.Sandboxed && !k.Untrusted {
			w.Since = r.now().UTC().Truncate(time.Second)
		}
	}
	w.WorkTree, w.NoSandbox, w.ID, w.Repository = k.WorkTree, false, k.ID, k.Repository
	w.accept(k.Folder(), k.Accepted)
	return w, r.writeTree(w)
}

// KeepOrigin notes that others wrote the files of a work tree, as origin says. What is remembered of it already stays.
func (r *Registry) KeepOrigin(w WrittenTree) (*WrittenTree, error) {
	if have := r.Written(w.WorkTree); have != nil {
		return have, nil
	}
	w.Since, w.NoSandbox = r.now().UTC().Truncate(time.Second), true
	return &w, r.writeTree(&w)
}

// KeepAccepted notes what was accepted of a project in a work tree that others wrote. It reports whether such a tree is
// remembered.
func (r *Registry) KeepAccepted(k *Loom) (bool, error) {
	w := r.Written(k.WorkTree)
	if w == nil {
		return false, nil
	}
	w.accept(k.Folder(), k.Accepted)
	return true, r.writeTree(w)
}

// accept notes what was accepted of the project in a folder.
func (w *WrittenTree) accept(folder string, accepted *Accepted) {
	if accepted == nil {
		return
	}
	if w.Projects == nil {
		w.Projects = map[string]*Accepted{}
	}
	w.Projects[folder] = accepted
}

// acceptedIn returns what was accepted of the project in a folder, nil for nothing. Without a folder it was about the
// only one there was.
func (w *WrittenTree) acceptedIn(s *State, folder string) *Accepted {
	isOther := func(k *Loom) bool { return k.Folder() != folder }
	if len(w.Projects) > 0 || slices.ContainsFunc(s.InFolder(w.WorkTree), isOther) {
		return w.Projects[folder]
	}
	return w.Accepted
}

func (r *Registry) writeTree(w *WrittenTree) error {
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	path := r.treeFile(w.WorkTree)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicwriter.WriteFile(path, text, 0o600)
}

// ForgetWritten is called when a work tree is gone: a tree that is made in its place is another.
func (r *Registry) ForgetWritten(tree string) { _ = os.Remove(r.treeFile(tree)) }

// Written returns what is remembered of a work tree, nil if nobody but the user could write it.
func (r *Registry) Written(tree string) *WrittenTree { return readTree(r.treeFile(tree)) }

func readTree(path string) *WrittenTree {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	// Whatever is in it: that the file is there is what counts.
	var w WrittenTree
	if err := json.Unmarshal(text, &w); err != nil {
		return &WrittenTree{}
	}
	return &w
}

// WrittenTrees returns what is remembered of all work trees that others may have written.
func (r *Registry) WrittenTrees() []*WrittenTree {
	paths, _ := filepath.Glob(filepath.Join(r.SandboxDir(".trees"), "*.json"))
	var all []*WrittenTree
	for _, path := range paths {
		if w := readTree(path); w != nil && w.WorkTree != "" {
			all = append(all, w)
		}
	}
	return all
}

// Inherit gives a loom what its work tree has of others before it, or beside it: that they could write there, and what
// was accepted of the same folder then. written is what [Registry.Written] returned.
func (l *Loom) Inherit(s *State, written *WrittenTree) {
	wasWritten := l.Sandboxed || l.Untrusted
	from := func(accepted *Accepted, since time.Time) {
		if l.Accepted == nil {
			l.Accepted = accepted
		}
		if !wasWritten && l.WrittenSince.IsZero() || !since.IsZero() && since.Before(l.WrittenSince) {
			l.WrittenSince = since
		}
	}
	for _, other := range s.InFolder(l.WorkTree) {
		if other.Sandboxed {
			l.Sandboxed = true
			var accepted *Accepted
			if other.Folder() == l.Folder() {
				accepted = other.Accepted
			}
			from(accepted, other.WrittenSince)
		}
	}
	if written == nil {
		return
	}
	l.Sandboxed = l.Sandboxed || !written.NoSandbox
	if written.Origin != "" {
		l.Untrusted, l.Origin = true, written.Origin
	}
	from(written.acceptedIn(s, l.Folder()), written.Since)
}

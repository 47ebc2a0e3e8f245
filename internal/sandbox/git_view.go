package sandbox

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// commonInside is where the common dir of a linked work tree is in a sandbox, read-only as a whole.
const commonInside = "/var/lib/docker-loom/git"

// expected are names that a common dir has, or may have one day.

var expected = []string{"config.worktree", "hooks", "info", "modules", "branches", "remotes", "shallow", "rr-cache", "lfs", "annex", "gc.pid", "HEAD", "config"}

// View is what stands at the path of a linked work tree's common dir: git deletes refs under packed-refs.lock, and takes
// that lock beside packed-refs. So that it can, without the common dir being writable, a folder of the sandbox's own
// stands there, on a volume. It has a link for each name of the common dir, which is mounted elsewhere; objects, refs, logs
// and worktrees are mounted on it. What the agent makes there nobody else sees.
//
// Links, and no mounts: git replaces its files (config, HEAD, packed-refs), and a mount keeps the old one.
type View struct {
	// Volume is the volume's key, Target its place.
	Volume, Target string
	// Links are what its symbolic links lead to, by their names.
	Links map[string]string
}

// View is that of s, nil where it has none: in a main checkout, and where nothing is writable.
func (s Spec) View() (*View, error) {
	if !s.hasView() {
		return nil, nil
	}
	binds, err := s.binds()
	if err != nil {
		return nil, err
	}
	v := &View{Volume: GitName(s.Agent), Target: s.Git.Common, Links: map[string]string{}}
	mounted := map[string]bool{}
	for _, b := range binds {
		if rel, err := filepath.Rel(v.Target, b.target); err == nil && filepath.IsLocal(rel) {
			first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
			mounted[first] = true
		}
	}
	for _, name := range slices.Concat(s.Git.Others, expected) {
		if !mounted[name] {
			v.Links[name] = path.Join(commonInside, name)
		}
	}
	// git makes the lock of a file that is a link where that leads to, and follows five links for it (MAXDEPTH in its
	// lockfile.c). The sixth it only reads through. So the lock is taken here; to replace the file is refused, and with it
	// pack-refs, which would take the refs away from everybody else.
	const last = 5
	name := "packed-refs"
	for i := range last {
		next := fmt.Sprintf("packed-refs.%d", i+1)
		v.Links[name] = next
		name = next
	}
	v.Links[name] = path.Join(commonInside, "packed-refs")
	return v, nil
}

func (s Spec) hasView() bool { return s.Git != nil && !s.Git.Main && !s.ReadOnly }

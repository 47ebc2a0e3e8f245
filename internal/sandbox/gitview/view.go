package gitview

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// commonTarget is where the common dir of a linked work tree is mounted in a sandbox, read-only as a whole.
const commonTarget = "/var/lib/docker-loom/git"

// expectedNames are names that git may give to files of a common dir later.
var expectedNames = []string{
	"config.worktree", "hooks", "info", "modules", "branches", "remotes", "shallow", "rr-cache", "lfs", "annex",
	"gc.pid", "HEAD", "config",
}

// View is the folder at the path of a linked work tree's common dir. git deletes refs under packed-refs.lock, which
// it makes beside packed-refs; the common dir is read-only. So the sandbox has a folder of its own there, on a
// volume. It has a link for each name of the common dir, which is mounted elsewhere; objects, refs, logs and
// worktrees are mounted on it. Nobody else sees what the agent makes there.
//
// Links, not mounts: git replaces its files (config, HEAD, packed-refs), and a mount keeps the old one.
type View struct {
	// Volume is the volume's key, Target its path inside.
	Volume, Target string
	// Links maps the names of symbolic links to their targets.
	Links map[string]string
}

// HasView reports whether a sandbox of this work tree needs a [View].
func (r *Repository) HasView() bool { return r != nil && !r.Main }

// View returns the view on a volume. Names on which one of the targets is mounted get no link, and
// neither does commondir.
func (r *Repository) View(volume string, targets []string) *View {
	v := &View{Volume: volume, Target: r.Common, Links: map[string]string{}}
	// [Prepare] makes commondir in a main checkout and [Unprepare] removes it. git fails at a link to nothing there.
	unlinked := map[string]bool{"commondir": true}
	for _, target := range targets {
		if rel, err := filepath.Rel(v.Target, target); err == nil && filepath.IsLocal(rel) {
			first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
			unlinked[first] = true
		}
	}
	for _, name := range slices.Concat(r.Others, expectedNames) {
		if !unlinked[name] {
			v.Links[name] = path.Join(commonTarget, name)
		}
	}
	// git makes the lock of a file beside the target of its link, and follows five links for that (MAXDEPTH in its
	// lockfile.c). It reads through the sixth. So git takes the lock in the view, and cannot replace the file itself:
	// pack-refs would remove the refs for everybody else.
	const followedByGit = 5
	name := "packed-refs"
	for i := range followedByGit {
		next := fmt.Sprintf("packed-refs.%d", i+1)
		v.Links[name] = next
		name = next
	}
	v.Links[name] = path.Join(commonTarget, "packed-refs")
	return v
}

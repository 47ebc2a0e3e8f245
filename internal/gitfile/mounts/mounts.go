// Package mounts decides which mounts a container needs so that git works in it, and so that it cannot make git forget
// the repository's other work trees.
//
// git keeps a folder for each linked work tree in .git/worktrees. git worktree prune deletes the folders whose work
// trees do not exist, and in a container most do not. So the folder worktrees is read-only there, with all that the
// host adds later. The container's own work tree has its folder writable: git needs it for the index and HEAD. So that
// this one survives too, .git of the work tree is mounted where git looks for it.
package mounts

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// Repository is the git repository of a work tree, with absolute paths of the host. The zero value is none.
type Repository struct {
	// Root is the top level of the work tree.
	Root string
	// Common is the git folder that all work trees share, Own the one of this work tree. In a main checkout both are the
	// same.
	Common, Own string
	// Pointer is what Root/.git says behind "gitdir: ", as written; "" if .git is a folder.
	Pointer string
	// Back is what the file gitdir in Own says, as written; "" in a main checkout.
	Back string
}

// Read reads the repository of a work tree, given the git folders that git named.
func Read(root, common, own string) (Repository, error) {
	r := Repository{Root: root, Common: common, Own: own}
	var err error
	if own != filepath.Join(root, ".git") {
		if r.Pointer, err = gitfile.Path(filepath.Join(root, ".git")); err != nil {
			return r, err
		}
	}
	if own != common {
		r.Back, err = gitfile.Path(filepath.Join(own, "gitdir"))
	}
	return r, err
}

// IsLinked reports whether the work tree is one that git worktree add made.
func (r Repository) IsLinked() bool { return r.Own != r.Common }

// CommonTarget is where the container needs Common, if the work tree is at root there: where .git leads.
func (r Repository) CommonTarget(root string) string {
	target := filepath.ToSlash(r.Pointer)
	if !filepath.IsAbs(r.Pointer) {
		target = path.Join(root, target)
	}
	if r.IsLinked() {
		// From worktrees/NAME.
		target = path.Join(target, "../..")
	}
	return path.Clean(target)
}

// Worktrees is the folder in Common that has a folder for each linked work tree.
func (r Repository) Worktrees() string { return filepath.Join(r.Common, "worktrees") }

// Keeping returns the mounts that a container with these volumes needs in addition, so that git in it forgets no work
// tree. Sources of binds must have their links followed.
func (r Repository) Keeping(volumes []types.ServiceVolumeConfig) []types.ServiceVolumeConfig {
	if r.Common == "" {
		return nil
	}
	k := keeper{Repository: r, volumes: volumes}
	for _, v := range volumes {
		if !v.ReadOnly {
			k.keep(v)
		}
	}
	return k.mounts
}

// keeper collects the mounts for one container.
type keeper struct {
	Repository
	volumes, mounts []types.ServiceVolumeConfig
}

// keep adds what keeps the work trees if v shows the folder worktrees.
func (k *keeper) keep(v types.ServiceVolumeConfig) {
	target, shown := shows(v, k.Worktrees())
	if !shown || k.isCovered(target, len(path.Clean(v.Target))) {
		return
	}
	k.add(k.Worktrees(), target, true)
	if !k.IsLinked() {
		return
	}
	own := path.Join(target, filepath.Base(k.Own))
	k.add(k.Own, own, false)
	back := filepath.ToSlash(k.Back)
	if !filepath.IsAbs(k.Back) {
		back = path.Join(own, back)
	}
	// If something is mounted there, a file would be made in it.
	if !k.isCovered(back, 0) {
		k.add(filepath.Join(k.Root, ".git"), back, true)
	}
}

// isCovered reports whether a volume with a target of more than length bytes is mounted at the path or above.
func (k *keeper) isCovered(at string, length int) bool {
	return slices.ContainsFunc(k.volumes, func(v types.ServiceVolumeConfig) bool {
		target := path.Clean(v.Target)
		return len(target) > length && (at == target || strings.HasPrefix(at, strings.TrimSuffix(target, "/")+"/"))
	})
}

func (k *keeper) add(source, target string, readOnly bool) {
	if slices.ContainsFunc(k.mounts, func(v types.ServiceVolumeConfig) bool { return v.Target == target }) {
		return
	}
	k.mounts = append(k.mounts, types.ServiceVolumeConfig{
		Type: types.VolumeTypeBind, Source: source, Target: target, ReadOnly: readOnly, Bind: &types.ServiceVolumeBind{},
	})
}

// Shows reports whether one of the volumes lets a container write to the folder worktrees, or to a part of it.
func (r Repository) Shows(volumes []types.ServiceVolumeConfig) bool {
	return r.Common != "" && slices.ContainsFunc(volumes, func(v types.ServiceVolumeConfig) bool {
		_, shown := shows(v, r.Worktrees())
		return shown
	})
}

// shows returns the path in the container at which a bind shows a path of the host.
func shows(v types.ServiceVolumeConfig, host string) (target string, ok bool) {
	if v.Type != types.VolumeTypeBind {
		return "", false
	}
	rel, err := filepath.Rel(v.Source, host)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return path.Join(v.Target, filepath.ToSlash(rel)), true
}

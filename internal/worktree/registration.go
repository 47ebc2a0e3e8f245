package worktree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// keeper is the folder in .git/worktrees that is there while containers mount the repository's git folder. git removes
// the folder worktrees with the last work tree, and with it the read-only mounts that containers have of it; what the
// host adds later could then be forgotten in a container. git lists no work tree without a file gitdir, and its file
// locked keeps the folder from being pruned.
const keeper = ".docker-loom"

// mounted starts the lock reason of a work tree that Add made, while containers mount the repository's git folder. A
// container in which it is not at its own path takes it for gone.
const mounted = "docker loom: containers mount this repository, and could forget the work tree"

// isLockOfKeep reports whether a lock reason is Keep's.
func isLockOfKeep(reason string) bool { return strings.HasPrefix(reason, mounted) }

// isLockedByOthers reports whether a lock of the work tree is not Keep's.
func (t Tree) isLockedByOthers() bool { return t.Locked && !isLockOfKeep(t.Reason) }

// Keep keeps git in containers, which mount the repository's git folder, from forgetting work trees. It locks those
// that Add made. Others stay as they are: the tools that made them must be able to remove them.
//
// The git folder of a submodule names its work tree by core.worktree, relative to itself. In a container, the work tree
// can be elsewhere. So it gets a commondir that names the git folder itself: git then takes the folder of the file .git
// for the work tree, here and there.
func (r *Repository) Keep() error {
	root, err := os.OpenRoot(r.CommonDir)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer root.Close()
	at := filepath.Join("worktrees", keeper)
	if err := root.MkdirAll(at, 0o777); err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	if err := writeNew(root, filepath.Join(at, "locked"), "docker loom: containers mount this folder\n"); err != nil {
		return err
	}
	if err := keepSubmodule(r, root, filepath.Join(at, "commondir")); err != nil {
		return err
	}
	for _, admin := range (adminFolders{r.CommonDir}).list() {
		own := filepath.Join("worktrees", filepath.Base(admin))
		if _, err := root.Lstat(filepath.Join(own, marker)); err != nil {
			continue
		}
		if err := writeNew(root, filepath.Join(own, "locked"), mounted+"; docker loom down ends that\n"); err != nil {
			return err
		}
	}
	return nil
}

// keepSubmodule makes commondir in the git folder of a submodule. The file note says that it is Keep's.
func keepSubmodule(r *Repository, root *os.Root, note string) error {
	info, err := os.Lstat(filepath.Join(r.WorkTree, ".git"))
	if r.Linked() || err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // no work tree, or no .git in it: then it is not a submodule
	}
	if plain, err := plainConfig(r.CommonDir); plain || err != nil {
		return err
	}
	if err := writeNew(root, note, ""); err != nil {
		return err
	}
	return writeNew(root, "commondir", ".\n")
}

// writeNew makes a file that appears with its content: git fails at an empty commondir. If there is one, it stays.
func writeNew(root *os.Root, name, content string) error {
	if _, err := root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temp := fmt.Sprintf("%s.%d.lock", name, os.Getpid())
	if err := root.WriteFile(temp, []byte(content), 0o644); err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	err := root.Link(temp, name)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, root.Remove(temp))
}

// CommonDirOf returns the git folder of a repository, given the path of its main work tree or, if it has none that is
// known, of the git folder itself. It runs no process.
func CommonDirOf(main string) (string, error) {
	p, err := Points(main)
	if err != nil {
		return "", err
	}
	if p == nil {
		return main, nil
	}
	return p.CommonDir(), nil
}

// IsKept reports whether Keep was called for the repository with the git folder, and Unkeep was not.
func IsKept(commonDir string) bool { return !gone(filepath.Join(commonDir, "worktrees", keeper)) }

// Unkeep ends what Keep did. No container may mount the git folder.
func Unkeep(commonDir string) error {
	root, err := os.OpenRoot(commonDir)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer root.Close()
	for _, admin := range (adminFolders{commonDir}).list() {
		reason, err := gitfile.Content(filepath.Join(admin, "locked"))
		if err != nil || !isLockOfKeep(string(reason)) {
			continue
		}
		if err := root.Remove(filepath.Join("worktrees", filepath.Base(admin), "locked")); err != nil {
			return err
		}
	}
	at := filepath.Join("worktrees", keeper)
	if _, err := root.Lstat(filepath.Join(at, "commondir")); err == nil {
		if b, err := root.ReadFile("commondir"); err == nil && string(b) == ".\n" {
			if err := root.Remove("commondir"); err != nil {
				return err
			}
		}
	}
	if err := root.RemoveAll(at); err != nil {
		return err
	}
	// git has no folder worktrees without a work tree. If there is one, this fails.
	_ = root.Remove("worktrees")
	return nil
}

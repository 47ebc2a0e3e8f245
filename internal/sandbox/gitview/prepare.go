package gitview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Prepare makes the missing entries that have mounts, empty and with their folder's owner. It also calls
// [PrepareSettingsFolder]. A nil repository is a work tree without git.
func Prepare(workTree string, r *Repository) error {
	if err := PrepareSettingsFolder(workTree); err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	common, err := os.OpenRoot(r.Common)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer common.Close()
	for _, name := range append([]string{"logs"}, r.commonFolders()...) {
		if err := makeIfMissing(common, entry{name: name, isFolder: true}); err != nil {
			return err
		}
	}
	dir, err := os.OpenRoot(r.Dir)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer dir.Close()
	for _, e := range r.protected() {
		if err := makeIfMissing(dir, e); err != nil {
			return err
		}
	}
	return r.readEntries()
}

// PrepareSettingsFolder makes the folder .iloom of a work tree, which is read-only in the sandbox. A link is refused.
func PrepareSettingsFolder(workTree string) error {
	root, err := os.OpenRoot(workTree)
	if err != nil {
		return fmt.Errorf("work tree: %w", err)
	}
	defer root.Close()
	if err := makeIfMissing(root, entry{name: ".iloom", isFolder: true}); err != nil {
		return err
	}
	info, err := root.Lstat(".iloom")
	if err != nil {
		return fmt.Errorf("work tree: %w", err)
	}
	if !info.IsDir() {
		path := filepath.Join(workTree, ".iloom")
		return fmt.Errorf("%s must be a folder, not %s: the agent could replace it", path, fileKind(info))
	}
	return nil
}

// Unprepare removes the one entry of [Prepare] that git does not know: the commondir of a main checkout.
func Unprepare(r *Repository) error {
	if r == nil || !r.Main {
		return nil
	}
	root, err := os.OpenRoot(r.Common)
	if err != nil {
		return fmt.Errorf("git folder: %w", err)
	}
	defer root.Close()
	if b, err := root.ReadFile("commondir"); err == nil && string(b) == ".\n" {
		return root.Remove("commondir")
	}
	return nil
}

// makeIfMissing makes an entry with the owner of its folder: root may work here for another user.
func makeIfMissing(root *os.Root, e entry) error {
	if _, err := root.Lstat(e.name); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	var err error
	if e.isFolder {
		err = root.Mkdir(e.name, 0o755)
	} else {
		err = makeFile(root, e)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // another docker loom was faster
	}
	if err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	return setOwnerOfFolder(root, e.name)
}

// makeFile makes a file that appears with its content: an empty commondir makes git fail.
func makeFile(root *os.Root, e entry) error {
	temp := fmt.Sprintf("%s.%d.lock", e.name, os.Getpid())
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(e.content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Link(temp, e.name)
	}
	return errors.Join(err, root.Remove(temp))
}

package acl

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// walk visits a path and everything below by descriptors, each opened from its folder's: no name is looked up twice.
type walk struct {
	user   uint32 // whose files may be closed to us
	except []string
	visit  func(*node) (changed bool, err error)
}

// node is an open file or folder. fd is open with O_PATH, which does nothing to a device or a pipe.
type node struct {
	fd       int
	path     string // for errors
	mode     uint32
	owner    uint32
	isFolder bool
	device   uint64
}

// run returns the number of files and folders that were changed. A path that does not exist counts as 0.
func (w walk) run(path string) (int, error) {
	// The parents of the path are the caller's choice, so they may be links.
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if slices.Contains(w.except, path) {
		return 0, nil
	}
	n, err := openNode(unix.AT_FDCWD, filepath.Join(parent, filepath.Base(path)), path)
	if n == nil || err != nil {
		return 0, err
	}
	return w.node(n)
}

// node visits an open file or folder and what is below it, and closes it.
func (w walk) node(n *node) (int, error) {
	defer unix.Close(n.fd)
	changed := 0
	ok, err := w.visit(n)
	if err != nil && !w.isClosedToUs(n, err) {
		return 0, err
	}
	if ok {
		changed++
	}
	if !n.isFolder {
		return changed, nil
	}
	names, err := n.names()
	if err != nil && !w.isClosedToUs(n, err) {
		return changed, err
	}
	for _, name := range names {
		path := n.path + "/" + name
		if slices.Contains(w.except, path) {
			continue
		}
		child, err := openNode(n.fd, name, path)
		below := 0
		switch {
		case child == nil:
		case child.device != n.device:
			unix.Close(child.fd)
		default:
			below, err = w.node(child)
		}
		changed += below
		if err != nil && !w.isClosedToUs(n, err) {
			return changed, err
		}
	}
	return changed, nil
}

// isClosedToUs reports whether an error comes from a file of the user, who decides alone who else may work on it.
func (w walk) isClosedToUs(n *node, err error) bool {
	return n.owner == w.user && errors.Is(err, os.ErrPermission)
}

// openNode opens a regular file or a folder. It returns nil for everything else, and for what was removed meanwhile.
func openNode(folder int, name, path string) (*node, error) {
	fd, err := unix.Openat(folder, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && kind != unix.S_IFREG {
		unix.Close(fd)
		return nil, nil
	}
	return &node{
		fd: fd, path: path, mode: st.Mode, owner: st.Uid, isFolder: kind == unix.S_IFDIR,
		device: uint64(st.Dev), //nolint:unconvert // its type differs between machines
	}, nil
}

func (n *node) names() ([]string, error) {
	fd, err := unix.Openat(n.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: n.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), n.path)
	defer f.Close()
	return f.Readdirnames(-1)
}

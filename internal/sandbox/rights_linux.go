package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Extended attributes of the two lists: of the file itself, and what a folder hands on to what is made in it.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// Grant lets the user uid do in each of the paths what their [Right] says: where the owner may, by entries of access control
// lists, which folders hand on to what is made in them later. Entries of others and what they may do stay. A folder hands on
// its owner's rights too: what uid makes in it is uid's, and an owner that is not root could not work on it else. It returns
// how many files and folders it changed. What is right already is left alone, so that a second run only reads, and so is what
// uid owns and has closed to us. Symbolic links are not followed, and swapping one in while it runs leads nowhere; other file
// systems are not entered. A file system without such lists is a [NoACLError].
func Grant(rights []Right, uid int) (int, error) {
	changed := 0
	for _, r := range rights {
		w := walk{agent: uint32(uid), except: r.Except, visit: func(f *node) (bool, error) { return f.grant(uint32(uid), r.Write) }}
		n, err := w.run(r.Path)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// HasLists tells by a [NoACLError] where the file system of a path has no access control lists. It writes nothing.
func HasLists(path string) error {
	_, err := unix.Lgetxattr(path, aclAccess, make([]byte, 512))
	if errors.Is(err, unix.ENOTSUP) {
		return &NoACLError{Path: path, Err: err}
	}
	return nil
}

// Revoke takes the entries that [Grant] made for uid in each of the paths and below away again, but for what uid owns and we
// may not change.
func Revoke(paths []string, uid int) (int, error) {
	changed := 0
	for _, p := range paths {
		w := walk{agent: uint32(uid), visit: func(f *node) (bool, error) { return f.revoke(uint32(uid)) }}
		n, err := w.run(p)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// walk visits files and folders by descriptors, each opened from the one of its folder: no name is looked up twice.
type walk struct {
	agent   uint32
	except  []string
	visit   func(*node) (bool, error)
	changed int
}

// node is an open file or folder. fd is open with O_PATH: nothing happens to a device or a pipe that is opened so.
type node struct {
	fd     int
	path   string // for errors
	mode   uint32
	owner  uint32
	folder bool
}

func (w *walk) run(path string) (int, error) {
	// The path itself is the caller's, whose parents may be links.
	real, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	err = w.at(unix.AT_FDCWD, filepath.Join(real, filepath.Base(path)), path, 0, true)
	return w.changed, err
}

func (w *walk) at(dir int, name, path string, device uint64, top bool) error {
	if slices.Contains(w.except, path) {
		return nil
	}
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // it may well go while we are at work
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	n := &node{fd: fd, path: path, mode: st.Mode, owner: st.Uid, folder: st.Mode&unix.S_IFMT == unix.S_IFDIR}
	if !n.folder && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	if top {
		device = uint64(st.Dev) //nolint:unconvert // its type differs between machines
	} else if device != uint64(st.Dev) { //nolint:unconvert // see above
		return nil
	}
	// Its owner lets itself in, and others as it likes.
	theirs := func(err error) bool { return n.owner == w.agent && errors.Is(err, os.ErrPermission) }
	ok, err := w.visit(n)
	if err != nil && !theirs(err) {
		return err
	}
	if ok {
		w.changed++
	}
	if !n.folder {
		return nil
	}
	names, err := n.names()
	if err != nil && !theirs(err) {
		return err
	}
	for _, name := range names {
		if err := w.at(fd, name, path+"/"+name, device, false); err != nil && !theirs(err) {
			return err
		}
	}
	return nil
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

// link is the descriptor's name: attributes cannot be set by a descriptor that is open with O_PATH.
func (n *node) link() string { return "/proc/self/fd/" + strconv.Itoa(n.fd) }

// list reads one of the two lists; nil is none.
func (n *node) list(attr string) (aclList, error) {
	b := make([]byte, 512)
	for {
		size, err := unix.Getxattr(n.link(), attr, b)
		switch {
		case errors.Is(err, unix.ENODATA):
			return nil, nil
		case errors.Is(err, unix.ERANGE):
			b = make([]byte, 4*len(b))
			continue
		case err != nil:
			return nil, n.wrap(err)
		}
		l, err := parseACL(b[:size])
		if err != nil {
			return nil, n.wrap(err)
		}
		return l, nil
	}
}

func (n *node) set(attr string, l aclList) error {
	return n.wrap(unix.Setxattr(n.link(), attr, l.bytes(), 0))
}

func (n *node) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOTSUP):
		return &NoACLError{Path: n.path, Err: err}
	default:
		return fmt.Errorf("access control list of %s: %w", n.path, err)
	}
}

// grant gives the user what the owner may, without writing where it is only to read. Where anybody may read, a reader
// needs no entry.
func (n *node) grant(uid uint32, write bool) (bool, error) {
	access, err := n.list(aclAccess)
	if err != nil {
		return false, err
	}
	if access == nil {
		access = fromMode(n.mode)
	}
	perm := access.base(aclUserObj)
	if n.folder {
		perm = 7
	}
	if !write {
		perm &^= 2
		if access.base(aclOther)&perm == perm && !access.named() {
			return false, nil
		}
	}
	changed := false
	if now, ok := access.allows(uid); !ok || now != perm {
		if err := n.set(aclAccess, access.with(uid, perm)); err != nil {
			return false, err
		}
		changed = true
	}
	if !n.folder {
		return changed, nil
	}
	handed, err := n.list(aclDefault)
	if err != nil {
		return changed, err
	}
	if handed == nil {
		// What is made in it shall have of group and others what the folder has, as with the umask that made the folder.
		handed = fromMode(uint32(access.base(aclUserObj))<<6 | uint32(access.groupRights())<<3 | uint32(access.base(aclOther)))
	}
	want := handed
	for _, id := range n.heirs(uid, write) {
		if now, ok := want.allows(id); !ok || now != perm {
			want = want.with(id, perm)
		}
	}
	if slices.Equal(want, handed) {
		return changed, nil
	}
	return true, n.set(aclDefault, want)
}

// heirs are the users that a folder hands rights on for.
func (n *node) heirs(uid uint32, write bool) []uint32 {
	if write && n.owner != 0 && n.owner != uid {
		return []uint32{uid, n.owner}
	}
	return []uint32{uid}
}

// revoke takes the user's entries away. A list that then says what a mode says goes too: setting such a list makes it the
// mode, while removing a list would leave its mask as the group's rights.
func (n *node) revoke(uid uint32) (bool, error) {
	changed := false
	access, err := n.list(aclAccess)
	if err != nil {
		return false, err
	}
	if _, ok := access.allows(uid); ok {
		if err := n.set(aclAccess, access.without(uid).without(n.owner)); err != nil {
			return false, err
		}
		changed = true
	}
	if !n.folder {
		return changed, nil
	}
	handed, err := n.list(aclDefault)
	if err != nil {
		return changed, err
	}
	if _, ok := handed.allows(uid); !ok {
		return changed, nil
	}
	if rest := handed.without(uid).without(n.owner); rest.named() {
		return true, n.set(aclDefault, rest)
	}
	if err := unix.Removexattr(n.link(), aclDefault); err != nil && !errors.Is(err, unix.ENODATA) {
		return changed, n.wrap(err)
	}
	return true, nil
}

func ownerOf(info os.FileInfo) (int, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

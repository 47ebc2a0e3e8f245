package acl

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Extended attributes of the two lists: the file's own, and the one that a folder gives to what is made in it.
const (
	accessAttr  = "system.posix_acl_access"
	defaultAttr = "system.posix_acl_default"
)

const (
	permWrite = 2
	permAll   = 7
)

// Grant gives a user its rights by access control lists, as far as the owner has them. It returns the number of files
// and folders that it changed.
//
//   - Folders give the entries to what is made in them later. They add the owner's entry too: otherwise an owner that
//     is not root could not work on what the user makes.
//   - Other users' entries and what they allow stay. What is right already is not written, so a second run only reads.
//   - Files of the user that we may not change are left alone.
//   - Symbolic links are not followed, not even if one is swapped in while Grant runs. Other file systems are not
//     entered.
//
// A file system without lists is an [UnsupportedError].
func Grant(rights []Right, uid int) (int, error) {
	changed := 0
	for _, r := range rights {
		visit := func(f *node) (bool, error) { return f.grantUser(uint32(uid), r) }
		n, err := walk{user: uint32(uid), except: r.Except, visit: visit}.run(r.Path)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// CheckSupport returns an [UnsupportedError] if the file system of a path has no access control lists. It writes
// nothing.
func CheckSupport(path string) error {
	_, err := unix.Lgetxattr(path, accessAttr, make([]byte, 512))
	if errors.Is(err, unix.ENOTSUP) {
		return &UnsupportedError{Path: path, Err: err}
	}
	return nil
}

// Revoke removes the entries that [Grant] made for a user from what the rights are for, whether they read or write. It
// leaves files of the user that we may not change.
func Revoke(rights []Right, uid int) (int, error) {
	changed := 0
	visit := func(f *node) (bool, error) { return f.revokeUser(uint32(uid)) }
	for _, r := range rights {
		n, err := walk{user: uint32(uid), except: r.Except, visit: visit}.run(r.Path)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// readList reads one of the two lists. It returns nil if the file has none.
func (n *node) readList(attr string) (list, error) {
	b := make([]byte, 512)
	for {
		size, err := unix.Getxattr(n.fdPath(), attr, b)
		switch {
		case errors.Is(err, unix.ENODATA):
			return nil, nil
		case errors.Is(err, unix.ERANGE):
			b = make([]byte, 4*len(b))
			continue
		case err != nil:
			return nil, n.wrap(err)
		}
		l, err := parse(b[:size])
		if err != nil {
			return nil, n.wrap(err)
		}
		return l, nil
	}
}

func (n *node) writeList(attr string, l list) error {
	return n.wrap(unix.Setxattr(n.fdPath(), attr, l.bytes(), 0))
}

// fdPath names the open file: attributes cannot be set by a descriptor that is open with O_PATH.
func (n *node) fdPath() string { return "/proc/self/fd/" + strconv.Itoa(n.fd) }

func (n *node) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOTSUP):
		return &UnsupportedError{Path: n.path, Err: err}
	default:
		return fmt.Errorf("access control list of %s: %w", n.path, err)
	}
}

// grantUser gives the user what the owner may do, without write if the right is only to read. A reader needs no entry
// on a file that everybody may read.
func (n *node) grantUser(uid uint32, r Right) (bool, error) {
	access, err := n.readList(accessAttr)
	if err != nil {
		return false, err
	}
	if access == nil {
		access = fromMode(n.mode)
	}
	perm := access.perm(tagOwner)
	if n.isFolder {
		perm = permAll
	}
	if !r.Write {
		perm &^= permWrite
		if access.perm(tagOther)&perm == perm && !access.hasNamed() {
			return false, nil
		}
	}
	changed := false
	if now, ok := access.user(uid); !ok || !r.isMetBy(now, perm) {
		if err := n.writeList(accessAttr, access.withUser(uid, perm)); err != nil {
			return false, err
		}
		changed = true
	}
	if !n.isFolder {
		return changed, nil
	}
	defaultChanged, err := n.grantDefault(access, uid, perm, r)
	return changed || defaultChanged, err
}

// isMetBy reports whether an entry that allows now needs no change where the right is perm.
func (r Right) isMetBy(now, perm uint16) bool {
	return now == perm || r.KeepWider && now&perm == perm
}

// grantDefault makes a folder give perm to the user on what is made in it.
func (n *node) grantDefault(access list, uid uint32, perm uint16, r Right) (bool, error) {
	current, err := n.readList(defaultAttr)
	if err != nil {
		return false, err
	}
	if current == nil {
		// Group and others get on new files what they have on the folder, as by the umask that made the folder.
		current = fromMode(uint32(access.perm(tagOwner))<<6 | uint32(access.ownerGroup())<<3 | uint32(access.perm(tagOther)))
	}
	wanted := current
	for _, id := range n.defaultUsers(uid, r.Write) {
		if now, ok := wanted.user(id); !ok || !r.isMetBy(now, perm) {
			wanted = wanted.withUser(id, perm)
		}
	}
	if slices.Equal(wanted, current) {
		return false, nil
	}
	return true, n.writeList(defaultAttr, wanted)
}

// defaultUsers are the users that a folder's default list names.
func (n *node) defaultUsers(uid uint32, write bool) []uint32 {
	if write && n.owner != 0 && n.owner != uid {
		return []uint32{uid, n.owner}
	}
	return []uint32{uid}
}

// revokeUser removes the user's entries. A list without named entries is written and not removed: the kernel then turns
// it into the mode, while removing a list would leave its mask as the group's rights.
func (n *node) revokeUser(uid uint32) (bool, error) {
	changed := false
	access, err := n.readList(accessAttr)
	if err != nil {
		return false, err
	}
	if _, ok := access.user(uid); ok {
		if err := n.writeList(accessAttr, access.withoutUser(uid).withoutUser(n.owner)); err != nil {
			return false, err
		}
		changed = true
	}
	if !n.isFolder {
		return changed, nil
	}
	current, err := n.readList(defaultAttr)
	if err != nil {
		return changed, err
	}
	if _, ok := current.user(uid); !ok {
		return changed, nil
	}
	if rest := current.withoutUser(uid).withoutUser(n.owner); rest.hasNamed() {
		return true, n.writeList(defaultAttr, rest)
	}
	if err := unix.Removexattr(n.fdPath(), defaultAttr); err != nil && !errors.Is(err, unix.ENODATA) {
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

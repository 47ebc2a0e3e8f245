//go:build unix

package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// ownAs gives name in root the owner of root itself. Only root can, and only root needs to.
func ownAs(root *os.Root, name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := root.Lchown(name, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("%s: %w", root.Name(), err)
	}
	return nil
}

// ownFile gives an open file to the agent. Where we are the agent there is nothing to do.
func ownFile(f *os.File, uid, gid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == uid && (int(st.Gid) == gid || os.Geteuid() != 0) {
		return nil
	}
	return f.Chown(uid, gid)
}

// ownPath gives a file or folder in root to the agent.
func ownPath(root *os.Root, name string, uid, gid int) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == uid && (int(st.Gid) == gid || os.Geteuid() != 0) {
		return nil
	}
	return root.Lchown(name, uid, gid)
}

// identity is which file it is, whatever its name. Of a file it is also when it was written: the number of one that is gone
// is given to the next, and two replacements could give the first number back.
func identity(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	id := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	if info.Mode().IsRegular() {
		id += ":" + strconv.FormatInt(info.ModTime().UnixNano(), 10)
	}
	return id
}

//go:build unix

package staging

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// setFileOwner gives an open file to the agent.
func setFileOwner(f *os.File, uid, gid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return setOwner(info, uid, gid, f.Chown)
}

// setPathOwner gives a file or folder in root to the agent.
func setPathOwner(root *os.Root, name string, uid, gid int) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	return setOwner(info, uid, gid, func(uid, gid int) error { return root.Lchown(name, uid, gid) })
}

// setOwner changes nothing if the owner is right. A user who is the agent may not be able to set the group, and need
// not.
func setOwner(info fs.FileInfo, uid, gid int, chown func(uid, gid int) error) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) == uid && int(st.Gid) == gid {
		return nil
	}
	err := chown(uid, gid)
	if ok && int(st.Uid) == uid && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

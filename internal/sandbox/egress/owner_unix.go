//go:build !windows

package egress

import (
	"io/fs"
	"syscall"
)

// owner returns the owner of a file, -1 if it is not known.
func owner(info fs.FileInfo) (uid, gid int) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	return int(s.Uid), int(s.Gid)
}

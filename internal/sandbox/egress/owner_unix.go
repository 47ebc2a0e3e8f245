//go:build !windows

package egress

import (
	"io/fs"
	"syscall"
)

// owner is whom a file belongs to, -1 where that is not to be had.
func owner(info fs.FileInfo) (uid, gid int) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	return int(s.Uid), int(s.Gid)
}

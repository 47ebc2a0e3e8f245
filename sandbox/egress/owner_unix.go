//go:build !windows

package egress

import (
	"io/fs"
	"syscall"
)

func owned(info fs.FileInfo, uid, gid int) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == uid && int(s.Gid) == gid
}

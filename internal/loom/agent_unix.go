//go:build unix

package loom

import (
	"io/fs"
	"syscall"
)

// ownerOf is the owner of a file.
func ownerOf(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}

//go:build unix

package host

import (
	"io/fs"
	"syscall"
)

// OwnerOf returns the owner of a file.
func OwnerOf(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}

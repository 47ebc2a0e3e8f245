//go:build unix

package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// fileID identifies a file or folder whatever its name is. For a file the time of its last write is part of it: the
// inode number of a removed file is given to the next one, so two replacements could bring the first number back.
func fileID(info os.FileInfo) string {
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

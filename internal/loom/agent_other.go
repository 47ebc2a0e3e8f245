//go:build !unix

package loom

import "io/fs"

// ownerOf is the owner of a file, which only Unix tells.
func ownerOf(fs.FileInfo) (uid, gid int) { return 0, 0 }

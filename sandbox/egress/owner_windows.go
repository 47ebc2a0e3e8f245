package egress

import "io/fs"

// owned is for the sidecar, which is always Linux.
func owned(fs.FileInfo, int, int) bool { return false }

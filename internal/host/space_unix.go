//go:build linux || darwin

package host

import "syscall"

// FreeSpace returns the bytes left for ordinary users on the file system of dir, 0 if it cannot be seen: a virtual
// machine's folder, or one that needs root.
func (*Host) FreeSpace(dir string) uint64 {
	var s syscall.Statfs_t
	if dir == "" || syscall.Statfs(dir, &s) != nil {
		return 0
	}
	return s.Bavail * uint64(s.Bsize) //nolint:gosec // a block size is positive
}

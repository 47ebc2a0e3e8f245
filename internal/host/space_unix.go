//go:build linux || darwin

package host

import "syscall"

// FreeSpace returns the bytes left for ordinary users on the file system of dir, 0 if it cannot be seen: a virtual
// machine's folder, one that needs root, or one of a remote engine, whose Host is nil.
func (h *Host) FreeSpace(dir string) uint64 {
	var s syscall.Statfs_t
	if h == nil || dir == "" || syscall.Statfs(dir, &s) != nil {
		return 0
	}
	return s.Bavail * uint64(s.Bsize) //nolint:gosec // a block size is positive
}

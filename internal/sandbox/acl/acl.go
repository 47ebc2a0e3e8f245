// Package acl lets one more user read or write files by entries in their POSIX access control lists, and removes these
// entries again.
package acl

import (
	"fmt"
	"os"
)

// Right is what a user may do with a file, or with a folder and everything below it.
type Right struct {
	Path  string
	Write bool // otherwise the user only reads
	// KeepWider leaves an entry that allows more. Otherwise it is reduced.
	KeepWider bool
	// Except lists paths below Path that have a Right of their own.
	Except []string
}

// UnsupportedError is returned for a path whose file system has no access control lists.
type UnsupportedError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: its file system keeps no access control lists: %v", e.Path, e.Err)
}

// NextStep says what the user does next.
func (e *UnsupportedError) NextStep() string {
	return "mount the file system with access control lists, or put the work tree on another"
}

// Unwrap returns the system's error.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// NeedsGrant reports whether a user needs [Grant] for a file: the owner does not.
func NeedsGrant(info os.FileInfo, uid int) bool {
	owner, ok := ownerOf(info)
	return ok && owner != uid
}

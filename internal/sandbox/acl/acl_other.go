//go:build !linux

package acl

import (
	"errors"
	"os"
)

// Grant works only on Linux, where the engine shares the user's own files.
func Grant(rights []Right, _ int) (int, error) {
	if len(rights) == 0 {
		return 0, nil
	}
	return 0, &UnsupportedError{Path: rights[0].Path, Err: errors.ErrUnsupported}
}

// CheckSupport accepts every path: [Grant] is not used here.
func CheckSupport(string) error { return nil }

// Revoke has nothing to remove here.
func Revoke([]Right, int) (int, error) { return 0, nil }

func ownerOf(os.FileInfo) (int, bool) { return 0, false }

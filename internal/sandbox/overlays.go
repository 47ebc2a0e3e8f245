package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// ReadOnlyOverlays returns the paths of the host that are read-only mounts inside a folder that the agent can write.
//
// Such a mount is lost when the host replaces the file or folder: git config, git push -u and git branch -u write a
// new config and rename it. The kernel then removes the mount in the sandbox, and the agent can write the new file.
// Nothing prevents that. So the caller compares [Fingerprint] before each command and while one runs, and recreates
// the sandbox. In a linked work tree this is rare: config is in the common dir, which is read-only as a whole.
func ReadOnlyOverlays(s Spec) ([]string, error) {
	binds, err := s.binds()
	if err != nil {
		return nil, err
	}
	var all []string
	for i, b := range binds {
		if b.source != b.target || !b.readOnly || b.isVolume || b.unhashed {
			continue
		}
		if below := mountBelow(binds, i); below != nil && !below.readOnly && !below.isVolume {
			all = append(all, b.target)
		}
	}
	return all, nil
}

// mountBelow returns the innermost mount that the target of binds[i] lies in, or nil.
func mountBelow(binds []bind, i int) *bind {
	var found *bind
	for j, b := range binds {
		if j == i || b.target == binds[i].target || !paths.Contains(b.target, binds[i].target) {
			continue
		}
		if found == nil || len(found.target) < len(b.target) {
			found = &binds[j]
		}
	}
	return found
}

// Fingerprint changes if one of the paths becomes another file or folder, or if a file is written. The content of
// folders does not count.
func Fingerprint(paths []string) string {
	h := sha256.New()
	for _, p := range paths {
		info, err := os.Lstat(p)
		id := "none"
		if err == nil {
			id = fileID(info)
		}
		fmt.Fprintf(h, "%s\x00%s\x00", p, id)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

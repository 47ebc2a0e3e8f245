package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// Guarded are the paths of the host that are read-only mounts over what the agent can write. Such a mount holds as long as
// the file or folder does: where the host puts another in its place (git config writes a new config and renames it, and so
// do git push -u and git branch -u), the kernel takes the mount away in the sandbox, and the new one is the agent's to write.
// Nothing prevents that. So the caller compares [Stamp] before each command and while one runs, and makes the sandbox anew.
// In a linked work tree it hardly happens: config is in the common dir there, which is read-only as a whole.
func Guarded(s Spec) ([]string, error) {
	binds, err := s.binds()
	if err != nil {
		return nil, err
	}
	var all []string
	for i, b := range binds {
		if b.source != b.target || !b.readOnly || b.isVolume || b.passing {
			continue
		}
		// What lies over a writable mount; others are not the agent's underneath either.
		over := -1
		for j, below := range binds {
			if j != i && below.target != b.target && inside(below.target, b.target) && (over < 0 || len(binds[over].target) < len(below.target)) {
				over = j
			}
		}
		if over >= 0 && !binds[over].readOnly && !binds[over].isVolume {
			all = append(all, b.target)
		}
	}
	return all, nil
}

// Stamp changes when one of the paths becomes another file or folder, or a file is written. What is in a folder does not
// matter.
func Stamp(paths []string) string {
	h := sha256.New()
	for _, p := range paths {
		info, err := os.Lstat(p)
		id := "none"
		if err == nil {
			id = identity(info)
		}
		fmt.Fprintf(h, "%s\x00%s\x00", p, id)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

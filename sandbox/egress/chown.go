package egress

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// chown gives each path with all below it to an owner. A path that has its owner already is left as it is: its own turn
// comes last, so that one which was interrupted begins anew.
func chown(owner string, paths []string) error {
	u, g, ok := strings.Cut(owner, ":")
	uid, err1 := strconv.Atoi(u)
	gid, err2 := strconv.Atoi(g)
	if !ok || err1 != nil || err2 != nil || uid < 0 || gid < 0 {
		return fmt.Errorf("%q is no UID:GID", owner)
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if owned(info, uid, gid) {
			continue
		}
		// Links are given away themselves, and never followed.
		err = filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || name == path {
				return err
			}
			return os.Lchown(name, uid, gid)
		})
		if err != nil {
			return err
		}
		if err := os.Lchown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

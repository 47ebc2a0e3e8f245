package egress

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func ids(owner string) (uid, gid int, err error) {
	u, g, ok := strings.Cut(owner, ":")
	uid, err1 := strconv.Atoi(u)
	gid, err2 := strconv.Atoi(g)
	if !ok || err1 != nil || err2 != nil || uid < 0 || gid < 0 {
		return 0, 0, fmt.Errorf("%q is no UID:GID", owner)
	}
	return uid, gid, nil
}

// theirs gives a home folder to an owner, and makes folders below it where they are missing. The owner may have put links
// there meanwhile: none is followed out of the home folder.
func theirs(owner, dir string, folders []string) error {
	if err := chown(owner, []string{dir}); err != nil {
		return err
	}
	uid, gid, err := ids(owner)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, folder := range folders {
		rel, err := filepath.Rel(dir, folder)
		if err != nil || !filepath.IsLocal(rel) {
			return fmt.Errorf("%s is not below %s", folder, dir)
		}
		at := ""
		for _, name := range strings.Split(rel, string(filepath.Separator)) {
			at = filepath.Join(at, name)
			// A folder of keys is its owner's alone; ssh insists on it.
			err := root.Mkdir(at, 0o700)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			if err == nil {
				err = root.Lchown(at, uid, gid)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// give gives what one user owns in each path and below to an owner, and leaves what is of others.
func give(user, to string, paths []string) error {
	from, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("%q is no UID", user)
	}
	uid, gid, err := ids(to)
	if err != nil {
		return err
	}
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if u, _ := owner(info); u != from {
				return nil
			}
			// Links are given away themselves, and never followed.
			return os.Lchown(name, uid, gid)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chown gives each path with all below it to an owner. A path that has its owner already is left as it is: its own turn
// comes last, so that one which was interrupted begins anew.
func chown(to string, paths []string) error {
	uid, gid, err := ids(to)
	if err != nil {
		return err
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if u, g := owner(info); u == uid && g == gid {
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

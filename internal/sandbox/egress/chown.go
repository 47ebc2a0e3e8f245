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

func parseOwner(owner string) (uid, gid int, err error) {
	u, g, ok := strings.Cut(owner, ":")
	uid, err1 := strconv.Atoi(u)
	gid, err2 := strconv.Atoi(g)
	if !ok || err1 != nil || err2 != nil || uid < 0 || gid < 0 {
		return 0, 0, fmt.Errorf("%q is not UID:GID", owner)
	}
	return uid, gid, nil
}

// prepareHome gives a home folder to an owner, and makes missing folders below it. The owner may have put links
// there: none is followed out of the home folder.
func prepareHome(owner, dir string, folders []string) error {
	if err := chown(owner, []string{dir}); err != nil {
		return err
	}
	uid, gid, err := parseOwner(owner)
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
			// ssh insists that a folder of keys is its owner's alone.
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

// give gives the files of one user in each path and below to another owner. Files of other users stay.
func give(user, to string, paths []string) error {
	from, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("%q is not a UID", user)
	}
	uid, gid, err := parseOwner(to)
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
			// Links are never followed.
			return os.Lchown(name, uid, gid)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chown gives each path and everything below it to an owner. The path itself comes last: if it has the owner already,
// an earlier run was complete, and nothing is done.
func chown(to string, paths []string) error {
	uid, gid, err := parseOwner(to)
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
		// Links are never followed.
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

package egress

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// view makes dir a folder of symbolic links and removes everything else in it. text is a JSON object of names and
// targets. All users may make files in dir, but not replace the links, which belong to root.
func view(dir, text string) error {
	var links map[string]string
	if err := json.Unmarshal([]byte(text), &links); err != nil {
		return fmt.Errorf("links: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	for name, to := range links {
		if name != filepath.Base(name) {
			return fmt.Errorf("%q is not a name", name)
		}
		if err := root.Symlink(to, name); err != nil {
			return err
		}
	}
	return root.Chmod(".", fs.ModeSticky|0o777)
}

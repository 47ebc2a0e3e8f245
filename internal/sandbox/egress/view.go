package egress

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// view makes dir a folder of symbolic links, as the JSON object text says of their names, and takes away what else is in
// it. Everybody may make files there, and replace none that is another's: the links are ours.
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
	was, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range was {
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	for name, to := range links {
		if name != filepath.Base(name) {
			return fmt.Errorf("%q is no name", name)
		}
		if err := root.Symlink(to, name); err != nil {
			return err
		}
	}
	return root.Chmod(".", fs.ModeSticky|0o777)
}

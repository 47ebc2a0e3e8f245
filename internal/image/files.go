package image

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/atomicwriter"
)

// UserFiles are the files of an image that a sandbox replaces by its own.
type UserFiles struct {
	Passwd, Group, GitConfig []byte
}

// Paths of the files in an image.
const (
	passwdFile    = "/etc/passwd"
	groupFile     = "/etc/group"
	gitconfigFile = "/etc/gitconfig"
)

// UserFiles reads the files of an image, once for each image.
func (s *Store) UserFiles(ctx context.Context, id string) (UserFiles, error) {
	path := filepath.Join(s.Cache, "image-files", strings.ReplaceAll(id, ":", "-")+".json")
	files := map[string][]byte{}
	if s.Cache != "" {
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &files) == nil {
			return userFilesOf(files), nil
		}
	}
	files, err := s.Engine.ImageFiles(ctx, id, []string{passwdFile, groupFile, gitconfigFile})
	if err != nil || s.Cache == "" {
		return userFilesOf(files), err
	}
	text, err := json.Marshal(files)
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = atomicwriter.WriteFile(path, text, 0o644)
		}
	}
	if err != nil {
		s.Teller.Debugf("files of image %s: %v", id, err)
	}
	return userFilesOf(files), nil
}

func userFilesOf(files map[string][]byte) UserFiles {
	return UserFiles{Passwd: files[passwdFile], Group: files[groupFile], GitConfig: files[gitconfigFile]}
}

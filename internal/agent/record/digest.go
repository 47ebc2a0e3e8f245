package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// Inputs are all that decides what a sandbox is made from, as far as that is known without planning the loom.
type Inputs struct {
	// HostAccess is what the files may ask of the host: what services mount of the work tree is held in the sandbox.
	HostAccess []string
	Policy     sandbox.Policy
	Images     image.Choice
	Services   egress.Mode
	Mounts     []settings.AgentMount
	// SidecarImage and Version are docker loom's own.
	SidecarImage, Version string
	Project, WorkTree     string
	Confined              *registry.Confined
	GitPointers           string
	// Others are the loom's projects beside Project.
	Others []OtherProject `json:",omitempty"`
	// DevImageID is the image of the loom's dev container.
	DevImageID string
	// SourcesDigest is of the host's files whose copies the sandbox has.
	SourcesDigest string
	// UID and GID own the work tree.
	UID, GID int
}

// OtherProject is what counts of a project that the sandbox is not in, but whose services it reaches.
type OtherProject struct {
	Project    string
	HostAccess []string
	Confined   *registry.Confined
}

// Digest is the same for the same input: a sandbox with the same digest is as wanted.
func (in Inputs) Digest() (string, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	return digest(text), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// SourcesDigest is of the state of files and folders: names, sizes, times.
func SourcesDigest(paths []string) string {
	var b strings.Builder
	for _, root := range paths {
		fmt.Fprintln(&b, root)
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				fmt.Fprintln(&b, path, err)
				return nil
			}
			info, err := os.Stat(path)
			if err != nil {
				fmt.Fprintln(&b, path, err)
				return nil
			}
			if !d.IsDir() {
				fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return digest([]byte(b.String()))
}

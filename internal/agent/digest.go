package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// digestInput is all that decides what a sandbox is made from, as far as that is known without planning the loom.
type digestInput struct {
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
	// DevImageID is the image of the loom's dev container.
	DevImageID string
	// SourcesDigest is of the host's files whose copies the sandbox has.
	SourcesDigest string
	// UID and GID own the work tree.
	UID, GID int
}

// wantedDigest is the same for the same input: a sandbox with the same digest is as wanted.
func wantedDigest(in digestInput) (string, error) {
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

// digestOf is the digest of what is wanted of a loom's sandbox now.
func (a *Agents) digestOf(t *loom.Target, w *wanted, own []engine.Container, state sandboxState) (string, error) {
	k := t.Known
	in := digestInput{
		Policy: w.policy, Images: w.images, Services: w.services, Mounts: w.mounts, Version: a.looms.Version,
		Project: k.Project, WorkTree: k.WorkTree, Confined: k.Confined, GitPointers: state.GitPointers,
		SourcesDigest: sourcesDigest(state.Sources),
	}
	var err error
	if in.SidecarImage, err = a.images().EgressRef(); err != nil {
		return "", err
	}
	root, err := os.Stat(k.WorkTree)
	if err != nil {
		return "", err
	}
	in.UID, in.GID = host.OwnerOf(root)
	if k.Accepted != nil {
		in.HostAccess = k.Accepted.HostAccess
	}
	if dev := loom.DevContainerOf(own); dev != nil {
		in.DevImageID = dev.ImageID
	}
	return wantedDigest(in)
}

// sourcesDigest is of the state of files and folders: names, sizes, times.
func sourcesDigest(paths []string) string {
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

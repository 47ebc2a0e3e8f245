package features

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker-loom/docker-loom/devcontainer"
)

// Feature is one that will be installed.
type Feature struct {
	ID       ID
	Manifest *Manifest
	// Options are the values of its options by the names in the manifest, defaults included.
	Options map[string]string
	// Dir is the folder with its content.
	Dir string
	// Digest tells the content: of an OCI feature its manifest's, of an archive its own, of a folder that of all its
	// files.
	Digest string

	user map[string]string // options that were written
}

// Version is the version that the feature says it has.
func (f *Feature) Version() string { return f.Manifest.Version }

// Metadata is what the feature adds to the metadata label.
func (f *Feature) Metadata() devcontainer.Metadata {
	m := f.Manifest.recorded
	m.ID = f.ID.Written
	return m
}

// Resolve fetches the features of a devcontainer.json and what they depend on, and gives them in the order of their
// installation. Where the lockfile (nil for none) has a feature, exactly that content is taken.
//
// Errors: *IDError, *FetchError, *DigestError and *CycleError; a manifest or option that makes no sense.
func (s *Store) Resolve(ctx context.Context, c *devcontainer.Config, lock *Lockfile) ([]*Feature, error) {
	dir := filepath.Dir(c.Path)
	var asked []request
	for _, f := range c.Features {
		asked = append(asked, request{f.ID, f.Options, dir, c.Workspace})
	}
	var priorities []ID
	for _, written := range c.FeatureOrder {
		id, err := ParseID(written, dir, c.Workspace)
		if err != nil {
			return nil, fmt.Errorf("overrideFeatureInstallOrder: %w", err)
		}
		priorities = append(priorities, id)
	}
	nodes, err := graph(asked, priorities, func(r request) (*Feature, error) {
		f, err := s.feature(ctx, r, lock)
		var fetch *FetchError
		var id *IDError
		if err != nil && !errors.As(err, &fetch) && !errors.As(err, &id) && ctx.Err() == nil {
			err = fmt.Errorf("feature %s: %w", r.id, err)
		}
		return f, err
	})
	if err != nil {
		return nil, err
	}
	return order(nodes)
}

func (s *Store) feature(ctx context.Context, r request, lock *Lockfile) (*Feature, error) {
	id, err := r.parse(r.id)
	if err != nil {
		return nil, err
	}
	f := &Feature{ID: id}
	if id.Source == SourceLocal {
		err = f.local(r.workspace)
	} else {
		var c *kept
		if c, err = s.fetch(ctx, id, lock.digest(r.id)); err == nil {
			f.Dir, f.Digest = c.dir, c.Digest
		}
	}
	if err != nil {
		return nil, err
	}
	if f.Manifest, err = readManifest(f.Dir); err != nil {
		return nil, err
	}
	if f.Options, f.user, err = f.Manifest.values(r.options); err != nil {
		return nil, err
	}
	return f, nil
}

// local reads a folder of the work tree. A link may not lead out of .devcontainer: its target would end up in the
// image.
func (f *Feature) local(workspace string) error {
	if info, err := os.Stat(f.ID.Path); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s", f.ID.Path)
	}
	real, err := filepath.EvalSymlinks(f.ID.Path)
	if err != nil {
		return err
	}
	inside, err := filepath.EvalSymlinks(filepath.Join(workspace, ".devcontainer"))
	if err != nil {
		return err
	}
	// The description is read by way of its links. What it is not, a build does not follow.
	for _, path := range []string{f.ID.Path, filepath.Join(f.ID.Path, ManifestFile)} {
		to, err := filepath.EvalSymlinks(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if rel, err := filepath.Rel(inside, to); err != nil || !filepath.IsLocal(rel) {
			return fmt.Errorf("%s leads out of %s", path, inside)
		}
	}
	f.Dir = real
	f.Digest, err = folderDigest(real)
	return err
}

// folderDigest tells one content of a folder from another: names, modes, bytes.
func folderDigest(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %s %d\n", filepath.ToSlash(rel), info.Mode(), sizeOf(info))
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			fmt.Fprintf(sum, "%q\n", target)
			return err
		case info.Mode().IsRegular():
			return addFile(sum, path)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

func sizeOf(info fs.FileInfo) int64 {
	if info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

func addFile(sum hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	_, err = io.Copy(sum, f)
	return err
}

package engine

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// imageStore is the engine's images.
type imageStore struct{ api client.APIClient }

// Image is an image of the engine, as minimal as its users need it.
type Image struct {
	ID      string
	Tags    []string // name:tag, sorted
	Labels  map[string]string
	Created time.Time
	Size    int64 // bytes
}

// Images lists images. reference is a name, name:tag or pattern as docker images
// takes it, "" for any; labels, where given, must all match, and then only images
// that Compose built are listed.
func (s imageStore) Images(ctx context.Context, reference string, labels map[string]string) ([]Image, error) {
	args := resourceFilter(labels)
	if reference != "" {
		args.Add("reference", reference)
	}
	list, err := s.api.ImageList(ctx, image.ListOptions{Filters: args})
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	out := make([]Image, 0, len(list))
	for _, i := range list {
		one := Image{ID: i.ID, Labels: i.Labels, Created: time.Unix(i.Created, 0), Size: i.Size}
		for _, t := range i.RepoTags {
			if t != "<none>:<none>" {
				one.Tags = append(one.Tags, t)
			}
		}
		slices.Sort(one.Tags)
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Image) int {
		return cmp.Or(slices.Compare(a.Tags, b.Tags), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// RemoveImages takes the tags off, and removes an image with its last tag. A
// missing tag is not an error; an image that a container uses is one. The others are
// still removed.
func (s imageStore) RemoveImages(ctx context.Context, tags []string) error {
	return each(tags, func(tag string) error {
		_, err := s.api.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
		if err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("image %s: %w", tag, err)
		}
		return nil
	})
}

// ErrImageInUse says that an image stays because a container uses it.
var ErrImageInUse = errors.New("a container uses it")

// RemoveUnused takes a name off an image, which goes with its last one, or removes an image by its ID, unless it has
// names. It reports whether there was something to remove, and returns [ErrImageInUse] for what a container uses.
func (s imageStore) RemoveUnused(ctx context.Context, ref string) (removed bool, err error) {
	image, err := s.api.ImageInspect(ctx, ref)
	switch {
	case cerrdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("image %s: %w", ref, err)
	case ref == image.ID && len(image.RepoTags) > 0:
		return false, nil
	}
	err = s.RemoveImages(ctx, []string{ref})
	if cerrdefs.IsConflict(err) {
		return false, fmt.Errorf("image %s: %w", ref, ErrImageInUse)
	}
	return err == nil, err
}

// BuiltFor are the IDs of images that containers of a service have by this name, or had: once the name is another
// image's, the engine lists a container with its image's ID.
func BuiltFor(own []Container, service, name string) []string {
	var ids []string
	for _, c := range own {
		if c.Service == service && (c.Image == name || c.Image == c.ImageID) {
			ids = append(ids, c.ImageID)
		}
	}
	return ids
}

// ImageID is the ID of the image that a reference names on this engine, "" if
// there is none.
func (s imageStore) ImageID(ctx context.Context, ref string) (string, error) {
	image, err := s.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("image %s: %w", ref, err)
	}
	return image.ID, nil
}

// LastTagged is when an image got a name for the last time on this engine, or was made, if that is later.
func (s imageStore) LastTagged(ctx context.Context, i Image) (time.Time, error) {
	info, err := s.api.ImageInspect(ctx, i.ID)
	if err != nil {
		return time.Time{}, fmt.Errorf("image %s: %w", i.ID, err)
	}
	if tagged := info.Metadata.LastTagTime; tagged.After(i.Created) {
		return tagged, nil
	}
	return i.Created, nil
}

// ImageConfig is what an image says about containers made from it.
type ImageConfig struct {
	ID              string
	User            string // "" is root
	Entrypoint, Cmd []string
	Env             []string
	Labels          map[string]string
	Architecture    string
}

// Image returns the configuration of the image that a reference names on this engine; ok is false if there is none.
func (s imageStore) Image(ctx context.Context, ref string) (c ImageConfig, ok bool, err error) {
	image, err := s.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("image %s: %w", ref, err)
	}
	c = ImageConfig{ID: image.ID, Architecture: image.Architecture}
	if i := image.Config; i != nil {
		c.User, c.Entrypoint, c.Cmd, c.Env, c.Labels = i.User, i.Entrypoint, i.Cmd, i.Env, i.Labels
	}
	return c, true, nil
}

// Tag gives an image another name.
func (s imageStore) Tag(ctx context.Context, ref, tag string) error {
	if err := s.api.ImageTag(ctx, ref, tag); err != nil {
		return fmt.Errorf("image %s: %w", ref, err)
	}
	return nil
}

// ImageFiles reads files of an image, without running anything of it. What the image does not have, or what is not
// a file, is missing in the answer.
func (s imageStore) ImageFiles(ctx context.Context, image string, paths []string) (map[string][]byte, error) {
	config := &container.Config{Image: image, Entrypoint: []string{}, Cmd: []string{"never"}}
	made, err := s.api.ContainerCreate(ctx, config, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		return nil, fmt.Errorf("container of image %s: %w", image, err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		var text []byte
		if text, err = s.containerFile(ctx, made.ID, path); err != nil {
			break
		}
		if text != nil {
			files[path] = text
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	removal := container.RemoveOptions{Force: true, RemoveVolumes: true}
	if err := errors.Join(err, s.api.ContainerRemove(ctx, made.ID, removal)); err != nil {
		return nil, fmt.Errorf("files of image %s: %w", image, err)
	}
	return files, nil
}

// containerFile is the content of a regular file, nil if there is none; links are followed.
func (s imageStore) containerFile(ctx context.Context, id, path string) ([]byte, error) {
	for range 5 {
		r, stat, err := s.api.CopyFromContainer(ctx, id, path)
		if cerrdefs.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if stat.Mode&os.ModeSymlink != 0 && stat.LinkTarget != "" && stat.LinkTarget != path {
			r.Close()
			path = stat.LinkTarget
			continue
		}
		t := tar.NewReader(r)
		h, err := t.Next()
		if err != nil || h.Typeflag != tar.TypeReg {
			r.Close()
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(t, 1<<20))
		r.Close()
		if err == nil && text == nil {
			text = []byte{}
		}
		return text, err
	}
	return nil, nil
}

// MadeFrom names the containers of any state and project that were made from an
// image, sorted.
func (s imageStore) MadeFrom(ctx context.Context, id string) ([]string, error) {
	from := filters.NewArgs(filters.Arg("ancestor", id))
	list, err := s.api.ContainerList(ctx, container.ListOptions{All: true, Filters: from})
	if err != nil {
		return nil, fmt.Errorf("containers of image %s: %w", id, err)
	}
	var names []string
	for _, c := range list {
		// An image made from this one counts as its ancestor too, and keeps what it needs of it.
		if c.ImageID == id {
			names = append(names, fromSummary(c).Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

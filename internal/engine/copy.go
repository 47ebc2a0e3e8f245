package engine

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
)

// Mount is a volume in a container, or a folder of the host by its absolute path.
type Mount struct {
	Volume, Target string
	ReadOnly       bool
}

// CreateShelf makes a container that is never started and only holds mounts and
// labels.
func (e *Engine) CreateShelf(
	ctx context.Context, name, image string, labels map[string]string, mounts []Mount,
) (string, error) {
	host := &container.HostConfig{NetworkMode: "none"}
	for _, m := range mounts {
		host.Mounts = append(host.Mounts, mount.Mount{
			Type: mount.TypeVolume, Source: m.Volume, Target: m.Target, ReadOnly: m.ReadOnly,
			VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		})
	}
	config := &container.Config{Image: image, Cmd: []string{"never"}, Labels: labels}
	r, err := e.api.ContainerCreate(ctx, config, host, nil, nil, name)
	if err != nil {
		return "", fmt.Errorf("container %s: %w", name, err)
	}
	return r.ID, nil
}

// Folder is a folder in a container.
type Folder struct{ Container, Path string }

// CopyTree copies a folder into a folder of another container, under its own name, with owners, modes, times and
// links; the folder itself gets the owner and mode of the other too. Sparse files are filled, sockets left out, and
// of extended attributes only capabilities are kept. Neither container need run, but they must be two: the engine
// locks one that it reads. progress gets the bytes copied so far.
func (e *Engine) CopyTree(ctx context.Context, from, into Folder, progress func(bytes int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, _, err := e.api.CopyFromContainer(ctx, from.Container, from.Path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path.Base(from.Path), err)
	}
	defer r.Close()
	// The engine ends the stream in the middle where it cannot go on, and would
	// take half a stream for the whole.
	checked, writer := io.Pipe()
	defer writer.CloseWithError(io.ErrClosedPipe)
	whole := make(chan error, 1)
	go func() {
		err := readTar(checked)
		checked.CloseWithError(err)
		whole <- err
	}()
	counted := &counter{r: io.TeeReader(r, writer), tell: progress, end: func(err error) error {
		writer.CloseWithError(err)
		if !errors.Is(err, io.EOF) {
			return err
		}
		if err := <-whole; err != nil {
			return fmt.Errorf("read: %w", err)
		}
		return io.EOF
	}}
	err = e.api.CopyToContainer(ctx, into.Container, into.Path, counted, container.CopyToContainerOptions{})
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// readTar reads an archive to its end.
func readTar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		if _, err := t.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	// What pads the archive's end.
	_, err := io.Copy(io.Discard, r)
	return err
}

// counter tells how much was read, and decides at the end how it ended.
type counter struct {
	r    io.Reader
	n    int64
	tell func(int64)
	end  func(error) error
	err  error
}

func (c *counter) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if c.n += int64(n); n > 0 {
		c.tell(c.n)
	}
	if err != nil {
		c.err = c.end(err)
	}
	return n, c.err
}

// Writers lists the running containers, of any project, that have one of the
// volumes mounted writable.
func (e *Engine) Writers(ctx context.Context, volumes []string) ([]Container, error) {
	args := filters.NewArgs(filters.Arg("status", "running"))
	for _, v := range volumes {
		args.Add("volume", v)
	}
	list, err := e.api.ContainerList(ctx, container.ListOptions{Filters: args})
	if err != nil {
		return nil, fmt.Errorf("containers with volumes: %w", err)
	}
	var out []Container
	for _, s := range list {
		if slices.ContainsFunc(s.Mounts, func(m container.MountPoint) bool {
			return m.RW && slices.Contains(volumes, m.Name)
		}) {
			out = append(out, fromSummary(s))
		}
	}
	return out, nil
}

// Pause freezes a container's processes.
func (e *Engine) Pause(ctx context.Context, id string) error { return e.api.ContainerPause(ctx, id) }

// Unpause lets a paused container go on. A container that is gone or not paused
// is not an error.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	err := e.api.ContainerUnpause(ctx, id)
	if err == nil || cerrdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not paused") {
		return nil
	}
	return fmt.Errorf("unpause container %s: %w", id, err)
}

// VolumeSizes returns the bytes in volumes, as far as the engine knows them.
func (e *Engine) VolumeSizes(ctx context.Context) (map[string]int64, error) {
	usage, err := e.api.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return nil, fmt.Errorf("sizes of volumes: %w", err)
	}
	sizes := map[string]int64{}
	for _, v := range usage.Volumes {
		if v != nil && v.UsageData != nil && v.UsageData.Size >= 0 {
			sizes[v.Name] = v.UsageData.Size
		}
	}
	return sizes, nil
}

package engine

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/pkg/stdcopy"
)

// Connect joins a container to a network, under its aliases there; it goes on running. One that is attached already is left
// as it is.
func (e *Engine) Connect(ctx context.Context, net, id string, aliases []string) error {
	err := e.api.NetworkConnect(ctx, net, id, &network.EndpointSettings{Aliases: aliases})
	// Engines answer 403, 400 or 500 for one that is attached.
	if err != nil && !strings.Contains(err.Error(), "already exists in network") && !strings.Contains(err.Error(), "already attached to network") {
		return fmt.Errorf("container %.12s to network %s: %w", id, net, err)
	}
	return nil
}

// Attached are the IDs of the containers on a network, of those that run; ok is false where there is no such network.
func (e *Engine) Attached(ctx context.Context, net string) (ids []string, ok bool, err error) {
	n, err := e.api.NetworkInspect(ctx, net, network.InspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("network %s: %w", net, err)
	}
	return slices.Sorted(maps.Keys(n.Containers)), true, nil
}

// Aliases are the names by which a container is found on its networks, each once and sorted: the aliases that it was
// given, without those that are made of its ID.
func (e *Engine) Aliases(ctx context.Context, id string) ([]string, error) {
	c, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("container %.12s: %w", id, err)
	}
	var names []string
	if c.NetworkSettings != nil {
		for _, at := range c.NetworkSettings.Networks {
			for _, alias := range at.Aliases {
				if !strings.HasPrefix(c.ID, alias) {
					names = append(names, alias)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Once is a container that runs one command and is removed.
type Once struct {
	Image string
	Cmd   []string
	Env   []string
	// User is a name or number, "" for the image's.
	User string
	// Network is a network's name, container:ID for that of a container, or none.
	Network string
	Mounts  []Mount
	// CapAdd are the capabilities that it keeps: all others are dropped.
	CapAdd []string
	Labels map[string]string
}

// RunOnce runs it and returns what it wrote and its exit code. It is removed, also where ctx ends before it.
func (e *Engine) RunOnce(ctx context.Context, o Once) (stdout, stderr []byte, code int, err error) {
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(o.Network), CapDrop: []string{"ALL"}, CapAdd: o.CapAdd,
		ReadonlyRootfs: true, SecurityOpt: []string{"no-new-privileges"},
	}
	for _, m := range o.Mounts {
		bind := m.Volume + ":" + m.Target
		if m.ReadOnly {
			bind += ":ro"
		}
		host.Binds = append(host.Binds, bind)
	}
	made, err := e.api.ContainerCreate(ctx, &container.Config{
		Image: o.Image, Entrypoint: []string{}, Cmd: o.Cmd, Env: o.Env, User: o.User, Labels: o.Labels,
		AttachStdout: true, AttachStderr: true,
	}, host, nil, nil, "")
	if err != nil {
		return nil, nil, 0, fmt.Errorf("container of image %s: %w", o.Image, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if gone := e.api.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true}); gone != nil && !cerrdefs.IsNotFound(gone) {
			err = errors.Join(err, fmt.Errorf("container %.12s: %w", made.ID, gone))
		}
	}()
	conn, err := e.api.ContainerAttach(ctx, made.ID, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("container %.12s: %w", made.ID, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	ended, failed := e.api.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	if err := e.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return nil, nil, 0, fmt.Errorf("container %.12s of image %s: %w", made.ID, o.Image, err)
	}
	var out, errs bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &errs, conn.Reader)
	if ctx.Err() != nil {
		return nil, nil, 0, context.Cause(ctx)
	}
	if err != nil {
		return nil, nil, 0, fmt.Errorf("container %.12s of image %s: %w", made.ID, o.Image, err)
	}
	select {
	case end := <-ended:
		return out.Bytes(), errs.Bytes(), int(end.StatusCode), nil
	case err := <-failed:
		return nil, nil, 0, fmt.Errorf("container %.12s of image %s: %w", made.ID, o.Image, err)
	}
}

// Gateways are the addresses that the engine's host has on its networks, sorted.
func (e *Engine) Gateways(ctx context.Context) ([]netip.Addr, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("networks: %w", err)
	}
	var all []netip.Addr
	for _, n := range list {
		for _, c := range n.IPAM.Config {
			if a, err := netip.ParseAddr(c.Gateway); err == nil {
				all = append(all, a)
			} else if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				// The engine's choice is not always told.
				all = append(all, p.Masked().Addr().Next())
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// IsolatedGateway reports whether the engine's bridges can do without an address of the host: Engine 28 (API 1.48) and later.
func (e *Engine) IsolatedGateway() bool {
	return versions.GreaterThanOrEqualTo(e.api.ClientVersion(), "1.48")
}

// RemoveNetwork removes a network; one that is gone is no error.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	if err := e.api.NetworkRemove(ctx, id); err != nil && !cerrdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// Follow gives each line that a container writes to stdout, from the last n on ("all" for every one), until f returns an
// error or the log ends; with follow it goes on until ctx ends.
func (e *Engine) Follow(ctx context.Context, id, tail string, follow bool, f func(line []byte) error) error {
	r, err := e.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, Tail: tail, Follow: follow})
	if err != nil {
		return fmt.Errorf("logs of container %.12s: %w", id, err)
	}
	defer r.Close()
	pr, pw := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(pw, io.Discard, r)
		pw.CloseWithError(err)
	}()
	defer pr.Close()
	lines := bufio.NewScanner(pr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("logs of container %.12s: %w", id, err)
	}
	return nil
}

// SocketPath is the path of a local engine's socket on this host, "" where it is reached in another way.
func (e *Engine) SocketPath() string {
	path, ok := strings.CutPrefix(e.host, "unix://")
	if !ok {
		return ""
	}
	return path
}

// ImageFiles reads files of an image, without running anything of it. A file that the image does not have, or that is none,
// is missing in the answer.
func (e *Engine) ImageFiles(ctx context.Context, image string, paths []string) (map[string][]byte, error) {
	made, err := e.api.ContainerCreate(ctx, &container.Config{Image: image, Entrypoint: []string{}, Cmd: []string{"never"}}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		return nil, fmt.Errorf("container of image %s: %w", image, err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		var text []byte
		if text, err = e.containerFile(ctx, made.ID, path); err != nil {
			break
		}
		if text != nil {
			files[path] = text
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := errors.Join(err, e.api.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})); err != nil {
		return nil, fmt.Errorf("files of image %s: %w", image, err)
	}
	return files, nil
}

// containerFile is the content of a regular file, nil where there is none; links are followed.
func (e *Engine) containerFile(ctx context.Context, id, path string) ([]byte, error) {
	for range 5 {
		r, stat, err := e.api.CopyFromContainer(ctx, id, path)
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

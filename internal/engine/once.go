package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

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
		gone := e.api.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})
		if gone != nil && !cerrdefs.IsNotFound(gone) {
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

package stack

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Blame is what an error of Compose says of the service that made up fail.
type Blame struct {
	// Container or Service is named, the other one is empty.
	Container, Service string
	// What happened, as in "exited with code 1".
	What string
	// NoHealthcheck is set if others wait until it is healthy, and it has no healthcheck.
	NoHealthcheck bool
}

var (
	blamedContainer = regexp.MustCompile(`container (\S+) (exited \((-?\d+)\)|is unhealthy|has no healthcheck configured)`)
	blamedService   = regexp.MustCompile(`service "([^"]+)" didn't complete successfully: exit (-?\d+)`)
)

// BlameOf reads what an error says of a dependency that failed: Compose has no type for it. It is false for other
// errors.
func BlameOf(err error) (Blame, bool) {
	if m := blamedContainer.FindStringSubmatch(err.Error()); m != nil {
		b := Blame{Container: m[1], What: m[2], NoHealthcheck: strings.HasPrefix(m[2], "has no")}
		if m[3] != "" {
			b.What = "exited with code " + m[3]
		}
		return b, true
	}
	if m := blamedService.FindStringSubmatch(err.Error()); m != nil {
		return Blame{Service: m[1], What: "exited with code " + m[2]}, true
	}
	return Blame{}, false
}

// ImageError says which image an error of the engine is about, which often leaves that out.
type ImageError struct {
	Ref string
	Err error
}

// Error is the engine's.
func (e *ImageError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (e *ImageError) NextStep() string { return "docker pull " + e.Ref + " tries it alone" }

// Unwrap gives the engine's error.
func (e *ImageError) Unwrap() error { return e.Err }

// baseImage finds the image that a Dockerfile begins with in the builder's error.
var baseImage = regexp.MustCompile(`failed to solve: [^\n]*failed to resolve source metadata for (\S+?): ([^\n]*)`)

// ImageErrorOf returns the image that could neither be found nor pulled, nil if the error is about another thing. Built
// is set if a Dockerfile names it.
func ImageErrorOf(err error) (e *ImageError, built bool) {
	if errors.As(err, &e) {
		return e, false
	}
	if m := baseImage.FindStringSubmatch(err.Error()); m != nil {
		return &ImageError{m[1], errors.New(m[2])}, true
	}
	return nil, false
}

// ImagePull pulls an image for Compose.
func (c unhashedClient) ImagePull(ctx context.Context, ref string, o image.PullOptions) (io.ReadCloser, error) {
	r, err := c.APIClient.ImagePull(ctx, ref, o)
	if err != nil {
		err = &ImageError{ref, err}
	}
	return r, err
}

// ContainerCreate creates a container for Compose.
func (c unhashedClient) ContainerCreate(
	ctx context.Context, config *container.Config, host *container.HostConfig, networks *network.NetworkingConfig,
	platform *ocispec.Platform, name string,
) (container.CreateResponse, error) {
	r, err := c.APIClient.ContainerCreate(ctx, config, host, networks, platform, name)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such image") {
		err = &ImageError{config.Image, err}
	}
	return r, err
}

// ContainerKill kills a container for Compose. That it has ended meanwhile, or is gone, is what was wanted.
func (c unhashedClient) ContainerKill(ctx context.Context, id, signal string) error {
	err := c.APIClient.ContainerKill(ctx, id, signal)
	if signal == "" && (cerrdefs.IsConflict(err) || cerrdefs.IsNotFound(err)) {
		return nil
	}
	return err
}

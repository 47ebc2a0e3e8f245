package engine

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
)

// ImageID is the ID of the image that a reference names on this engine, "" where
// there is none.
func (e *Engine) ImageID(ctx context.Context, ref string) (string, error) {
	image, err := e.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("image %s: %w", ref, err)
	}
	return image.ID, nil
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

// Image tells about the image that a reference names on this engine; ok is false where there is none.
func (e *Engine) Image(ctx context.Context, ref string) (c ImageConfig, ok bool, err error) {
	image, err := e.api.ImageInspect(ctx, ref)
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
func (e *Engine) Tag(ctx context.Context, ref, tag string) error {
	if err := e.api.ImageTag(ctx, ref, tag); err != nil {
		return fmt.Errorf("image %s: %w", ref, err)
	}
	return nil
}

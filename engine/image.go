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

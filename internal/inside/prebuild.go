package inside

import (
	"context"
	"fmt"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Push says whether an image is sent to its registry.
type Push bool

// Prebuild builds the dev container's image with its features and its metadata under a tag of the user's, so that a
// devcontainer.json can name it and start without a build; push sends it to its registry.
func (l *Builds) Prebuild(ctx context.Context, t *loom.Target, tag string, push Push) (*Images, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return nil, err
	}
	p, f, err := l.Looms.PlanPermitted(ctx, t, loom.PlanRequest{PrepareImages: true})
	if err != nil {
		return nil, err
	}
	dev := f.Dev
	if dev == nil {
		return nil, &loom.NoDevContainerError{Loom: t.Name()}
	}
	if err := l.Looms.Images().Build(ctx, apply.FeaturesRecipe(p, p.FeaturesStep(dev, tag)), image.Options{}); err != nil {
		return nil, err
	}
	if push {
		if err := l.Looms.Stack.Push(ctx, tag); err != nil {
			return nil, fmt.Errorf("image %s: %w", tag, err)
		}
	}
	return &Images{Loom: t.ID, Project: p.Entry.Project, Images: []stack.Built{{Service: dev.Service, Image: tag}}}, nil
}

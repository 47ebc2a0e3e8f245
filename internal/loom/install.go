package loom

import (
	"context"
	"fmt"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Push says whether an image is sent to its registry.
type Push bool

// Prebuild builds the dev container's image with its features and its metadata under a tag of the user's, so that a
// devcontainer.json can name it and start without a build; push sends it to its registry.
func (l *Looms) Prebuild(ctx context.Context, t *Target, tag string, push Push) (*Images, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	d, err := l.prepared(ctx, t, Options{})
	if err != nil {
		return nil, err
	}
	if err := l.refuse(d); err != nil {
		return nil, err
	}
	dev := d.facts.Dev
	if dev == nil {
		return nil, &NoDevContainerError{t.Name()}
	}
	recipe := apply.FeaturesRecipe(d.Plan, d.FeaturesStep(dev, tag))
	if err := l.Images().Build(ctx, recipe, image.Options{}); err != nil {
		return nil, err
	}
	if push {
		if err := l.Stack.Push(ctx, tag); err != nil {
			return nil, fmt.Errorf("image %s: %w", tag, err)
		}
	}
	return &Images{Loom: t.ID, Project: d.Entry.Project, Images: []stack.Built{{Service: dev.Service, Image: tag}}}, nil
}

// prepared reads the facts of a loom, plans it and makes the images that its plan depends on. Nothing is promised or
// written for it, and nothing that was not accepted is built.
func (l *Looms) prepared(ctx context.Context, t *Target, o Options) (*draft, error) {
	d, err := l.begin(ctx, t, o)
	if err != nil {
		return nil, err
	}
	if err := l.ensureSidecarImage(ctx, d); err != nil {
		return nil, err
	}
	if err := l.readProject(ctx, d); err != nil {
		return nil, err
	}
	if err := l.prepare(ctx, d); err != nil {
		return nil, err
	}
	if err := l.decide(ctx, d); err != nil {
		return nil, err
	}
	permit := func(_ context.Context, d *draft) error { return l.refuse(d) }
	if err := permit(ctx, d); err != nil {
		return nil, err
	}
	return d, l.makeImages(ctx, d, permit)
}

// removeFeatures removes the repository's images with features that no container uses any more.
func (l *Looms) removeFeatures(ctx context.Context, repository string) {
	images, err := l.Engine.Images(ctx, survey.FeaturesImage(repository), nil)
	if err != nil {
		l.Teller.Debugf("images with features: %v", err)
		return
	}
	for _, i := range images {
		if err := l.Engine.RemoveImages(ctx, i.Tags); err != nil {
			l.Teller.Debugf("another loom uses it: %v", err)
		}
	}
}

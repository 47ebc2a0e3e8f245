package loom

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// FeatureError says that a feature's install.sh failed. The builder has shown its last lines.
type FeatureError struct {
	Loom, Feature string
	Err           error
}

// Error names the feature, and what the builder says of how it ended.
func (e *FeatureError) Error() string {
	return "feature " + e.Feature + ": " + features.InstallFile + " " + image.HowItEnded(e.Err)
}

// NextStep says what the user does next.
func (e *FeatureError) NextStep() string {
	return "docker loom --progress plain up " + e.Loom + " shows all that it printed"
}

// Unwrap gives the builder's error.
func (e *FeatureError) Unwrap() error { return e.Err }

// blame finds the feature that made a build fail, in the command that the builder's error quotes.
func blame(err error, id string, list []*features.Feature) error {
	for _, f := range list {
		if strings.Contains(err.Error(), features.Command(f)) {
			return &FeatureError{Loom: id, Feature: f.ID.Written, Err: err}
		}
	}
	return fmt.Errorf("features of the dev container: %w", err)
}

// FeaturesRecipe is what it takes to build an image with features, or with no more than its metadata, under a tag.
func FeaturesRecipe(f *survey.Facts, b *features.Build, tag string) image.Recipe {
	return image.Recipe{
		// Not under the loom's own project, or its down would take the image away from other looms.
		Tag: tag, Project: survey.FeaturesImage(f.Target.Repository), Service: f.Dev.Service, Platform: f.Dev.Platform,
		Dockerfile: b.Dockerfile(), WriteContext: b.WriteContext, Args: map[string]string{"BASE_IMAGE": f.Dev.Base.Ref},
		Environment: f.Base.Project.Environment,
		Explain:     func(err error) error { return blame(err, f.Target.ID, b.Features) },
	}
}

// Push says whether an image is sent to its registry.
type Push bool

// Prebuild builds the dev container's image with its features and its metadata under a tag of the user's, so that a
// devcontainer.json can name it and start without a build; push sends it to its registry.
func (l *Looms) Prebuild(ctx context.Context, t *Target, tag string, push Push) (*Images, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	d, err := l.planner().prepared(ctx, t, Options{})
	if err != nil {
		return nil, err
	}
	if err := l.permission().refuse(d); err != nil {
		return nil, err
	}
	dev := d.facts.Dev
	if dev == nil {
		return nil, &NoDevContainerError{t.Name()}
	}
	b := dev.Build(d.Dev.Compiled)
	if err := l.Images().Build(ctx, FeaturesRecipe(d.facts, b, tag), image.Options{}); err != nil {
		return nil, err
	}
	if push {
		if err := l.Stack.Push(ctx, tag); err != nil {
			return nil, fmt.Errorf("image %s: %w", tag, err)
		}
	}
	return &Images{Loom: t.ID, Project: d.Entry.Project, Images: []stack.Built{{Service: dev.Service, Image: tag}}}, nil
}

// prepared reads the facts of a loom, brings the images here that its plan depends on, and plans it. Nothing is
// promised or written for it.
func (l *planner) prepared(ctx context.Context, t *Target, o Options) (*draft, error) {
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
	return d, l.decide(ctx, d)
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

package loom

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer/features"
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
	return "feature " + e.Feature + ": " + features.InstallFile + " " + howItEnded(e.Err)
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

// installOnce builds the image with features, alone among all processes that want the same one: the others wait and
// find it there. again builds it even if it is there.
func (l *Looms) installOnce(ctx context.Context, d *draft, again bool) error {
	tag := d.facts.Dev.Installed.Ref
	return l.once(ctx, strings.ReplaceAll(tag, ":", "-"), func() error {
		if _, there, err := l.Engine.Image(ctx, tag); err != nil || there && !again {
			return err
		}
		return l.buildFeatures(ctx, d.facts, d.facts.Dev.Install, tag)
	})
}

// buildFeatures builds an image with features, or with no more than its metadata, under a tag.
func (l *Looms) buildFeatures(ctx context.Context, f *survey.Facts, b *features.Build, tag string) error {
	dir, err := os.MkdirTemp("", "docker-loom-features-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.WriteContext(dir); err != nil {
		return err
	}
	dev := f.Dev
	// Not under the loom's own project, or its down would take the image away from other looms.
	one := &types.Project{
		Name: survey.FeaturesImage(f.Target.Repository), WorkingDir: dir, Environment: f.Base.Project.Environment,
		Services: types.Services{dev.Service: {
			Name: dev.Service, Image: tag, Platform: dev.Platform,
			Build: &types.BuildConfig{
				Context: dir, DockerfileInline: b.Dockerfile(), Args: types.MappingWithEquals{"BASE_IMAGE": &dev.Base.Ref},
			},
		}},
	}
	if err := l.Stack.Provide(ctx, one); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return blame(err, f.Target.ID, b.Features)
	}
	return nil
}

// Prebuild builds the dev container's image with its features and its metadata under a tag of the user's, so that a
// devcontainer.json can name it and start without a build; push sends it to its registry.
func (l *Looms) Prebuild(ctx context.Context, t *Target, tag string, push bool) (*Images, error) {
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
	b := dev.Build(d.Dev.Compiled)
	if err := l.buildFeatures(ctx, d.facts, b, tag); err != nil {
		return nil, err
	}
	if push {
		if err := l.Stack.Push(ctx, tag); err != nil {
			return nil, fmt.Errorf("image %s: %w", tag, err)
		}
	}
	return &Images{Loom: t.ID, Project: d.Entry.Project, Images: []stack.Built{{Service: dev.Service, Image: tag}}}, nil
}

// prepared reads the facts of a loom, brings the images here that its plan depends on, and plans it. Nothing is promised
// or written for it.
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

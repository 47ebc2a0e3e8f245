package loom

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/stack"
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

// features resolves what the devcontainer.json asks for. A dry run does without what is not here yet.
func (l *Looms) features(ctx context.Context, p *Plan, d *dev, o Options) error {
	d.features = nil
	if len(d.config.Features) == 0 {
		return nil
	}
	lock, err := features.ReadLock(features.LockPath(d.place.Path))
	if err != nil {
		return err
	}
	list, err := l.FeatureStore.Resolve(ctx, d.config, lock)
	if err != nil && o.looking() && ctx.Err() == nil {
		p.Findings = append(p.Findings, finding.Finding{Level: finding.Info, Subject: "features", Message: "are not known yet, the plan does without them: " + err.Error()})
		return nil
	}
	d.features = list
	return err
}

// install makes sure that the image is there which has the features on top of the dev container's own. Its tag tells its
// content, so that looms with the same configuration share it.
func (l *Looms) install(ctx context.Context, p *Plan, d *dev, o Options, compiled *devcontainer.Compiled) error {
	d.installed = ""
	if len(d.features) == 0 || d.image.ID == "" {
		return nil
	}
	b := d.build(compiled)
	tag := featuresImage(p.Repository) + ":" + b.Hash()
	have, err := l.firstImage(ctx, []string{tag})
	if err != nil {
		return err
	}
	if have.ID == "" && o.looking() {
		p.Findings = append(p.Findings, finding.Finding{Level: finding.Info, Subject: "image " + tag, Message: "is not built yet"})
		return nil
	}
	if have.ID == "" || o.Build && !o.looking() {
		recipe := d.recipe(p, b, tag, compiled.Service.Platform)
		if _, err := l.Images().Ensure(ctx, recipe, image.Options{Rebuild: o.Build}); err != nil {
			return err
		}
		if have, err = l.firstImage(ctx, []string{tag}); err != nil {
			return err
		}
	}
	d.installed, d.withFeatures = tag, have
	return nil
}

// featuresImage is the name of a repository's images with features.
func featuresImage(repository string) string {
	return "iloom-" + sanitise(filepath.Base(repository), 30) + "-" + shortHash(repository) + "-features"
}

// recipe is what it takes to build an image with features, or with no more than its metadata, under a tag.
func (d *dev) recipe(p *Plan, b *features.Build, tag, platform string) image.Recipe {
	return image.Recipe{
		// Not under the loom's own project, or its down would take the image away from other looms.
		Tag: tag, Project: featuresImage(p.Repository), Service: d.service, Platform: platform,
		Dockerfile: b.Dockerfile(), WriteContext: b.WriteContext, Args: map[string]string{"BASE_IMAGE": d.from},
		Environment: p.base.Project.Environment,
		Explain:     func(err error) error { return blame(err, p.ID, b.Features) },
	}
}

// Prebuild builds the dev container's image with its features and its metadata under a tag of the user's, so that a
// devcontainer.json can name it and start without a build; push sends it to its registry.
func (l *Looms) Prebuild(ctx context.Context, t *Target, tag string, push bool) (*Images, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	plan, err := l.Plan(ctx, t, Options{DryRun: true, images: true})
	if err != nil {
		return nil, err
	}
	if err := l.refuse(ctx, plan); err != nil {
		return nil, err
	}
	d := plan.dev
	if d == nil || d.is == nil {
		return nil, &NoDevContainerError{t.Name()}
	}
	b := d.build(d.is)
	recipe := d.recipe(plan, b, tag, d.is.Service.Platform)
	if err := l.Images().Build(ctx, recipe, image.Options{}); err != nil {
		return nil, err
	}
	if push {
		if err := l.Stack.Push(ctx, tag); err != nil {
			return nil, fmt.Errorf("image %s: %w", tag, err)
		}
	}
	return &Images{Loom: t.ID, Project: plan.Entry.Project, Images: []stack.Built{{Service: d.service, Image: tag}}}, nil
}

// build is what it takes to make the image with features, of what was compiled.
func (d *dev) build(compiled *devcontainer.Compiled) *features.Build {
	return &features.Build{
		Features: d.features, BaseID: d.image.ID, BaseUser: d.image.User,
		ContainerUser: compiled.ContainerUser, RemoteUser: compiled.RemoteUser,
		ContainerEnv: d.config.ContainerEnv, Label: compiled.Label,
	}
}

// removeFeatures removes the repository's images with features that no container uses any more.
func (l *Looms) removeFeatures(ctx context.Context, repository string) {
	images, err := l.Engine.Images(ctx, featuresImage(repository), nil)
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

// featureMetadata is what the features add to the metadata of the dev container.
func (d *dev) featureMetadata() (raw, replaced []devcontainer.Metadata, err error) {
	for _, f := range d.features {
		m := f.Metadata()
		raw = append(raw, m)
		r, err := m.Substitute(d.vars)
		if err != nil {
			return nil, nil, fmt.Errorf("feature %s: %w", f.ID.Written, err)
		}
		replaced = append(replaced, r)
	}
	return slices.Clip(raw), replaced, nil
}

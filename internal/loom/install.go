package loom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/stack"
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
		if have, err = l.installOnce(ctx, p, d, b, tag, compiled.Service.Platform, o.Build); err != nil {
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

// installOnce builds the image, alone among all processes that want the same one: the others wait and find it there.
func (l *Looms) installOnce(ctx context.Context, p *Plan, d *dev, b *features.Build, tag, platform string, again bool) (have devcontainer.ImageInfo, err error) {
	err = l.once(ctx, strings.ReplaceAll(tag, ":", "-"), func() error {
		if have, err = l.firstImage(ctx, []string{tag}); err != nil || have.ID != "" && !again {
			return err
		}
		if err := l.buildFeatures(ctx, p, d, b, tag, platform); err != nil {
			return err
		}
		have, err = l.firstImage(ctx, []string{tag})
		return err
	})
	return have, err
}

// buildFeatures builds an image with features, or with no more than its metadata, under a tag.
func (l *Looms) buildFeatures(ctx context.Context, p *Plan, d *dev, b *features.Build, tag, platform string) error {
	dir, err := os.MkdirTemp("", "docker-loom-features-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.WriteContext(dir); err != nil {
		return err
	}
	// Not under the loom's own project, or its down would take the image away from other looms.
	one := &types.Project{Name: featuresImage(p.Repository), WorkingDir: dir, Environment: p.base.Project.Environment, Services: types.Services{
		d.service: {
			Name: d.service, Image: tag, Platform: platform,
			Build: &types.BuildConfig{Context: dir, DockerfileInline: b.Dockerfile(), Args: types.MappingWithEquals{"BASE_IMAGE": &d.from}},
		},
	}}
	if err := l.Stack.Provide(ctx, one); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return blame(err, p.ID, b.Features)
	}
	return nil
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
	if err := l.buildFeatures(ctx, plan, d, b, tag, d.is.Service.Platform); err != nil {
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

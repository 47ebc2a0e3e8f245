package loom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/gofrs/flock"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/finding"
)

// FeatureError says that an image with features could not be built.
type FeatureError struct {
	// IDs are the features, in order; the builder's own output has told which one, and its last lines.
	IDs []string
	Err error
}

// Error is the builder's, which names the feature by its id.
func (e *FeatureError) Error() string { return "features of the dev container: " + e.Err.Error() }

// Unwrap gives the builder's error.
func (e *FeatureError) Unwrap() error { return e.Err }

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
	if err != nil && o.DryRun && ctx.Err() == nil {
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
	b := &features.Build{
		Features: d.features, BaseID: d.image.ID, BaseUser: d.image.User,
		ContainerUser: compiled.ContainerUser, RemoteUser: compiled.RemoteUser,
		ContainerEnv: d.config.ContainerEnv, Label: compiled.Label,
	}
	tag := featuresImage(p.Repository) + ":" + b.Hash()
	have, err := l.firstImage(ctx, []string{tag})
	if err != nil {
		return err
	}
	if have.ID == "" && o.DryRun {
		p.Findings = append(p.Findings, finding.Finding{Level: finding.Info, Subject: "image " + tag, Message: "is not built yet"})
		return nil
	}
	if have.ID == "" || o.Build && !o.DryRun {
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
func (l *Looms) installOnce(ctx context.Context, p *Plan, d *dev, b *features.Build, tag, platform string, again bool) (devcontainer.ImageInfo, error) {
	none := devcontainer.ImageInfo{}
	locks := filepath.Join(l.FeatureStore.Dir, "locks")
	if err := os.MkdirAll(locks, 0o755); err != nil {
		return none, err
	}
	lock := flock.New(filepath.Join(locks, b.Hash()))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return none, err
	}
	defer lock.Close()
	have, err := l.firstImage(ctx, []string{tag})
	if err != nil || have.ID != "" && !again {
		return have, err
	}
	dir, err := os.MkdirTemp("", "docker-loom-features-")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(dir)
	if err := b.WriteContext(dir); err != nil {
		return none, err
	}
	base := d.from
	one := &types.Project{Name: p.base.Project.Name, WorkingDir: dir, Environment: p.base.Project.Environment, Services: types.Services{
		d.service: {
			Name: d.service, Image: tag, Platform: platform,
			Build: &types.BuildConfig{Context: dir, DockerfileInline: b.Dockerfile(), Args: types.MappingWithEquals{"BASE_IMAGE": &base}},
		},
	}}
	if err := l.Stack.Provide(ctx, one); err != nil {
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		e := &FeatureError{Err: err}
		for _, f := range b.Features {
			e.IDs = append(e.IDs, f.ID.Written)
		}
		return none, e
	}
	return l.firstImage(ctx, []string{tag})
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

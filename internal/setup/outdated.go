package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/jsonc"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// FeatureVersions is a feature of the devcontainer.json with the versions that there are of it.
type FeatureVersions struct {
	ID string `json:"id"`
	features.Versions
}

// Outdated asks for each feature that devcontainer.json names which versions there are.
func Outdated(ctx context.Context, l *loom.Looms, where loom.Where, config string) ([]FeatureVersions, error) {
	dev, err := l.DevContainer(ctx, where, config)
	if err != nil {
		return nil, err
	}
	lock, err := features.ReadLock(features.LockPath(dev.Config.Path))
	if err != nil {
		return nil, err
	}
	list := []FeatureVersions{}
	for _, f := range dev.Config.Features {
		id, err := parseFeature(dev.Config, f.ID)
		if err != nil {
			return nil, err
		}
		v, err := l.FeatureStore.Versions(ctx, id, lock.Version(f.ID))
		if err != nil {
			return nil, err
		}
		list = append(list, FeatureVersions{f.ID, v})
	}
	return list, nil
}

func parseFeature(c *devcontainer.Config, id string) (features.ID, error) {
	return features.ParseID(id, filepath.Dir(c.Path), c.Workspace)
}

// Retarget writes another version of a feature into devcontainer.json, and returns the feature's new id. Everything
// else of the file stays as it is written.
func Retarget(ctx context.Context, l *loom.Looms, req FeaturesRequest, version string) (string, error) {
	dev, err := l.DevContainer(ctx, req.Where, req.Config)
	if err != nil {
		return "", err
	}
	c, was := dev.Config, req.Only[0]
	id, err := parseFeature(c, was)
	if err != nil {
		return "", err
	}
	if id.Source != features.SourceOCI {
		return "", &features.IDError{Written: was, Err: errors.New("has no version to choose: it is not from a registry")}
	}
	is := id.WithVersion(version)
	if is == was {
		return is, nil
	}
	text, err := os.ReadFile(c.Path)
	if err != nil {
		return "", err
	}
	changed, err := jsonc.Rename(c.Path, text, []string{"features", was}, is)
	if err != nil || req.DryRun {
		return is, err
	}
	return is, atomicwriter.WriteFile(c.Path, changed, 0o644)
}

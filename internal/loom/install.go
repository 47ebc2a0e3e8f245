package loom

import (
	"fmt"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/image"
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

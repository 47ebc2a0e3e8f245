package apply

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Image makes the image that the plan waits for.
func (a *Applier) Image(ctx context.Context, p *plan.Plan, images *image.Store) error {
	step := p.NextImage
	if step.Features != nil {
		_, err := images.Ensure(ctx, FeaturesRecipe(p, step), image.Options{Rebuild: p.Rebuild, Target: a.Builds})
		return err
	}
	service := step.Service
	if service.Build != nil {
		service.Build = a.Builds.On(*service.Build, "base")
	}
	if err := a.Stack.ProvideService(ctx, p.Project, service); err != nil {
		return fmt.Errorf("image of the dev container: %w", a.Explain(ctx, SubjectOf(p), err))
	}
	return nil
}

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

// blameFeature finds the feature that made a build fail, in the command that the builder's error quotes.
func blameFeature(err error, id string, list []*features.Feature) error {
	for _, f := range list {
		if strings.Contains(err.Error(), features.Command(f)) {
			return &FeatureError{Loom: id, Feature: f.ID.Written, Err: err}
		}
	}
	return fmt.Errorf("features of the dev container: %w", err)
}

// FeaturesRecipe is what it takes to build an image with features, or with no more than its metadata.
func FeaturesRecipe(p *plan.Plan, step *plan.ImageStep) image.Recipe {
	b := step.Features
	return image.Recipe{
		// Not under the loom's own project, or its down would take the image away from other looms.
		Tag: step.Ref, Project: survey.FeaturesImage(p.Repository), Service: p.Dev.Service, Platform: step.Service.Platform,
		IsLocal:    true,
		Dockerfile: b.Dockerfile(), WriteContext: b.WriteContext, Args: map[string]string{"BASE_IMAGE": step.Service.Image},
		Environment: p.Project.Environment,
		Explain:     func(err error) error { return blameFeature(err, p.ID, b.Features) },
	}
}

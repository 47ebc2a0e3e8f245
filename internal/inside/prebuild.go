package inside

import (
	"context"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/stack/buildx"
)

// PrebuildOptions are the choices of Prebuild. Of several platforms an image has one.
type PrebuildOptions struct {
	buildx.Target
	// Tag is the name of the image; Push sends it to its registry.
	Tag  string
	Push bool
}

// PlatformError says that the dev container's image is not built for a platform that was asked for with services.
type PlatformError struct{ Loom, Platform string }

// Error names the platform.
func (e *PlatformError) Error() string {
	return "the dev container's image is built for this machine, not for " + e.Platform
}

// NextStep says what the user does next.
func (e *PlatformError) NextStep() string {
	return "docker loom build " + e.Loom + " --tag NAME --platform " + e.Platform + " builds it under a name of yours"
}

// Prebuild builds the dev container's image with its features and its metadata under a tag of the user's, so that a
// devcontainer.json can name it and start without a build.
func (l *Builds) Prebuild(ctx context.Context, t *loom.Target, o PrebuildOptions) (*Images, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return nil, err
	}
	req := loom.PlanRequest{PrepareImages: true}
	req.Builds, req.Build = o.Target, o.NoCache || o.Pull
	if o.Pull {
		req.Pull = types.PullPolicyAlways
	}
	p, f, err := l.Looms.PlanPermitted(ctx, t, req)
	if err != nil {
		return nil, err
	}
	dev := f.Dev
	if dev == nil {
		return nil, &loom.NoDevContainerError{Loom: t.Name()}
	}
	if base := dev.Base; base.Provided && o.Platform() != "" {
		defer l.forget(ctx, base.Ref)
	}
	recipe := apply.FeaturesRecipe(p, p.FeaturesStep(dev, o.Tag))
	if err := l.Looms.Images().Build(ctx, recipe, image.Options{Target: o.Target}); err != nil {
		return nil, err
	}
	if o.Push {
		if err := l.Looms.Stack.Push(ctx, o.Tag); err != nil {
			return nil, fmt.Errorf("image %s: %w", o.Tag, err)
		}
	}
	return &Images{Loom: t.ID, Project: p.Entry.Project, Images: []stack.Built{{Service: dev.Service, Image: o.Tag}}}, nil
}

// forget takes the name from an image that was built for another platform, on the way to the one that was asked for.
func (l *Builds) forget(ctx context.Context, ref string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := l.Looms.Engine.RemoveImages(ctx, []string{ref}); err != nil {
		l.Looms.Teller.Debugf("image %s: %v", ref, err)
	}
}

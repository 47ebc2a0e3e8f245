package belongings

import (
	"context"
	"errors"
	"slices"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// images are the names of images that were built for the loom, and the IDs of those that lost their name: what up
// noted, and what the containers were made of. A label of an image says nothing, since whoever writes a Dockerfile
// chooses it. For main that is the image of its dev container, which no compose file names: docker compose down leaves
// the others.
func (b *Belongings) images() []string {
	known := b.Target.Known
	images := slices.Clone(known.Images)
	for _, c := range b.Containers {
		name := stack.BuiltImage(known.Project, c.Service)
		if c.Image == name || slices.Contains(known.Images, name) {
			images = append(append(images, name), engine.BuiltFor([]engine.Container{c}, c.Service, name)...)
		}
	}
	if dev := stack.BuiltImage(known.Project, devcontainer.Service); b.Target.ID == identity.Main {
		images = slices.DeleteFunc(images, func(image string) bool { return image != dev })
		if len(images) > 0 {
			images = append(images, dev+"-base")
		}
	}
	return registry.ImagesOf(images)
}

// RemoveImages removes the images that were built for the loom, and returns those that containers use.
func (b *Belongings) RemoveImages(ctx context.Context, e *engine.Engine, s *stack.Stack) (kept []string, err error) {
	images := b.images()
	if len(images) == 0 {
		return nil, nil
	}
	err = s.Progress(ctx, stack.Phase{Title: "Removing"}, func(ctx context.Context, step stack.Step) error {
		for _, image := range images {
			removed, err := e.RemoveUnused(ctx, image)
			switch {
			case errors.Is(err, engine.ErrImageInUse):
				kept = append(kept, image)
			case err != nil:
				return err
			case removed:
				step("Image "+image, "Removed", stack.Done)
			}
		}
		return nil
	})
	return kept, err
}

package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// Companion is what lives beside a loom's services in its project and is in no file, such as agents' sandboxes. Up and
// Down tell it what they do.
type Companion interface {
	// Owns reports whether a container is the companion's.
	Owns(c engine.Container) bool
	// ServicesUp is called after Compose created or started services of the project.
	ServicesUp(ctx context.Context, project string) error
	// ServicesMountMore is called before services mount more of the loom's work tree than before.
	ServicesMountMore(ctx context.Context, k *registry.Loom) error
	// End removes the companion's containers and networks. It is called before those of the loom go, and reads no file of
	// the work tree; own are the loom's containers.
	End(ctx context.Context, t *Target, own []engine.Container) error
	// Ended is called when no container of the loom is left; own are those that there were.
	Ended(t *Target, own []engine.Container)
	// Forget removes what is left of the companion when the loom ends.
	Forget(ctx context.Context, t *Target) error
}

// Companions are what lives beside the services of looms.
type Companions []Companion

// Own reports whether a container is a companion's, and so no service of the loom.
func (cs Companions) Own(c engine.Container) bool {
	return slices.ContainsFunc(cs, func(companion Companion) bool { return companion.Owns(c) })
}

// IsService reports whether a container is neither a companion's, nor the sidecar that services leave through.
func (cs Companions) IsService(c engine.Container) bool {
	return !cs.Own(c) && c.Service != plan.EgressService
}

// tell calls each companion, until one fails.
func (cs Companions) tell(what func(Companion) error) error {
	for _, c := range cs {
		if err := what(c); err != nil {
			return err
		}
	}
	return nil
}

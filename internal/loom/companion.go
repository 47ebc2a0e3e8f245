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
	// ServicesUp is called after Compose created or started services of a loom that has the companion; projects are all
	// of the loom's, the oldest first.
	ServicesUp(ctx context.Context, projects []*registry.Loom) error
	// ServicesMountMore is called before services mount more of the loom's work tree than before.
	ServicesMountMore(ctx context.Context, k *registry.Loom) error
	// End removes the companion's containers and networks. It is called before those of the loom go, and reads no file of
	// the work tree; own are the loom's containers.
	End(ctx context.Context, t *Target, own []engine.Container) error
	// Ended is called when no container of the project is left; own are those that there were.
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

// tellServicesUp tells the companions that services of a project came up, if the loom has any. They are in one project
// of the loom, and reach the services of all.
func (l *upRun) tellServicesUp(ctx context.Context, d *draft) error {
	isOurs := func(c engine.Container) bool {
		return l.Companions.Own(c) && c.Labels[engine.LabelLoom] == d.ID && c.Labels[engine.LabelRepo] == d.Repository
	}
	if !slices.ContainsFunc(d.facts.Engine.Containers, isOurs) {
		return nil
	}
	projects := slices.Clone(d.facts.Target.Projects)
	isEntry := func(k *registry.Loom) bool { return k == d.facts.Target.Known || k.Project == d.Entry.Project }
	if i := slices.IndexFunc(projects, isEntry); i >= 0 {
		projects[i] = &d.Entry
	} else {
		projects = append(projects, &d.Entry)
	}
	return l.Companions.tell(func(c Companion) error { return c.ServicesUp(ctx, projects) })
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

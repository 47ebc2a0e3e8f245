package agent

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// wholeLoom is where a loom is looked for whose sandbox is meant: no project of it has to be chosen.
func wholeLoom(where loom.Where) loom.Where {
	where.WholeLoom = true
	return where
}

// resolve finds the loom whose sandbox is meant.
func (b backend) resolve(ctx context.Context, where loom.Where) (*loom.Target, error) {
	t, err := b.looms.Finder().Resolve(ctx, wholeLoom(where), loom.Reading)
	if err != nil {
		return nil, err
	}
	return b.withLead(ctx, t)
}

// withLead makes the lead of a loom the target's project: the one that the loom's sandboxes are in. It is the oldest,
// unless another has a sandbox already.
func (b backend) withLead(ctx context.Context, t *loom.Target) (*loom.Target, error) {
	if len(t.Projects) == 0 {
		return t, nil
	}
	k, err := b.leadOf(ctx, t)
	if err != nil {
		return nil, err
	}
	lead := t.Of(k)
	lead.Part = false
	return lead, nil
}

func (b backend) leadOf(ctx context.Context, t *loom.Target) (*registry.Loom, error) {
	if len(t.Projects) == 1 {
		return t.Projects[0], nil
	}
	if k := b.recordedLead(t.Projects); k != nil {
		return k, nil
	}
	// What sandboxes are made for may be lost.
	own, err := b.containers(ctx, t.Projects)
	if err != nil {
		return nil, err
	}
	for _, k := range t.Projects {
		if slices.ContainsFunc(inProject(own, k), func(c engine.Container) bool { return sandbox.IsSandbox(c.Labels) }) {
			return k, nil
		}
	}
	return t.Projects[0], nil
}

// recordedLead is the project whose sandboxes this machine remembers, nil if there is none.
func (b backend) recordedLead(projects []*registry.Loom) *registry.Loom {
	for _, k := range projects {
		if host.IsDir(b.records().ProjectDir(k.Project)) {
			return k
		}
	}
	return nil
}

// containers lists the containers of a loom's projects.
func (b backend) containers(ctx context.Context, projects []*registry.Loom) ([]engine.Container, error) {
	var all []engine.Container
	for _, k := range projects {
		own, err := b.looms.Containers(ctx, k)
		if err != nil {
			return nil, err
		}
		for _, c := range own {
			// An adopted container need not be of any Compose project.
			if c.Project == "" {
				c.Project = k.Project
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// inProject leaves the containers of one project.
func inProject(own []engine.Container, k *registry.Loom) []engine.Container {
	return slices.DeleteFunc(slices.Clone(own), func(c engine.Container) bool { return c.Project != k.Project })
}

package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// unlockTrees unlocks the work trees of the repository, once no loom of it has a container that mounts its git folder.
// It must not keep a loom up.
func (l *Looms) unlockTrees(ctx context.Context, t *Target) {
	common, err := worktree.CommonDirOf(t.Repository)
	if err != nil || !worktree.IsKept(common) {
		return
	}
	left, err := l.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{engine.LabelRepo: t.Repository}})
	real := host.RealPath(common)
	mountsIt := func(c engine.Container) bool {
		return slices.ContainsFunc(c.Binds, func(source string) bool { return host.IsBelow(real, host.RealPath(source)) })
	}
	if err == nil && !slices.ContainsFunc(left, mountsIt) {
		err = worktree.Unkeep(common)
	}
	if err != nil {
		l.Teller.Sayf("warning: work trees of %s stay locked: %v", t.Repository, tell.FirstLine(err))
	}
}

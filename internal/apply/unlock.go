package apply

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// UnlockTrees unlocks the work trees of a repository, once no loom of it has a container that mounts its git folder.
// It must not keep a loom up.
func (a *Applier) UnlockTrees(ctx context.Context, repository string) {
	common, err := worktree.CommonDirOf(repository)
	if err != nil || !worktree.IsKept(common) {
		return
	}
	left, err := a.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{engine.LabelRepo: repository}})
	real := host.RealPath(common)
	mountsIt := func(c engine.Container) bool {
		return slices.ContainsFunc(c.Binds, func(source string) bool { return host.IsBelow(real, host.RealPath(source)) })
	}
	if err == nil && !slices.ContainsFunc(left, mountsIt) {
		err = worktree.Unkeep(common)
	}
	if err != nil {
		a.Teller.Sayf("warning: work trees of %s stay locked: %v", repository, tell.FirstLine(err))
	}
}

package inventory

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/tree"
)

// FindMerged lists the looms, of all repositories on this engine, whose work tree docker loom made and whose branch is
// merged into the main branch.
func FindMerged(ctx context.Context, l *loom.Looms) ([]Prunable, error) {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	var list []Prunable
	looms := state.InSpace(space)
	for _, k := range registry.OnePerLoom(looms) {
		if k.ID == identity.Main || !host.IsDir(k.WorkTree) {
			continue
		}
		t := targetOf(l, k, looms)
		why, err := l.Trees().MergedReason(ctx, t)
		if err != nil {
			// One repository that git cannot read must not hide the others.
			l.Teller.Debugf("%s: %v", t.Name(), err)
			continue
		}
		if why != "" {
			list = append(list, Prunable{Target: t, Why: why, Merged: true})
		}
	}
	return list, nil
}

// EndGone ends a loom whose work tree is gone. If the work tree was made for the loom, git forgets it too.
func EndGone(ctx context.Context, l *loom.Looms, t *find.Target) error {
	if err := tree.Forget(ctx, t.Known); err != nil {
		// The loom ends even if git fails.
		l.Teller.Debugf("%s: %v", t.Name(), err)
	}
	_, err := l.Down(ctx, t, loom.DownRequest{Volumes: true, Labelled: true})
	return err
}

package tree

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// MergedReason says why a loom counts as merged, empty if it does not.
func (w *Trees) MergedReason(ctx context.Context, t *find.Target) (why string, err error) {
	tree, err := w.Finder.TreeOf(ctx, t)
	if err != nil || tree == nil || tree.Main || tree.Unfinished || !find.IsID(t.ID, tree.For) || tree.Branch == "" {
		return "", err
	}
	repo, err := find.RepositoryOf(ctx, t)
	if err != nil {
		return "", err
	}
	main, err := w.mainTree(ctx, repo)
	if err != nil || main.settings.Container.KeepAlive {
		return "", err
	}
	branch := main.settings.MainBranch
	if merged, err := repo.Merged(ctx, tree.Branch, branch); err != nil || !merged {
		return "", err
	}
	return "its branch " + tree.Branch + " is merged into " + branch, nil
}

// Forget makes git forget the work tree that was made for a loom and is gone.
func Forget(ctx context.Context, k *registry.Loom) error {
	repo, err := find.RepositoryOf(ctx, &find.Target{Repository: k.Repository})
	if err != nil || repo == nil || !host.IsGone(k.WorkTree) {
		return err
	}
	trees, err := repo.Trees(ctx)
	if err != nil {
		return err
	}
	for _, tree := range trees {
		if tree.Path == k.WorkTree && find.IsID(k.ID, tree.For) {
			return repo.Remove(ctx, tree.Path)
		}
	}
	return nil
}

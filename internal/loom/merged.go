package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Merged lists the looms, of all repositories on this engine, whose work tree docker loom made and whose branch is
// merged into the main branch.
func (l *Looms) Merged(ctx context.Context) ([]Prunable, error) {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	var list []Prunable
	for _, k := range state.Looms {
		if k.Space != space || k.ID == Main || !host.IsDir(k.WorkTree) {
			continue
		}
		t := &Target{ID: k.ID, Repository: k.Repository, WorkTree: k.WorkTree, Known: k.Clone()}
		t.Source = stack.Source{Dir: k.WorkTree, Top: k.WorkTree, Environ: l.Process.Environ}
		why, err := l.mergedReason(ctx, t)
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

// mergedReason says why a loom counts as merged, empty if it does not.
func (l *Looms) mergedReason(ctx context.Context, t *Target) (why string, err error) {
	tree, err := l.treeOf(ctx, t)
	if err != nil || tree == nil || tree.Main || tree.Unfinished || !isID(t.ID, tree.For) || tree.Branch == "" {
		return "", err
	}
	repo, err := repositoryOf(ctx, t)
	if err != nil {
		return "", err
	}
	main, err := l.mainTree(ctx, repo)
	if err != nil || main.settings.Container.KeepAlive {
		return "", err
	}
	branch := main.settings.MainBranch
	if merged, err := repo.Merged(ctx, tree.Branch, branch); err != nil || !merged {
		return "", err
	}
	return "its branch " + tree.Branch + " is merged into " + branch, nil
}

// EndGone ends a loom whose work tree is gone. If the work tree was made for the loom, git forgets it too.
func (l *Looms) EndGone(ctx context.Context, t *Target) error {
	if err := l.forgetTree(ctx, t.Known); err != nil {
		// The loom ends even if git fails.
		l.Teller.Debugf("%s: %v", t.Name(), err)
	}
	_, err := l.Down(ctx, t, DownRequest{Volumes: true})
	return err
}

// forgetTree makes git forget the work tree that was made for a loom and is gone.
func (l *Looms) forgetTree(ctx context.Context, k *registry.Loom) error {
	repo, err := repositoryOf(ctx, &Target{Repository: k.Repository})
	if err != nil || repo == nil || !gone(k.WorkTree) {
		return err
	}
	trees, err := repo.Trees(ctx)
	if err != nil {
		return err
	}
	for _, tree := range trees {
		if tree.Path == k.WorkTree && isID(k.ID, tree.For) {
			return repo.Remove(ctx, tree.Path)
		}
	}
	return nil
}

package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tree"
	"github.com/docker-loom/docker-loom/overrides"
)

// isMadeForMain reports whether there are containers, and docker loom made all of them for main, in this folder and
// from the same files.
func isMadeForMain(t *Target, own []engine.Container) bool {
	for _, c := range own {
		has := func(label, value string) bool { return value != "" && c.Labels[label] == value }
		isMains := has(engine.LabelLoom, Main) && has(engine.LabelRepo, t.Repository) &&
			has(engine.LabelWorkTree, t.WorkTree) && has(stack.LabelWorkingDir, t.Known.Dir)
		if !isMains || c.OneOff || c.Labels[stack.LabelConfigFiles] != own[0].Labels[stack.LabelConfigFiles] {
			return false
		}
	}
	return len(own) > 0
}

// downMadeForMain takes down what docker loom made for main, which the labels of its containers tell.
func (r *downRun) downMadeForMain(ctx context.Context, own []engine.Container) error {
	t := r.target
	project := t.Known.Project
	o := stack.DownOptions{Project: recordedHooks(r.Teller, t, own), Timeout: r.req.Timeout}
	if err := r.Stack.DownFromLabels(ctx, project, o); err != nil {
		return err
	}
	if built := project + "-" + devcontainer.Service; slices.ContainsFunc(own, func(c engine.Container) bool {
		return c.Service == devcontainer.Service && c.Image == built
	}) {
		r.removeBuilt(ctx, built)
	}
	_, err := overrides.Write(tree.Generated(t))
	return err
}

// removeBuilt removes the image of a dev container. No compose file names it, so that docker compose down would never
// find it.
func (r *downRun) removeBuilt(ctx context.Context, image string) {
	if err := r.Engine.RemoveImages(ctx, []string{image, image + "-base"}); err != nil {
		r.Teller.Debugf("%v", err)
	}
}

package loom

import (
	"context"
	"slices"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// isMadeForMain reports whether there are containers, and docker loom made all of them for main, in this folder and
// from the same files.
func isMadeForMain(t *Target, own []engine.Container) bool {
	for _, c := range own {
		is := func(label, value string) bool { return value != "" && c.Labels[label] == value }
		isMains := is(engine.LabelLoom, Main) && is(engine.LabelRepo, t.Repository) &&
			is(engine.LabelWorkTree, t.WorkTree) && is(stack.LabelWorkingDir, t.Known.Dir)
		if !isMains || c.OneOff || c.Labels[stack.LabelConfigFiles] != own[0].Labels[stack.LabelConfigFiles] {
			return false
		}
	}
	return len(own) > 0
}

// downMadeForMain takes down what docker loom made for main, which the labels of its containers tell.
func (l *Looms) downMadeForMain(ctx context.Context, t *Target, own []engine.Container, req DownRequest) error {
	project := t.Known.Project
	o := stack.DownOptions{Project: l.hooks(t, own), Timeout: req.Timeout}
	if err := l.Stack.DownFromLabels(ctx, project, o); err != nil {
		return err
	}
	if built := project + "-" + devcontainer.Service; slices.ContainsFunc(own, func(c engine.Container) bool {
		return c.Service == devcontainer.Service && c.Image == built
	}) {
		l.removeBuilt(ctx, built)
	}
	_, err := overrides.Write(l.generated(t))
	return err
}

// removeBuilt removes the image of a dev container. No compose file names it, so that docker compose down would never
// find it.
func (l *Looms) removeBuilt(ctx context.Context, image string) {
	if err := l.Engine.RemoveImages(ctx, []string{image, image + "-base"}); err != nil {
		l.Teller.Debugf("%v", err)
	}
}

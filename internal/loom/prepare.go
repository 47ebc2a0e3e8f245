package loom

import (
	"cmp"
	"context"
	"fmt"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// ensureSidecarImage makes sure that the image of a confined loom's sidecar is there, and is of this binary.
func (l *planner) ensureSidecarImage(ctx context.Context, d *draft) (err error) {
	if plan.ConfinementOf(d.facts.Target) == nil {
		return nil
	}
	d.choices.SidecarImage, err = l.Images().EnsureEgress(ctx)
	return err
}

// prepare pulls the image that the dev container's own is made from, if its files name one: what it says counts in the
// plan. It builds nothing.
func (l *planner) prepare(ctx context.Context, d *draft) error {
	dev := d.facts.Dev
	if dev == nil {
		return nil
	}
	if dev.FeaturesErr != nil {
		return dev.FeaturesErr
	}
	base := dev.Base.Service
	if base.Build == nil && (dev.Base.Info.ID == "" || d.options.Pull == "always") {
		if err := l.Stack.ProvideService(ctx, d.facts.Base.Project, base); err != nil {
			return fmt.Errorf("image of the dev container: %w", err)
		}
		if err := l.surveyor().DevImages(ctx, d.facts); err != nil {
			return err
		}
	}
	return l.tagBase(ctx, dev)
}

// readPrepared reads the project, and brings the images here that its plan depends on.
func (l *planner) readPrepared(ctx context.Context, d *draft) error {
	if err := l.ensureSidecarImage(ctx, d); err != nil {
		return err
	}
	if err := l.readProject(ctx, d); err != nil || len(l.permits.Refused) > 0 {
		return err
	}
	return l.prepare(ctx, d)
}

// makeImages makes the images that the dev container's own is made from, one after the other. What each says counts in
// the plan: it is made again after each, and permitted again.
func (l *planner) makeImages(ctx context.Context, d *draft, permit func(context.Context, *draft) error) error {
	applier := l.applier()
	applier.Builds = d.options.Builds
	for d.NextImage != nil {
		dev, step := d.facts.Dev, d.NextImage
		if err := applier.Image(ctx, d.Plan, l.Images()); err != nil {
			return err
		}
		if step.Features == nil {
			dev.Base.Provided = true
		} else {
			dev.Installed.Provided = true
		}
		if err := l.surveyor().DevImages(ctx, d.facts); err != nil {
			return err
		}
		if err := l.tagBase(ctx, dev); err != nil {
			return err
		}
		if err := l.startOver(ctx, d); err != nil {
			return err
		}
		if err := permit(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// tagBase gives the image that a step of the plan goes on top of the name under which the step looks for it: nothing
// told of the step when the image was built, or found, under the name of the dev container's own.
func (l *planner) tagBase(ctx context.Context, dev *survey.DevContainer) error {
	if dev.Base.BuiltRef == "" || dev.Base.Info.ID == "" {
		return nil
	}
	id, err := l.Engine.ImageID(ctx, dev.Base.BuiltRef)
	if err != nil || id == dev.Base.Info.ID {
		return nil //nolint:nilerr // the build says what is wrong with the image
	}
	return l.Engine.Tag(ctx, dev.Base.Info.ID, dev.Base.BuiltRef)
}

// devHooks runs the lifecycle hooks that are due in the dev container that runs.
func (l *upRun) devHooks(ctx context.Context, d *draft, own []engine.Container, req UpRequest) error {
	dev := d.facts.Dev
	if dev == nil || req.Hooks.Skip {
		return nil
	}
	for _, c := range own {
		if c.Service != dev.Service || c.OneOff || c.State != "running" {
			continue
		}
		hooks, err := l.hooksOf(d, c, req.Hooks)
		if err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
		hooks.NoWait = req.NoWait
		err = l.DevBox(c.ID).RunHooks(ctx, hooks)
		if err == nil {
			return nil
		}
		if now, gone := l.Engine.Inspect(ctx, c.ID); gone == nil && now.State == "exited" {
			// It ended while it was asked.
			return l.applier().Dead(ctx, c, fmt.Sprintf("exited with code %d", now.ExitCode))
		}
		return err
	}
	return nil
}

// hooksOf are the hooks of the dev container's container.
func (l *upRun) hooksOf(d *draft, c engine.Container, o devbox.HookOptions) (devbox.HookRequest, error) {
	wanted, dir := d.facts.Settings.Container, d.facts.Target.WorkTree
	if o.Dotfiles.Repository == "" {
		o.Dotfiles = devbox.Dotfiles(wanted.Dotfiles)
	}
	hooks := devbox.HookRequest{HookOptions: o, WorkspaceFolder: d.facts.Dev.Workspace.Folder}
	if wanted.GitUser {
		hooks.GitUser = func(ctx context.Context) (name, email string) { return worktree.User(ctx, dir) }
	}
	if d.Plan != nil && d.Dev != nil {
		hooks.Merged, hooks.RemoteUser = d.Dev.Compiled.Merged, d.Dev.Compiled.RemoteUser
		return hooks, nil
	}
	// Another tool made the container.
	var err error
	if hooks.Merged, err = d.facts.Dev.MergeLabel(c.Labels[devcontainer.LabelMetadata]); err != nil {
		return hooks, err
	}
	hooks.RemoteUser = cmp.Or(hooks.Merged.RemoteUser, hooks.Merged.ContainerUser)
	return hooks, nil
}

package loom

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
)

// Stop stops the containers of a loom, the newest project first.
func (l *Looms) Stop(ctx context.Context, t *Target, timeout time.Duration) error {
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	for _, k := range slices.Backward(t.Meant()) {
		if err := l.stopProject(ctx, t.Of(k), timeout); err != nil {
			return err
		}
	}
	return nil
}

func (l *Looms) stopProject(ctx context.Context, t *Target, timeout time.Duration) error {
	own, err := l.Containers(ctx, t.Known)
	if err != nil {
		return err
	}
	if c := keptRunning(own); c != nil {
		run := &stopRun{Looms: l, target: t, own: own, timeout: timeout}
		return run.stopOthers(ctx, c)
	}
	if project := recordedHooks(l.Teller, t, own); project != nil {
		if err := l.Stack.Stop(ctx, t.Known.Project, project, timeout); err != nil {
			return err
		}
	}
	// By name, because from files Compose stops only what their profiles have.
	if err := l.Stack.Stop(ctx, t.Known.Project, nil, timeout); err != nil {
		return err
	}
	return outside(own, t.Known, func(c engine.Container) error { return l.Engine.Stop(ctx, c.ID, timeout) })
}

// keptRunning is the running dev container that devcontainer.json says not to stop, nil if there is none.
func keptRunning(own []engine.Container) *engine.Container {
	for i, c := range own {
		if c.Labels[devcontainer.LabelLocalFolder] == "" || c.OneOff || c.State != "running" {
			continue
		}
		entries, err := devcontainer.ParseMetadata(c.Labels[devcontainer.LabelMetadata])
		action := ""
		for _, e := range entries {
			action = cmp.Or(e.ShutdownAction, action)
		}
		if err == nil && action == "none" {
			return &own[i]
		}
	}
	return nil
}

// stopRun is one stop of a loom with its containers.
type stopRun struct {
	*Looms
	target  *Target
	own     []engine.Container
	timeout time.Duration
}

// stopOthers stops all but a dev container. If the dev container is a service of compose files, all of the project
// keeps running.
func (r *stopRun) stopOthers(ctx context.Context, c *engine.Container) error {
	r.Teller.Sayf("service %s keeps running, as shutdownAction in its devcontainer.json says; docker stop %s stops it",
		c.Service, c.Name)
	if c.Service != devcontainer.Service {
		return nil
	}
	var others []string
	for _, o := range r.own {
		if o.Service != c.Service && o.Project == r.target.Known.Project {
			others = append(others, o.Service)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return r.Stack.StopServices(ctx, r.target.Known.Project, others, r.timeout)
}

// EmptyError says that a loom has no containers.
type EmptyError struct{ ID string }

// Error names the loom.
func (e *EmptyError) Error() string { return "loom " + e.ID + " has no containers" }

// NextStep says what the user does next.
func (e *EmptyError) NextStep() string {
	return "docker loom up " + e.ID + " makes them"
}

// Start starts the stopped containers of a loom, the oldest project first.
func (l *Looms) Start(ctx context.Context, t *Target) error {
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	isEmpty := true
	for _, k := range t.Meant() {
		own, err := l.Containers(ctx, k)
		if err != nil {
			return err
		}
		isEmpty = isEmpty && len(own) == 0
		if err := outside(own, k, func(c engine.Container) error { return l.Engine.Start(ctx, c.ID) }); err != nil {
			return err
		}
		if slices.ContainsFunc(own, func(c engine.Container) bool { return c.Project == k.Project }) {
			if err := l.Stack.Start(ctx, k.Project); err != nil {
				return l.Explain(ctx, apply.Subject{Loom: t.ID, Project: k.Project}, err)
			}
		}
		if err := devbox.RunStartHooks(ctx, l.DevBox, own, l.Teller.Stream()); err != nil {
			return err
		}
	}
	if isEmpty {
		return &EmptyError{t.ID}
	}
	return nil
}

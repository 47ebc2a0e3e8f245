package loom

import (
	"context"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/report"
)

// adopt looks at the dev containers that the folder has already. One of another loom refuses this one. One that another
// tool made (the reference CLI, VS Code) is adopted as it is if the loom had nothing there before, and for main, which
// is what such a tool makes; adopt then does all that is left of up and returns a plan. Otherwise it was made from the
// plain files in place of the loom's, and is removed.
func (l *upRun) adopt(ctx context.Context, d *draft, req UpRequest) (*Plan, *Result, error) {
	t, dev := d.facts.Target, d.facts.Dev
	if dev == nil {
		return nil, nil, nil
	}
	foreign, err := plan.ForeignDevContainers(d.facts)
	if err != nil {
		return nil, nil, err
	}
	if len(foreign) == 0 {
		if t.Known != nil && t.Known.Adopted != nil {
			// It is gone: from here on the loom is as any other.
			t.Known.Adopted = nil
			if t.ID != Main {
				t.Known.Project = ""
			}
		}
		return nil, nil, nil
	}
	ours := t.Known != nil && t.Known.Adopted == nil && t.ID != Main
	if !ours && !req.ForceRecreate {
		if plan.ConfinementOf(t) != nil {
			return nil, nil, &plan.OpenDevContainerError{Loom: t.Name(), Container: foreign[0].Name}
		}
		if req.DryRun {
			t.Notes = append(t.Notes, adopting(foreign[0]))
			return nil, nil, nil
		}
		return l.takeOver(ctx, d, foreign[0], req)
	}
	if req.DryRun {
		return nil, nil, nil
	}
	return nil, nil, l.removeForeign(ctx, t, foreign)
}

func adopting(c engine.Container) string {
	return "container " + c.Name + " was made by another tool and is used as it is; --force-recreate recreates it"
}

// removeForeign removes what another tool made in place of the loom's dev container. What is in the loom's own project
// is left to Compose, which sees that it is not as planned.
func (l *upRun) removeForeign(ctx context.Context, t *Target, foreign []engine.Container) error {
	for _, c := range foreign {
		l.Teller.Sayf("container %s was made by another tool from the plain files, "+
			"without this loom's ports and volumes: recreated", c.Name)
		if t.Known != nil && c.Project == t.Known.Project {
			continue
		}
		if err := l.Engine.RemoveContainers(ctx, []string{c.ID}); err != nil {
			return err
		}
	}
	return nil
}

// takeOver makes a container that another tool made the loom's, and starts it and what belongs to it.
func (l *upRun) takeOver(ctx context.Context, d *draft, c engine.Container, req UpRequest) (*Plan, *Result, error) {
	t := d.facts.Target
	k, err := plan.AdoptedEntry(d.facts, c, req.Config)
	if err != nil {
		return nil, nil, err
	}
	if k.Created.IsZero() {
		k.Created = time.Now().UTC().Truncate(time.Millisecond)
	}
	if err := l.Registry.Update(ctx, func(state *registry.State) error { state.Put(*k); return nil }); err != nil {
		return nil, nil, err
	}
	t.Known = k.Clone()
	p := entryPlan(t)
	for _, note := range append(t.Notes, adopting(c)) {
		l.Teller.Sayf("%s", note)
	}
	filesOnly := req.CreateOnly || req.FilesOnly
	if !filesOnly {
		if err := l.startAll(ctx, k); err != nil {
			return p, nil, l.unfinished(ctx, p, err)
		}
	}
	own, err := l.Containers(ctx, k)
	if err != nil {
		return p, nil, err
	}
	if !filesOnly {
		if err := l.devHooks(ctx, d, own, req); err != nil {
			return p, nil, l.unfinished(ctx, p, err)
		}
	}
	return p, &Result{
		Loom: t.ID, Project: k.Project, WorkTree: t.WorkTree, Services: report.ListServices(own),
		Ports:    report.PublishedPorts(l.Engine, t.ID, own),
		Findings: []finding.Finding{},
	}, nil
}

// startAll starts what there is of a loom and does not run.
func (l *upRun) startAll(ctx context.Context, k *registry.Loom) error {
	own, err := l.Containers(ctx, k)
	if err != nil {
		return err
	}
	stopped := func(c engine.Container) bool { return !c.OneOff && c.State != "running" }
	err = outside(own, k, func(c engine.Container) error {
		if !stopped(c) {
			return nil
		}
		return l.Engine.Start(ctx, c.ID)
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(own, func(c engine.Container) bool { return c.Project == k.Project && stopped(c) }) {
		err = l.Stack.Start(ctx, k.Project)
		return l.Explain(ctx, apply.Subject{Loom: k.ID, Project: k.Project}, err)
	}
	return nil
}

// Containers lists what a loom has: the containers of its project, and an adopted one, which need not be of any.
func (l *Looms) Containers(ctx context.Context, k *registry.Loom) ([]engine.Container, error) {
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: k.Project})
	if err != nil || k.Adopted == nil {
		return own, err
	}
	adopted, err := l.Engine.Labelled(ctx, k.Adopted)
	if err != nil {
		return nil, err
	}
	for _, c := range adopted {
		listed := slices.ContainsFunc(own, func(o engine.Container) bool { return o.ID == c.ID })
		if listed || c.Labels[engine.LabelLoom] != "" {
			continue
		}
		if c.Service == "" {
			c.Service = devcontainer.Service
		}
		own = append(own, c)
	}
	return own, nil
}

// outside does f for the containers that are not of the loom's project: what Compose does not reach.
func outside(own []engine.Container, k *registry.Loom, f func(engine.Container) error) error {
	for _, c := range own {
		if c.Project != k.Project {
			if err := f(c); err != nil {
				return err
			}
		}
	}
	return nil
}

package agent

import (
	"context"
	"strings"

	"github.com/docker-loom/docker-loom/internal/agent/reach"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Access lists what an agent could read, write and reach, without doing anything.
func (a *Agents) Access(ctx context.Context, req *Request) (*sandbox.AccessList, error) {
	if err := a.checkEngine(ctx); err != nil {
		return nil, err
	}
	t, err := a.resolve(ctx, req.Where)
	if err != nil {
		return nil, err
	}
	w, err := a.wantedOf(t, req)
	if err != nil {
		return nil, err
	}
	a.tellFindings(w.Findings)
	if host.IsGone(t.Known.WorkTree) {
		return nil, &GoneError{Loom: t.ID, WorkTree: t.Known.WorkTree}
	}
	own, err := a.containers(ctx, t.Projects)
	if err != nil {
		return nil, err
	}
	// The services are looked at as the agent would have them.
	confined, err := a.confinementOf(ctx, t, w, own)
	if err != nil {
		return nil, err
	}
	for _, k := range t.Projects {
		k.Confined = confined
	}
	plans, err := a.plansOf(ctx, t, own, loom.Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	d := &draft{backend: a.backend, target: t, plans: plans, wanted: w, lookOnly: true}
	if err := d.specify(ctx); err != nil {
		return nil, err
	}
	if err := d.stageForLook(ctx); err != nil {
		return nil, err
	}
	env, err := a.commandVariables(w, req)
	if err != nil {
		return nil, err
	}
	var variables []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		variables = append(variables, name)
	}
	access, err := sandbox.Access(d.spec, d.servicesReached(), variables)
	return &access, err
}

// plansOf plans each project of a loom that can come up.
func (a *Agents) plansOf(
	ctx context.Context, t *loom.Target, own []engine.Container, o loom.Options,
) ([]*loom.Plan, error) {
	var plans []*loom.Plan
	for _, k := range t.Projects {
		if ok, err := canComeUp(t, k, own); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		plan, err := a.looms.Plan(ctx, t.Of(k), o)
		if err != nil {
			return nil, ofProject(t, k, err)
		}
		plans = append(plans, plan)
	}
	return plans, nil
}

// servicesReached says what the agent reaches by way of each service of the loom, and by which names.
func (d *draft) servicesReached() []sandbox.ServiceAccess {
	names, list := d.serviceNames(), []sandbox.ServiceAccess{}
	for _, p := range d.plans {
		for _, s := range reach.ByServices(p) {
			if len(d.plans) > 1 {
				s.Folder = p.Entry.Folder()
				s.Names = names.reachedBy(p.Entry.Project, s.Name)
			}
			list = append(list, s)
		}
	}
	return list
}

package agent

import (
	"context"
	"strings"

	"github.com/docker-loom/docker-loom/internal/agent/reach"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Access lists what an agent could read, write and reach, without doing anything.
func (a *Agents) Access(ctx context.Context, req *Request) (*sandbox.AccessList, error) {
	if err := a.checkEngine(ctx); err != nil {
		return nil, err
	}
	t, err := a.looms.Finder().Resolve(ctx, req.Where, loom.Reading)
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
	own, err := a.looms.Containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	// The services are looked at as the agent would have them.
	if t.Known.Confined, err = a.confinementOf(ctx, t, w, own); err != nil {
		return nil, err
	}
	plan, err := a.looms.Plan(ctx, t, loom.Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	d := &draft{backend: a.backend, target: t, plan: plan, wanted: w, lookOnly: true}
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
	access, err := sandbox.Access(d.spec, reach.ByServices(plan), variables)
	return &access, err
}

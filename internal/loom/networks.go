package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// leaseNetworks leases subnets for networks beside those of the loom's project, for its life. looking promises nothing:
// the target then has what it would get.
func (l *Looms) leaseNetworks(ctx context.Context, t *Target, networks []overrides.Network, looking bool) error {
	if plan.Complete(*t.Known, nil, networks) {
		return nil
	}
	d, err := l.begin(ctx, &Target{ID: t.ID, Repository: t.Repository, WorkTree: t.Repository}, Options{})
	if err != nil {
		return err
	}
	if err := l.surveyor().Complete(ctx, d.facts, survey.Needs{Bindings: true, Networks: true}); err != nil {
		return err
	}
	decide := func(state *registry.State) error {
		e := state.Find(t.Repository, t.ID)
		if e == nil {
			return &UnknownError{t.Name()}
		}
		d.facts.State = state
		if e.Subnets, err = plan.Subnets(d.facts, e, networks); err != nil {
			return err
		}
		t.Known = e.Clone()
		return nil
	}
	if looking {
		state, err := l.Registry.Read(ctx)
		if err != nil {
			return err
		}
		return decide(state)
	}
	return l.Registry.Update(ctx, decide)
}

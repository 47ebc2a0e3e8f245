package loom

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/plan/occupied"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// LeaseNetworks leases a /24 for each network of a companion, for the loom's life as those of its services, and returns
// them in the order of their keys. A dry run leases nothing.
func (l *Looms) LeaseNetworks(ctx context.Context, t *Target, keys []string, o Options) ([]netip.Prefix, error) {
	var networks []overrides.Network
	for _, key := range keys {
		networks = append(networks, overrides.Network{Key: key, Pools: []overrides.Pool{{Bits: 24}}})
	}
	if !plan.Complete(*t.Known, nil, networks) {
		if err := l.planner().leaseMissing(ctx, t, networks, o); err != nil {
			return nil, err
		}
	}
	leased := registry.Prefixes(t.Known.Subnets)
	var list []netip.Prefix
	for _, key := range keys {
		if len(leased[key]) == 0 {
			return nil, fmt.Errorf("network %s: no subnet", key)
		}
		list = append(list, leased[key][0])
	}
	return list, nil
}

func (l *planner) leaseMissing(ctx context.Context, t *Target, networks []overrides.Network, o Options) error {
	d, err := l.begin(ctx, &Target{ID: t.ID, Repository: t.Repository, WorkTree: t.Repository}, Options{})
	if err != nil {
		return err
	}
	if err := l.surveyor().Complete(ctx, d.facts, survey.Needs{Bindings: true, Networks: true}); err != nil {
		return err
	}
	decide := func(state *registry.State) error {
		e := state.ProjectOf(t.Known)
		if e == nil {
			return &UnknownError{Name: t.Name(), ID: t.ID}
		}
		d.facts.State = state
		if e.Subnets, err = occupied.Subnets(d.facts, e, networks); err != nil {
			return err
		}
		t.Known = e.Clone()
		return nil
	}
	if !o.DryRun {
		return l.Registry.Update(ctx, decide)
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return err
	}
	return decide(state)
}

package loom

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/overrides"
)

// LeaseNetworks leases a /24 for each network of a companion, for the loom's life as those of its services, and returns
// them in the order of their keys. A dry run leases nothing.
func (l *Looms) LeaseNetworks(ctx context.Context, t *Target, keys []string, o Options) ([]netip.Prefix, error) {
	var networks []overrides.Network
	for _, key := range keys {
		networks = append(networks, overrides.Network{Key: key, Pools: []overrides.Pool{{Bits: 24}}})
	}
	if !complete(*t.Known, nil, networks) {
		if err := l.leaseMissing(ctx, t, networks, o); err != nil {
			return nil, err
		}
	}
	leased := prefixes(t.Known.Subnets)
	var list []netip.Prefix
	for _, key := range keys {
		if len(leased[key]) == 0 {
			return nil, fmt.Errorf("network %s: no subnet", key)
		}
		list = append(list, leased[key][0])
	}
	return list, nil
}

func (l *Looms) leaseMissing(ctx context.Context, t *Target, networks []overrides.Network, o Options) error {
	world, err := l.world(ctx, t.Known.Project)
	if err != nil {
		return err
	}
	set, err := settings.Read(settings.Sources{User: l.UserSettings, WorkTree: t.Repository})
	if err != nil {
		return err
	}
	decide := func(state *registry.State) error {
		e := state.Find(t.Repository, t.ID)
		if e == nil {
			return &UnknownError{t.Name()}
		}
		if err := subnets(e, networks, set.Container.AddressPool, world, state); err != nil {
			return err
		}
		t.Known = copyOf(e)
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

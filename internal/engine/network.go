package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// networkStore is the engine's networks.
type networkStore struct{ api client.APIClient }

// Network is a network of the engine.
type Network struct {
	ID       string
	Name     string // not unique on an engine
	Driver   string
	Labels   map[string]string
	Subnets  []netip.Prefix // none for host, none and swarm networks not in use here
	Internal bool
}

// Networks lists networks by name. Without labels these are all of the engine,
// with labels those of Compose projects that carry them all; an empty value asks
// only for the label.
func (s networkStore) Networks(ctx context.Context, labels map[string]string) ([]Network, error) {
	list, err := s.api.NetworkList(ctx, network.ListOptions{Filters: resourceFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("networks: %w", err)
	}
	out := make([]Network, 0, len(list))
	for _, n := range list {
		one := Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Labels: n.Labels, Internal: n.Internal}
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				one.Subnets = append(one.Subnets, p.Masked())
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Network) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// Connect joins a container to a network, under its aliases there; it goes on running. A container that is attached
// already is left as it is.
func (s networkStore) Connect(ctx context.Context, net, id string, aliases []string) error {
	err := s.api.NetworkConnect(ctx, net, id, &network.EndpointSettings{Aliases: aliases})
	// Engines answer 403, 400 or 500 for an attached container.
	if err != nil && !strings.Contains(err.Error(), "already exists in network") &&
		!strings.Contains(err.Error(), "already attached to network") {
		return fmt.Errorf("container %.12s to network %s: %w", id, net, err)
	}
	return nil
}

// Attached are the IDs of the containers on a network, of those that run; ok is false if there is no such network.
func (s networkStore) Attached(ctx context.Context, net string) (ids []string, ok bool, err error) {
	n, err := s.api.NetworkInspect(ctx, net, network.InspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("network %s: %w", net, err)
	}
	return slices.Sorted(maps.Keys(n.Containers)), true, nil
}

// Detach takes containers off a network, also those that do not answer. A missing network or container is not an
// error, nor is a container that is not attached.
func (s networkStore) Detach(ctx context.Context, network string, ids []string) error {
	return each(ids, func(id string) error {
		err := s.api.NetworkDisconnect(ctx, network, id, true)
		// For a container that is not attached the engine answers 500 (seen on 20 and 28).
		if err == nil || cerrdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not connected to") {
			return nil
		}
		return fmt.Errorf("container %s on network %s: %w", id, network, err)
	})
}

// Gateways are the addresses that the engine's host has on its networks, sorted.
func (s networkStore) Gateways(ctx context.Context) ([]netip.Addr, error) {
	list, err := s.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("networks: %w", err)
	}
	var all []netip.Addr
	for _, n := range list {
		for _, c := range n.IPAM.Config {
			if a, err := netip.ParseAddr(c.Gateway); err == nil {
				all = append(all, a)
			} else if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				// The engine's choice is not always told.
				all = append(all, p.Masked().Addr().Next())
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// RemoveNetwork removes a network; a missing network is not an error.
func (s networkStore) RemoveNetwork(ctx context.Context, id string) error {
	if err := s.api.NetworkRemove(ctx, id); err != nil && !cerrdefs.IsNotFound(err) {
		return err
	}
	return nil
}

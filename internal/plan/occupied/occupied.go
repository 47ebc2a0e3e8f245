// Package occupied tells what is known of ports and subnets outside of the registry: what the engine, this host and its
// routes have already. It reads nothing.
package occupied

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// Ports are the host ports that somebody has whom the registry does not know.
type Ports struct {
	facts *survey.Facts
	needs *survey.Needs
	// others has the host ports of containers of other projects, own those that run of the loom's own.
	others, own ports.Index
}

// PortsOf collects the ports of the engine's containers. It reports false if the facts lack them or the networks.
func PortsOf(f *survey.Facts, project string, needs *survey.Needs) (*Ports, bool) {
	if f.Engine.Bindings == nil || f.Engine.Networks == nil {
		needs.Bindings, needs.Networks = f.Engine.Bindings == nil, f.Engine.Networks == nil
		return nil, false
	}
	w := &Ports{facts: f, needs: needs}
	for _, b := range f.Engine.Bindings {
		lease := ports.Lease{IP: b.IP, Protocol: b.Protocol, Count: 1, Host: b.Port}
		if b.Project != project {
			w.others.Add("container "+b.Container, lease)
		} else if b.State == "running" || b.State == "paused" {
			w.own.Add(b.Container, lease)
		}
	}
	return w, true
}

// Holder returns who outside the registry holds a port of the lease: a container of another project, stopped or not, or
// a program of this host. Facts that are missing about this host are noted as needed.
func (w *Ports) Holder(lease ports.Lease) (string, bool) {
	if holder, taken := w.others.Taken(lease); taken {
		return holder, true
	}
	// A port that the loom's own containers publish has a listener too: the engine's proxy.
	if _, ours := w.own.Taken(lease); ours || !w.facts.Host.Local {
		return "", false
	}
	listener, known := w.facts.Host.Listening[lease]
	if !known {
		w.needs.Leases = append(w.needs.Leases, lease)
	}
	holder := fmt.Sprintf("a program of this host that listens on port %d", listener.Port)
	if listener.Program != "" {
		holder += ", " + listener.Program
	}
	return holder, listener.Port > 0
}

// defaultPools are where networks get their /24s from unless the settings say otherwise: parts of the private ranges
// that Docker's own pools and most routers do not use. The first is taken unless the host has routes over all of it.
var defaultPools = []string{"10.176.0.0/12", "172.16.0.0/12", "192.168.0.0/16", "fd69:6c6f:6f6d::/48"}

// Subnets decides the loom's subnets, by network key; nil if there are none. A network keeps its subnets for life: with
// other subnets Compose would recreate it under its containers.
func Subnets(f *survey.Facts, e *registry.Loom, networks []overrides.Network) (map[string][]string, error) {
	pools := defaultPools
	if own := f.Settings.Container.AddressPool; own != nil {
		pools = append(slices.Clone(own), defaultPools[len(defaultPools)-1])
	}
	taken := append(slices.Clone(f.Host.Routes), f.State.Subnets(e)...)
	for _, n := range f.Engine.Networks {
		taken = append(taken, n.Subnets...)
	}
	for _, prefixes := range registry.Prefixes(e.Subnets) {
		taken = append(taken, prefixes...)
	}
	leased := maps.Clone(e.Subnets)
	for _, n := range networks {
		if len(leased[n.Key]) == len(n.Pools) {
			continue
		}
		var subnets []string
		for _, pool := range n.Pools {
			prefix, err := registry.Subnet(family(pools, pool.IPv6), pool.Bits, taken)
			if err != nil {
				return nil, fmt.Errorf("network %s: %w", n.Key, errors.Join(err, errPools))
			}
			taken = append(taken, prefix)
			subnets = append(subnets, prefix.String())
		}
		if leased == nil {
			leased = map[string][]string{}
		}
		leased[n.Key] = subnets
	}
	return leased, nil
}

var errPools = errors.New("container.addressPool in the settings names other networks to take subnets from")

func family(pools []string, ipv6 bool) []netip.Prefix {
	var list []netip.Prefix
	for _, cidr := range pools {
		if prefix, err := netip.ParsePrefix(cidr); err == nil && prefix.Addr().Is6() == ipv6 {
			list = append(list, prefix)
		}
	}
	return list
}

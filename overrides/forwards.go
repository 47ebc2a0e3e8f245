package overrides

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// firstForward is the first port that the sidecar listens on. A process without root may not take the ports below 1024,
// and the kernel gives the highest ports to outgoing connections.
const firstForward = 20000

// Forward is a port of a service that the sidecar listens for.
type Forward struct {
	Listen   int
	Protocol string
	Service  string
	Target   int
}

// Forwards lists the ports of active services on closed networks, in a stable order. The sidecar listens for them.
func (c Closing) Forwards(p *types.Project) []Forward {
	closed := c.Networks(p)
	var list []Forward
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		if !onAny(s, closed) {
			continue
		}
		for _, port := range s.Ports {
			f := Forward{
				Listen: firstForward + len(list), Protocol: cmp.Or(port.Protocol, "tcp"),
				Service: name, Target: int(port.Target),
			}
			if forwardable(f.Protocol) && !slices.ContainsFunc(list, f.same) {
				list = append(list, f)
			}
		}
	}
	return list
}

func (f Forward) same(g Forward) bool {
	return f.Protocol == g.Protocol && f.Service == g.Service && f.Target == g.Target
}

func forwardable(protocol string) bool { return protocol == "tcp" || protocol == "udp" }

// onAny reports whether the service is on one of the networks.
func onAny(s types.ServiceConfig, keys []string) bool {
	return s.NetworkMode == "" && slices.ContainsFunc(keys, func(key string) bool {
		_, on := s.Networks[key]
		return on
	})
}

func (c *confiner) sidecar() {
	s := c.in.Sidecar
	s.Networks = map[string]*types.ServiceNetworkConfig{c.in.Outer: nil}
	for _, key := range c.closed {
		if slices.ContainsFunc(c.services, func(name string) bool { return onAny(c.all[name], []string{key}) }) {
			s.Networks[key] = nil
		}
	}
	s.Labels = maps.Clone(s.Labels)
	if s.Labels == nil {
		s.Labels = types.Labels{}
	}
	maps.Copy(s.Labels, c.in.Labels)
	for _, name := range slices.Sorted(maps.Keys(c.p.Services)) {
		for _, port := range c.p.Services[name].Ports {
			want := Forward{Protocol: cmp.Or(port.Protocol, "tcp"), Service: name, Target: int(port.Target)}
			if i := slices.IndexFunc(c.forwards, want.same); i >= 0 {
				port.Target = uint32(c.forwards[i].Listen) //nolint:gosec // a port
				s.Ports = append(s.Ports, each(port, c.p.Services[name])...)
			}
		}
	}
	outer := types.NetworkConfig{Name: c.p.Name + "_" + c.in.Outer, Labels: types.Labels(maps.Clone(c.in.Labels))}
	for _, subnet := range c.in.Subnets {
		outer.Ipam.Config = append(outer.Ipam.Config, &types.IPAMPool{Subnet: subnet.String()})
	}
	c.edit(AddService{Service: s, Networks: types.Networks{c.in.Outer: outer}})
}

// each returns the ports of a range one by one if each replica of the service would have taken one.
func each(port types.ServicePortConfig, s types.ServiceConfig) []types.ServicePortConfig {
	p, ok := published("", port)
	if !ok || p.Count < 2 || s.GetScale() < 2 {
		return []types.ServicePortConfig{port}
	}
	var list []types.ServicePortConfig
	for i := range min(p.Count, s.GetScale()) {
		port.Published = strconv.Itoa(p.Base + i)
		list = append(list, port)
	}
	return list
}

// Unpublish leaves the publishing of a service's ports to the sidecar.
type Unpublish struct {
	Service string
	Was     []types.ServicePortConfig
	By      string
}

// Apply takes the ports away.
func (e Unpublish) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.Ports = nil })
}

// Render takes the ports away.
func (e Unpublish) Render(d *Document) { d.Reset("services", e.Service, "ports") }

func (e Unpublish) String() string {
	var list []string
	for _, p := range e.Was {
		list = append(list, strings.TrimPrefix(p.Published+":", ":")+strconv.Itoa(int(p.Target)))
	}
	return fmt.Sprintf("service %s: ports %s are published by %s", e.Service, strings.Join(list, ", "), e.By)
}

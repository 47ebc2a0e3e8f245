package overrides

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// netRaw is the capability to send packets of any kind. A service that has it can claim the address of an agent on a
// network that both are on, by ARP, and use that agent's proxy.
const netRaw = "NET_RAW"

// dropNetRaw takes the capability NET_RAW away from a service that can be on an agent's network. A service that asks
// for it in its files keeps it: that is host access, and named as an open path.
func (c *confiner) dropNetRaw(name string, s types.ServiceConfig) {
	if !c.meetsAgents(s) || s.Privileged || hasCapability(s.CapDrop, netRaw) || hasCapability(s.CapAdd, netRaw) {
		return
	}
	c.edit(DropNetRaw{Service: name})
}

// meetsAgents reports whether the network namespace of a service can be joined to the networks of agents: it is its own
// one, or that of another service of which this holds.
func (c *confiner) meetsAgents(s types.ServiceConfig) bool {
	if joined, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok {
		s = c.all[joined]
	}
	return s.NetworkMode != "host" && s.NetworkMode != "none" && !strings.HasPrefix(s.NetworkMode, types.ContainerPrefix)
}

// hasCapability reports whether a list of capabilities has one of this name, or all. The engine takes names in any
// case, with or without CAP_.
func hasCapability(list []string, name string) bool {
	return slices.ContainsFunc(list, func(c string) bool {
		c = capability(c)
		return c == name || c == "ALL"
	})
}

// capability returns a capability's name in upper case and without CAP_.
func capability(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

// DropNetRaw takes the capability NET_RAW away from a service.
type DropNetRaw struct{ Service string }

// Apply adds it to the dropped ones.
func (e DropNetRaw) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.CapDrop = append(slices.Clone(s.CapDrop), netRaw) })
}

// Render adds it to the dropped ones, which Compose merges with those that the files have.
func (e DropNetRaw) Render(d *Document) { d.Add(netRaw, "services", e.Service, "cap_drop") }

func (e DropNetRaw) String() string {
	return fmt.Sprintf("service %s: without the capability %s", e.Service, netRaw)
}

// Without returns the service as it is without the edit.
func (DropNetRaw) Without(s types.ServiceConfig) types.ServiceConfig {
	s.CapDrop = slices.DeleteFunc(slices.Clone(s.CapDrop), func(name string) bool { return name == netRaw })
	return s
}

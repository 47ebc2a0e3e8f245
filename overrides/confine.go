package overrides

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Confinement is the sidecar, the networks and the paths that the services of a loom are confined with. The caller
// decides what a sidecar is made of and how a network is isolated.
type Confinement struct {
	// Sidecar is the service through which the others leave and are reached. Its networks and ports are filled in here.
	Sidecar types.ServiceConfig
	// Port is the port that its proxy listens on.
	Port int
	// Outer is the key of the network that only the sidecar is on, Subnets are its leased subnets.
	Outer   string
	Subnets []netip.Prefix
	Labels  map[string]string
	// Isolate changes a network so that its containers reach neither the outside nor the host.
	Isolate func(*types.NetworkConfig)
	Closing
	// Mounted are files and folders of the work tree that services of the loom's other projects mount.
	Mounted []string
	// Tree is the work tree. ReadOnly are paths in it that services may not write. Common is the repository's git folder.
	Tree, Common string
	ReadOnly     []string
	// Dev is the service that may write the git folders: commits are made in it.
	Dev string
	// Proxies are the proxy variables that a service takes from its env files.
	Proxies map[string][]string
	// ResolveLinks follows the symbolic links of a path.
	ResolveLinks func(string) string
}

// Closing says which networks confinement closes.
type Closing struct {
	// Share are the keys of networks that stay as they are.
	Share []string
	// Joined are the keys of those that another project of the loom makes: it closes them. Direct are names and subnets
	// of what other projects have on the closed networks: it is reached without the proxy.
	Joined, Direct []string
}

// Networks lists the networks, by key, that are closed.
func (c Closing) Networks(p *types.Project) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(p.Networks)) {
		n := p.Networks[key]
		isOwn := !bool(n.External) && !slices.Contains(c.Share, key) && (n.Driver == "" || n.Driver == "bridge")
		if isOwn || slices.Contains(c.Joined, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Confine lists the edits that put the services of an isolated project on internal networks, where the sidecar is the
// only way in and out. It also returns what that does to the services, and the paths that stay open. It changes
// nothing.
func Confine(p *types.Project, in Confinement) ([]Edit, []finding.Finding, []OpenPath) {
	c := &confiner{
		planner: planner{p: p, all: p.AllServices()}, in: in,
		closed: in.Networks(p), forwards: in.Forwards(p),
	}
	c.services = slices.Sorted(maps.Keys(c.all))
	c.mounted = append(MountedPaths(p, in.Tree, in.ResolveLinks), in.Mounted...)
	slices.Sort(c.mounted)
	c.mounted = slices.Compact(c.mounted)
	for _, key := range c.closed {
		if !slices.Contains(in.Joined, key) {
			c.network(key, p.Networks[key])
		}
	}
	for _, name := range c.services {
		c.service(name, c.all[name])
	}
	c.sidecar()
	return c.edits, c.findings, c.paths
}

type confiner struct {
	planner
	in       Confinement
	closed   []string
	forwards []Forward
	mounted  []string
	paths    []OpenPath
}

func (c *confiner) network(key string, was types.NetworkConfig) {
	is := was
	is.DriverOpts = maps.Clone(was.DriverOpts)
	c.in.Isolate(&is)
	// With an IPv6 subnet the network would also have an address of the host.
	is.Ipam.Config = slices.DeleteFunc(slices.Clone(was.Ipam.Config), func(pool *types.IPAMPool) bool {
		prefix, err := netip.ParsePrefix(pool.Subnet)
		return err == nil && prefix.Addr().Is6()
	})
	c.edit(Isolated{Network: key, Was: was, Is: is})
	if len(is.Ipam.Config) == len(was.Ipam.Config) {
		return
	}
	c.find(finding.Warning, "network "+key, "has no IPv6 while the services are confined", "")
	for _, name := range c.services {
		if at := c.all[name].Networks[key]; at != nil && at.Ipv6Address != "" {
			c.edit(WithoutIPv6{Service: name, Network: key})
		}
	}
}

func (c *confiner) service(name string, s types.ServiceConfig) {
	c.openPaths(name, s)
	inside := onAny(s, c.closed)
	if joined, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok {
		inside = onAny(c.all[joined], c.closed)
	}
	c.protectMounts(name, s)
	c.dropNetRaw(name, s)
	if !inside {
		return
	}
	c.edit(After{Service: name, Other: c.in.Sidecar.Name})
	c.proxy(name, s)
	if s.NetworkMode != "" {
		return
	}
	if !c.hasOpenNetwork(s) {
		c.edit(Resolvers{Service: name, DNS: c.resolvers(s)})
	}
	if len(s.Ports) > 0 {
		c.edit(Unpublish{Service: name, Was: s.Ports, By: c.in.Sidecar.Name})
	}
	for _, port := range s.Ports {
		if !forwardable(cmp.Or(port.Protocol, "tcp")) {
			c.find(finding.Warning, "service "+name,
				fmt.Sprintf("port %d/%s is not published while the services are confined", port.Target, port.Protocol),
				"docker loom agent ID --services-egress open")
		}
	}
}

// Isolated closes a network: its containers reach neither the outside nor the host.
type Isolated struct {
	Network string
	Was, Is types.NetworkConfig
}

// Apply puts the isolated network in place.
func (e Isolated) Apply(p *types.Project) {
	changeNetwork(p, e.Network, func(n *types.NetworkConfig) { *n = e.Is })
}

// Render writes what differs.
func (e Isolated) Render(d *Document) {
	at := func(key ...string) []string { return append([]string{"networks", e.Network}, key...) }
	if e.Is.Internal != e.Was.Internal {
		d.Set(e.Is.Internal, "", at("internal")...)
	}
	for _, f := range []struct {
		name    string
		was, is *bool
	}{{"enable_ipv4", e.Was.EnableIPv4, e.Is.EnableIPv4}, {"enable_ipv6", e.Was.EnableIPv6, e.Is.EnableIPv6}} {
		if f.is != nil && (f.was == nil || *f.was != *f.is) {
			d.Set(*f.is, "", at(f.name)...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.Is.DriverOpts)) {
		if was, had := e.Was.DriverOpts[key]; !had || was != e.Is.DriverOpts[key] {
			d.Set(e.Is.DriverOpts[key], "", at("driver_opts", key)...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.Was.DriverOpts)) {
		if _, kept := e.Is.DriverOpts[key]; !kept {
			d.Reset(at("driver_opts", key)...)
		}
	}
	if len(e.Is.Ipam.Config) == len(e.Was.Ipam.Config) {
		return
	}
	if len(e.Is.Ipam.Config) == 0 {
		d.Reset(at("ipam", "config")...)
		return
	}
	d.Set(e.Is.Ipam.Config, override, at("ipam", "config")...)
}

func (e Isolated) String() string {
	return fmt.Sprintf("network %s: internal, without the host on it", e.Network)
}

// WithoutIPv6 takes away the fixed IPv6 address of a service on a network that has no IPv6 any more.
type WithoutIPv6 struct{ Service, Network string }

// Apply takes the address away.
func (e WithoutIPv6) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		nets := maps.Clone(s.Networks)
		n := *nets[e.Network]
		n.Ipv6Address = ""
		nets[e.Network] = &n
		s.Networks = nets
	})
}

// Render takes the address away.
func (e WithoutIPv6) Render(d *Document) {
	d.Reset("services", e.Service, "networks", e.Network, "ipv6_address")
}

func (e WithoutIPv6) String() string {
	return fmt.Sprintf("service %s: no IPv6 address on network %s", e.Service, e.Network)
}

// After starts a service after another one.
type After struct{ Service, Other string }

// Apply adds the dependency, which Compose does not hash.
func (e After) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.DependsOn = maps.Clone(s.DependsOn)
		if s.DependsOn == nil {
			s.DependsOn = types.DependsOnConfig{}
		}
		s.DependsOn[e.Other] = types.ServiceDependency{Condition: types.ServiceConditionStarted, Required: true}
	})
}

// Render adds the dependency.
func (e After) Render(d *Document) {
	d.Set(types.ServiceConditionStarted, "", "services", e.Service, "depends_on", e.Other, "condition")
}

func (e After) String() string {
	return fmt.Sprintf("service %s: starts after %s", e.Service, e.Other)
}

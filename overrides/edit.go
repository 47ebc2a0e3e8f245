// Package overrides isolates a Compose project: it plans the edits that give a loom its own ports, names and networks,
// applies them to the loaded project, and renders them as an override file and as a block in .env. Planning and
// rendering are pure; Write carries out.
//
// An edit must do the same in memory and on disk: a project with the edits applied has the same Compose hashes as the
// files reloaded together with the rendered override.
package overrides

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/ports"
)

// Edit is one change that isolates a project.
type Edit interface {
	// Apply makes the change in the loaded project.
	Apply(p *types.Project)
	// Render writes the change into the override.
	Render(d *Document)
	// String is the change as a line of the plan, in the words of the user.
	String() string
}

// Apply carries out the edits on the project, active and disabled services alike.
func Apply(p *types.Project, edits []Edit) {
	for _, e := range edits {
		e.Apply(p)
	}
}

// service changes one service where it is, among the active or the disabled ones.
func service(p *types.Project, name string, change func(*types.ServiceConfig)) {
	for _, services := range []types.Services{p.Services, p.DisabledServices} {
		if s, ok := services[name]; ok {
			change(&s)
			services[name] = s
		}
	}
}

func network(p *types.Project, key string, change func(*types.NetworkConfig)) {
	n := p.Networks[key]
	change(&n)
	p.Networks[key] = n
}

func volume(p *types.Project, key string, change func(*types.VolumeConfig)) {
	v := p.Volumes[key]
	change(&v)
	p.Volumes[key] = v
}

// Labels puts the loom's labels on a service, network or volume. They never change in a loom's life: Compose hashes
// them, and a change would recreate networks and offer to delete volumes.
type Labels struct {
	Kind   string // services, networks or volumes
	Key    string
	Labels map[string]string
}

// Apply adds the labels.
func (e Labels) Apply(p *types.Project) {
	add := func(l types.Labels) types.Labels {
		l = maps.Clone(l)
		if l == nil {
			l = types.Labels{}
		}
		maps.Copy(l, e.Labels)
		return l
	}
	switch e.Kind {
	case "services":
		service(p, e.Key, func(s *types.ServiceConfig) { s.Labels = add(s.Labels) })
	case "networks":
		network(p, e.Key, func(n *types.NetworkConfig) { n.Labels = add(n.Labels) })
	case "volumes":
		volume(p, e.Key, func(v *types.VolumeConfig) { v.Labels = add(v.Labels) })
	}
}

// Render writes the labels beside those that another edit has written.
func (e Labels) Render(d *Document) {
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		d.Set(e.Labels[name], "", e.Kind, e.Key, "labels", name)
	}
}

func (e Labels) String() string {
	return fmt.Sprintf("%s %s: labels of the loom", strings.TrimSuffix(e.Kind, "s"), e.Key)
}

// Publish gives the published ports of a service their leased host ports; all else of each entry stays.
type Publish struct {
	Service string
	Was, Is []types.ServicePortConfig
}

// Apply replaces the ports.
func (e Publish) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.Ports = slices.Clone(e.Is) })
}

// Render writes the whole list with !override, because Compose appends lists of ports when it merges files.
func (e Publish) Render(d *Document) { d.Set(e.Is, override, "services", e.Service, "ports") }

func (e Publish) String() string {
	var moves []string
	for i, was := range e.Was {
		if was.Published != e.Is[i].Published {
			moves = append(moves, was.Published+" → "+e.Is[i].Published)
		}
	}
	return fmt.Sprintf("service %s: published ports %s", e.Service, strings.Join(moves, ", "))
}

// ContainerName takes the fixed container name away and keeps it as an alias on the networks of the service, so that
// siblings still find it.
type ContainerName struct {
	Service, Old string
	// Networks are the keys of the loom's own networks of the service; an alias on a shared network would answer for
	// another loom.
	Networks []string
}

// Apply resets the name and adds the aliases.
func (e ContainerName) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.ContainerName = ""
		nets := maps.Clone(s.Networks)
		for _, key := range e.Networks {
			n := types.ServiceNetworkConfig{}
			if nets[key] != nil {
				n = *nets[key]
			}
			if !slices.Contains(n.Aliases, e.Old) {
				n.Aliases = append(slices.Clone(n.Aliases), e.Old)
			}
			nets[key] = &n
		}
		s.Networks = nets
	})
}

// Render resets the name and adds the aliases, which Compose merges with those that the files have.
func (e ContainerName) Render(d *Document) {
	d.Reset("services", e.Service, "container_name")
	for _, key := range e.Networks {
		d.Add(e.Old, "services", e.Service, "networks", key, "aliases")
	}
}

func (e ContainerName) String() string {
	return fmt.Sprintf("service %s: container name %s becomes a network alias", e.Service, e.Old)
}

// Name gives a volume or network with a fixed or external name a name of the loom's own.
type Name struct {
	Kind     string // networks or volumes
	Key      string
	Old, New string
	External bool // it was external, and is the loom's own from now on
}

// Apply renames it.
func (e Name) Apply(p *types.Project) {
	if e.Kind == "networks" {
		network(p, e.Key, func(n *types.NetworkConfig) { n.Name, n.External = e.New, false })
	} else {
		volume(p, e.Key, func(v *types.VolumeConfig) { v.Name, v.External = e.New, false })
	}
}

// Render writes the name.
func (e Name) Render(d *Document) {
	d.Set(e.New, "", e.Kind, e.Key, "name")
	if e.External {
		d.Set(false, "", e.Kind, e.Key, "external")
	}
}

func (e Name) String() string {
	return fmt.Sprintf("%s %s: name %s → %s", strings.TrimSuffix(e.Kind, "s"), e.Key, e.Old, e.New)
}

// Subnets gives a network its leased subnets.
type Subnets struct {
	Network string
	Pools   []*types.IPAMPool
}

// Apply replaces the pools.
func (e Subnets) Apply(p *types.Project) {
	network(p, e.Network, func(n *types.NetworkConfig) { n.Ipam.Config = e.Pools })
}

// Render writes the pools with !override: Compose merges two lists of pools into a corrupt one.
func (e Subnets) Render(d *Document) {
	d.Set(e.Pools, override, "networks", e.Network, "ipam", "config")
}

func (e Subnets) String() string {
	var nets []string
	for _, pool := range e.Pools {
		nets = append(nets, pool.Subnet)
	}
	return fmt.Sprintf("network %s: subnet %s", e.Network, strings.Join(nets, ", "))
}

// Address moves a fixed address of a service into the network's leased subnet.
type Address struct {
	Service, Network string
	IPv4, IPv6       string // empty: unchanged
}

// Apply replaces the addresses.
func (e Address) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		nets := maps.Clone(s.Networks)
		n := *nets[e.Network]
		if e.IPv4 != "" {
			n.Ipv4Address = e.IPv4
		}
		if e.IPv6 != "" {
			n.Ipv6Address = e.IPv6
		}
		nets[e.Network] = &n
		s.Networks = nets
	})
}

// Render writes the addresses.
func (e Address) Render(d *Document) {
	if e.IPv4 != "" {
		d.Set(e.IPv4, "", "services", e.Service, "networks", e.Network, "ipv4_address")
	}
	if e.IPv6 != "" {
		d.Set(e.IPv6, "", "services", e.Service, "networks", e.Network, "ipv6_address")
	}
}

func (e Address) String() string {
	return fmt.Sprintf("service %s: address %s on network %s", e.Service, strings.TrimSpace(e.IPv4+" "+e.IPv6), e.Network)
}

// Built gives a service that is built here an image tag of the loom's own: the implicit one of Compose, which has the
// project's name in it. Extra tags go.
type Built struct {
	Service, Old, New string
	Tags              bool // build.tags are reset too
}

// Apply resets the image name and the extra tags.
func (e Built) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.Image = ""
		if e.Tags {
			build := *s.Build
			build.Tags = nil
			s.Build = &build
		}
	})
}

// Render resets the image name and the extra tags.
func (e Built) Render(d *Document) {
	if e.Old != "" {
		d.Reset("services", e.Service, "image")
	}
	if e.Tags {
		d.Reset("services", e.Service, "build", "tags")
	}
}

func (e Built) String() string {
	return fmt.Sprintf("service %s: built image %s → %s", e.Service, e.Old, e.New)
}

// Follows makes a service run the loom's own build of an image that another service of the project builds.
type Follows struct {
	Service, Old, New string
}

// Apply changes the image; it is never pulled, because it is no image of a registry.
func (e Follows) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.Image, s.PullPolicy = e.New, types.PullPolicyNever })
}

// Render changes the image.
func (e Follows) Render(d *Document) {
	d.Set(e.New, "", "services", e.Service, "image")
	d.Set(types.PullPolicyNever, "", "services", e.Service, "pull_policy")
}

func (e Follows) String() string {
	return fmt.Sprintf("service %s: image %s → %s", e.Service, e.Old, e.New)
}

// move gives one entry of a service's ports its leased host port, or returns it as it is where it publishes none.
func move(service string, p types.ServicePortConfig, leases []ports.Lease) (types.ServicePortConfig, bool) {
	want, ok := published(service, p)
	if !ok {
		return p, false
	}
	l, ok := ports.Find(leases, want)
	if !ok {
		return p, false
	}
	p.Published = strconv.Itoa(l.Host)
	if want.Count > 1 {
		p.Published += "-" + strconv.Itoa(l.Host+want.Count-1)
	}
	return p, true
}

// published reads the host side of one entry: a port or a range. ok is false where the engine chooses (no published
// port, or 0).
func published(service string, p types.ServicePortConfig) (ports.Port, bool) {
	first, last, isRange := strings.Cut(p.Published, "-")
	lo, err := strconv.Atoi(first)
	if err != nil || lo == 0 {
		return ports.Port{}, false
	}
	hi := lo
	if isRange {
		if hi, err = strconv.Atoi(last); err != nil || hi < lo {
			return ports.Port{}, false
		}
	}
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return ports.Port{Service: service, Target: int(p.Target), Protocol: protocol, HostIP: p.HostIP, Base: lo, Count: hi - lo + 1}, true
}

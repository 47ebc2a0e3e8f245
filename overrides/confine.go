package overrides

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// firstForward is the sidecar's first port for a forwarded one: above those that a process without root may not take,
// below those that the kernel gives to outgoing connections.
const firstForward = 20000

// closedDNS is a resolver that nobody runs: engines of before 25 ask the host's resolvers for a container on an internal
// network. Names of services are resolved before any resolver is asked.
const closedDNS = "127.0.0.1"

// Confinement is what the services of a loom are confined with. All of it is plain values: what a sidecar is made of and
// how a network is isolated is decided elsewhere.
type Confinement struct {
	// Sidecar is the service through which the others leave and are reached. Its networks and ports are filled in here.
	Sidecar types.ServiceConfig
	// Port is where its proxy listens.
	Port int
	// Outer is the key of the network that only the sidecar is on, Subnets are its leased subnets.
	Outer   string
	Subnets []netip.Prefix
	Labels  map[string]string
	// Isolate changes a network so that its containers reach neither the outside nor the host.
	Isolate func(*types.NetworkConfig)
	// Share are the keys of networks that stay as they are.
	Share []string
	// Tree is the work tree, Guarded are paths in it that services may read and not write. Common is the repository's git
	// folder.
	Tree, Common string
	Guarded      []string
	// Dev is the service that may write the git folders: commits are made in it.
	Dev string
	// Proxies are the proxy variables that a service takes from its env files.
	Proxies map[string][]string
	// Real follows the links of a path.
	Real func(string) string
}

// Forward is a port of a service that the sidecar listens for.
type Forward struct {
	Listen   int
	Protocol string
	Service  string
	Target   int
}

// Path is a way out of the loom, or to files that make the host do something, that confinement leaves open.
type Path struct {
	Service string
	What    string
	// Network says that it leads out without the sidecar.
	Network bool
}

func (p Path) String() string { return "service " + p.Service + " " + p.What }

// Confined lists the networks, by key, that confinement closes.
func Confined(p *types.Project, share []string) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(p.Networks)) {
		n := p.Networks[key]
		if !bool(n.External) && !slices.Contains(share, key) && (n.Driver == "" || n.Driver == "bridge") {
			keys = append(keys, key)
		}
	}
	return keys
}

// Forwards lists the ports that the sidecar has to listen for, in a stable order: those of active services that are on a
// network which is closed.
func Forwards(p *types.Project, share []string) []Forward {
	closed := Confined(p, share)
	var list []Forward
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		if !onAny(s, closed) {
			continue
		}
		for _, port := range s.Ports {
			f := Forward{Listen: firstForward + len(list), Protocol: cmp.Or(port.Protocol, "tcp"), Service: name, Target: int(port.Target)}
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

// onAny tells whether the service is on one of the networks.
func onAny(s types.ServiceConfig, keys []string) bool {
	return s.NetworkMode == "" && slices.ContainsFunc(keys, func(key string) bool { _, on := s.Networks[key]; return on })
}

// Held lists what services mount of the work tree, as their links lead, sorted: files and folders that whoever writes the
// tree must not be able to replace. The engine follows a link in their place the next time a container starts.
func Held(p *types.Project, tree string, real func(string) string) []string {
	var list []string
	hold := func(path string) {
		if path = real(path); path != tree && within(path, tree) && filepath.IsAbs(path) {
			list = append(list, path)
		}
	}
	for _, s := range p.AllServices() {
		for _, v := range s.Volumes {
			if source := hostPath(p, v); source != "" {
				hold(source)
			}
		}
		for _, ref := range s.Secrets {
			hold(p.Secrets[ref.Source].File)
		}
		for _, ref := range s.Configs {
			hold(p.Configs[ref.Source].File)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Confine lists the edits that put the services of an isolated project on internal networks, from where they leave and are
// reached through the sidecar alone; what that does to them; and the ways that stay open. It changes nothing.
func Confine(p *types.Project, in Confinement) ([]Edit, []finding.Finding, []Path) {
	c := &confiner{planner: planner{p: p, all: p.AllServices()}, in: in, closed: Confined(p, in.Share), forwards: Forwards(p, in.Share)}
	c.services = slices.Sorted(maps.Keys(c.all))
	c.held = Held(p, in.Tree, in.Real)
	for _, key := range c.closed {
		c.network(key, p.Networks[key])
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
	held     []string
	paths    []Path
}

func (c *confiner) open(service, format string, args ...any) {
	c.paths = append(c.paths, Path{Service: service, What: fmt.Sprintf(format, args...)})
}

func (c *confiner) out(service, format string, args ...any) {
	c.paths = append(c.paths, Path{service, fmt.Sprintf(format, args...), true})
}

func (c *confiner) network(key string, was types.NetworkConfig) {
	is := was
	is.DriverOpts = maps.Clone(was.DriverOpts)
	c.in.Isolate(&is)
	// An IPv6 subnet would bring the host's address on it along.
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
	c.ways(name, s)
	inside := onAny(s, c.closed)
	if joined, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok {
		inside = onAny(c.all[joined], c.closed)
	}
	c.guard(name, s)
	if !inside {
		return
	}
	c.edit(After{Service: name, Other: c.in.Sidecar.Name})
	c.proxy(name, s)
	if s.NetworkMode != "" {
		return
	}
	if !c.elsewhere(s) {
		c.edit(Resolvers{Service: name, DNS: c.resolvers(s)})
	}
	if len(s.Ports) > 0 {
		c.edit(Unpublish{Service: name, Was: s.Ports, By: c.in.Sidecar.Name})
	}
	for _, port := range s.Ports {
		if !forwardable(cmp.Or(port.Protocol, "tcp")) {
			c.find(finding.Warning, "service "+name, fmt.Sprintf("port %d/%s is not published while the services are confined", port.Target, port.Protocol), "docker loom agent --services-egress open")
		}
	}
}

// resolvers are those of the service that are on the loom's own networks, else one that does not answer.
func (c *confiner) resolvers(s types.ServiceConfig) []string {
	var own []string
	for _, ip := range s.DNS {
		a, err := netip.ParseAddr(ip)
		for _, key := range c.closed {
			for _, pool := range c.p.Networks[key].Ipam.Config {
				if prefix, perr := netip.ParsePrefix(pool.Subnet); err == nil && perr == nil && prefix.Contains(a) {
					own = append(own, ip)
				}
			}
		}
	}
	if len(own) == 0 {
		return []string{closedDNS}
	}
	return own
}

// elsewhere tells whether the service is on a network that is not closed.
func (c *confiner) elsewhere(s types.ServiceConfig) bool {
	for key := range s.Networks {
		if !slices.Contains(c.closed, key) {
			return true
		}
	}
	return false
}

// ways names what lets the service reach the outside or the host all the same.
func (c *confiner) ways(name string, s types.ServiceConfig) {
	switch mode := s.NetworkMode; {
	case mode == "host":
		c.out(name, "is in the host's network")
	case strings.HasPrefix(mode, types.ContainerPrefix):
		c.out(name, "is in the network of %s, which is not the loom's", mode)
	case mode != "" && mode != "none" && !strings.HasPrefix(mode, types.ServicePrefix):
		c.out(name, "is on the engine's network %s", mode)
	case mode == "":
		for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
			if slices.Contains(c.closed, key) {
				continue
			}
			n := c.p.Networks[key]
			if n.Driver != "" && n.Driver != "bridge" && !bool(n.External) && !slices.Contains(c.in.Share, key) {
				c.out(name, "is on network %s, whose driver %s cannot be isolated", key, n.Driver)
			} else {
				c.out(name, "is on network %s, which is shared", key)
			}
		}
	}
	for _, path := range Ways(s, c.in.writesOutside) {
		c.open(name, "%s", path)
	}
}

// writesOutside tells whether a path of the host is neither in the work tree nor in the repository's git folder.
func (in Confinement) writesOutside(path string) bool {
	path = in.Real(path)
	return !within(path, in.Tree) && (in.Common == "" || !within(path, in.Common))
}

// Ways names what of a service, beside its networks, reaches the host.
func Ways(s types.ServiceConfig, outside func(path string) bool) []string {
	var list []string
	if s.Privileged {
		list = append(list, "is privileged")
	}
	if s.Pid == "host" {
		list = append(list, "sees the host's processes")
	}
	if s.UseAPISocket {
		list = append(list, "has the Docker socket")
	}
	if s.Provider != nil {
		list = append(list, "is run by the program "+s.Provider.Type+" on this machine")
	}
	for _, name := range s.CapAdd {
		switch name = strings.TrimPrefix(strings.ToUpper(name), "CAP_"); name {
		case "ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF", "PERFMON":
			list = append(list, "has the capability "+name)
		}
	}
	if len(s.Devices) > 0 {
		list = append(list, "has devices of the host")
	}
	if l := s.Logging; l != nil && !slices.Contains([]string{"", "json-file", "local", "none", "journald"}, l.Driver) {
		list = append(list, "has its log sent by the engine's driver "+l.Driver)
	}
	for _, v := range s.Volumes {
		switch {
		case v.Type != types.VolumeTypeBind:
		case strings.HasSuffix(v.Source, ".sock"):
			list = append(list, "has the socket "+v.Source)
		case !v.ReadOnly && outside(v.Source):
			list = append(list, "writes to "+v.Source)
		}
	}
	return list
}

// proxy tells the programs of a service where the way out is, unless the files tell them of another.
func (c *confiner) proxy(name string, s types.ServiceConfig) {
	at := "http://" + c.in.Sidecar.Name + ":" + strconv.Itoa(c.in.Port)
	for _, v := range []struct{ name, value string }{{"HTTP_PROXY", at}, {"HTTPS_PROXY", at}, {"NO_PROXY", c.noProxy()}} {
		upper, lower := v.name, strings.ToLower(v.name)
		own := slices.ContainsFunc([]string{upper, lower}, func(key string) bool {
			_, set := s.Environment[key]
			return set || slices.Contains(c.in.Proxies[name], key)
		})
		if own {
			c.find(finding.Info, "service "+name, "sets "+v.name+" itself: what it names is not reached while the services are confined", "")
			continue
		}
		c.edit(Proxy{Service: name, Key: upper, Value: v.value})
		c.edit(Proxy{Service: name, Key: lower, Value: v.value})
	}
}

// noProxy names what is reached directly: this container and the services.
func (c *confiner) noProxy() string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	for _, name := range c.services {
		s := c.all[name]
		names = append(names, name, s.Hostname)
		for _, key := range c.closed {
			if at := s.Networks[key]; at != nil {
				names = append(names, at.Aliases...)
			}
		}
	}
	for _, key := range c.closed {
		for _, pool := range c.p.Networks[key].Ipam.Config {
			if prefix, err := netip.ParsePrefix(pool.Subnet); err == nil && prefix.Addr().Is4() {
				names = append(names, pool.Subnet)
			}
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
	return strings.Join(names, ",")
}

// guard puts read-only binds of what the host obeys over each bind of the work tree that can be written.
func (c *confiner) guard(name string, s types.ServiceConfig) {
	e := Guard{Service: name}
	for _, v := range s.Volumes {
		source := hostPath(c.p, v)
		if source == "" {
			continue
		}
		if real := c.in.Real(source); real != source {
			if v.Type == types.VolumeTypeBind && within(source, c.in.Tree) {
				// A link can be turned elsewhere; where it leads to is held.
				v.Source = real
				e.Mounts = append(e.Mounts, v)
			}
			source = real
		}
		if v.ReadOnly {
			continue
		}
		for _, path := range c.held {
			if path != source && within(path, source) && !c.guarded(path) {
				e.hold(s, v, source, filepath.Dir(path))
				e.add(s, path, strings.TrimSuffix(v.Target, "/")+"/"+filepath.ToSlash(path[len(source)+1:]), false)
			}
		}
		for _, path := range c.in.Guarded {
			if name == c.in.Dev && path == filepath.Join(c.in.Tree, ".git") {
				continue
			}
			if within(source, path) {
				// The bind is of the guarded folder itself, or of something in it.
				v.ReadOnly = true
				e.Mounts = append(e.Mounts, v)
				continue
			}
			rel, err := filepath.Rel(source, path)
			if err != nil || !filepath.IsLocal(rel) {
				continue
			}
			target := strings.TrimSuffix(v.Target, "/") + "/" + filepath.ToSlash(rel)
			e.hold(s, v, source, filepath.Dir(path))
			e.add(s, path, target, true)
		}
		if c.in.Common != "" && within(c.in.Common, source) && !within(c.in.Common, c.in.Tree) && name != c.in.Dev {
			c.open(name, "writes to the repository's git folder %s", c.in.Common)
		}
	}
	if len(e.Mounts) > 0 {
		c.edit(e)
	}
	if name == c.in.Dev && slices.Contains(c.in.Guarded, filepath.Join(c.in.Tree, ".git")) {
		c.open(name, "is the dev container: it writes to the git folders, hooks and configuration too")
	}
}

// guarded tells whether the path is, or is in, one that services get read-only.
func (c *confiner) guarded(path string) bool {
	return slices.ContainsFunc(c.in.Guarded, func(g string) bool { return within(path, g) })
}

// hostPath is the file or folder of the host that a volume of a service shows, "" for none.
func hostPath(p *types.Project, v types.ServiceVolumeConfig) string {
	switch v.Type {
	case types.VolumeTypeBind:
		return v.Source
	case types.VolumeTypeVolume:
		if device := p.Volumes[v.Source].DriverOpts["device"]; filepath.IsAbs(device) {
			if v.Volume != nil {
				return filepath.Join(device, v.Volume.Subpath)
			}
			return device
		}
	}
	return ""
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

// each gives the ports of a range one by one where every replica of the service would have taken one.
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

// Isolated makes a network one from which neither the outside nor the host is reached.
type Isolated struct {
	Network string
	Was, Is types.NetworkConfig
}

// Apply puts the isolated network in place.
func (e Isolated) Apply(p *types.Project) {
	network(p, e.Network, func(n *types.NetworkConfig) { *n = e.Is })
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

// Proxy sets one variable that tells a service's programs where the way out is.
type Proxy struct{ Service, Key, Value string }

// Apply sets the variable.
func (e Proxy) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.Environment = maps.Clone(s.Environment)
		if s.Environment == nil {
			s.Environment = types.MappingWithEquals{}
		}
		s.Environment[e.Key] = &e.Value
	})
}

// Render sets the variable.
func (e Proxy) Render(d *Document) { d.Set(e.Value, "", "services", e.Service, "environment", e.Key) }

func (e Proxy) String() string {
	return fmt.Sprintf("service %s: %s is %s", e.Service, e.Key, e.Value)
}

// Resolvers are what a service asks for names that are none of the loom's.
type Resolvers struct {
	Service string
	DNS     []string
}

// Apply sets them.
func (e Resolvers) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) { s.DNS = e.DNS })
}

// Render sets them.
func (e Resolvers) Render(d *Document) { d.Set(e.DNS, override, "services", e.Service, "dns") }

func (e Resolvers) String() string {
	return fmt.Sprintf("service %s: names outside of the loom are not resolved", e.Service)
}

// After starts a service after another one.
type After struct{ Service, Other string }

// Apply adds the dependency, which is no part of Compose's hash.
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

// Guard keeps a service from writing what the host obeys: mounts that are added, or take the place of one with the same
// target.
type Guard struct {
	Service string
	// Mounts are all, Added those whose target is new.
	Mounts, Added []types.ServiceVolumeConfig
}

// add mounts a path of the host, unless the files mount something there themselves.
func (e *Guard) add(s types.ServiceConfig, source, target string, readOnly bool) {
	for _, v := range append(slices.Clone(s.Volumes), e.Mounts...) {
		if filepath.Clean(v.Target) == filepath.Clean(target) {
			return
		}
	}
	v := types.ServiceVolumeConfig{
		Type: types.VolumeTypeBind, Source: source, Target: target, ReadOnly: readOnly, Bind: &types.ServiceVolumeBind{},
	}
	e.Mounts, e.Added = append(e.Mounts, v), append(e.Added, v)
}

// hold mounts the folders from source, which v shows, down to at on themselves: a mountpoint cannot be renamed, but the
// folder that it is in could.
func (e *Guard) hold(s types.ServiceConfig, v types.ServiceVolumeConfig, source, at string) {
	for ; at != source && within(at, source); at = filepath.Dir(at) {
		e.add(s, at, strings.TrimSuffix(v.Target, "/")+"/"+filepath.ToSlash(at[len(source)+1:]), false)
	}
}

// Apply adds the mounts.
func (e Guard) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.Volumes = slices.Clone(s.Volumes)
		for _, v := range e.Mounts {
			if i := slices.IndexFunc(s.Volumes, func(o types.ServiceVolumeConfig) bool { return o.Target == v.Target }); i >= 0 {
				s.Volumes[i] = v
			} else {
				s.Volumes = append(s.Volumes, v)
			}
		}
	})
}

// Render adds the mounts; Compose puts one in the place of another with the same target.
func (e Guard) Render(d *Document) {
	for _, v := range e.Mounts {
		d.append(v, "services", e.Service, "volumes")
	}
}

func (e Guard) String() string {
	var targets []string
	for _, v := range e.Mounts {
		targets = append(targets, v.Target)
	}
	return fmt.Sprintf("service %s: %s cannot be written or replaced", e.Service, strings.Join(targets, ", "))
}

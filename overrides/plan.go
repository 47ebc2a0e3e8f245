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
	"github.com/docker-loom/docker-loom/internal/ports"
)

// Input is what a plan is made from, beside the project.
type Input struct {
	// Labels go on every service, volume and network of the loom.
	Labels map[string]string
	// Base is the project name that Compose would have chosen: images built without a name were called after it.
	Base string
	// Leases are the host ports of the loom.
	Leases []ports.Lease
	// Ports are the ports by service as the base files say them, where the project was loaded with variables already
	// moved; nil takes the project's own.
	Ports map[string][]types.ServicePortConfig
	// Subnets are the leased subnets by network key, in the order of Networks' pools.
	Subnets map[string][]netip.Prefix
	// Share and Isolate are the keys of volumes and networks named in the settings.
	Share, Isolate []string
	// RewriteLocalhost lets environment and build arguments that name localhost and a moved port follow it.
	RewriteLocalhost bool
	// Texts are files of the work tree to be searched for what would talk to another loom.
	Texts []Text
	// From are the images that the Dockerfile of a service is FROM, as written there. NamedContexts says that the engine's
	// BuildKit can put another image in their place.
	From          map[string][]string
	NamedContexts bool
	// PortsOnly leaves everything but the ports as it is: the loom main with an offset.
	PortsOnly bool
	// Dir is the work tree's folder: what is bound from outside it is shared by all looms.
	Dir string
	// Common is the repository's git folder, which its looms are meant to share.
	Common string
}

// Ports lists the published ports of all services, disabled ones too, in a stable order.
func Ports(p *types.Project) []ports.Port {
	var list []ports.Port
	all := p.AllServices()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if joins(all[name]) {
			continue
		}
		for _, entry := range all[name].Ports {
			if port, ok := published(name, entry); ok {
				list = append(list, port)
			}
		}
	}
	return list
}

// joins tells whether the service has no network of its own, so that the engine publishes nothing for it.
func joins(s types.ServiceConfig) bool {
	mode := s.NetworkMode
	return mode == "host" || mode == "none" || strings.HasPrefix(mode, types.ServicePrefix) || strings.HasPrefix(mode, types.ContainerPrefix)
}

// Network is a network of the project that is to get leased subnets.
type Network struct {
	Key string
	// Pools are the sizes wanted, one for each pool: the static subnets of the files, or one /24.
	Pools []Pool
}

// Pool is one subnet wanted.
type Pool struct {
	Bits int
	IPv6 bool
}

// Networks lists the bridge networks that will be the loom's own, in a stable order.
func Networks(p *types.Project, in Input) []Network {
	var list []Network
	for _, key := range slices.Sorted(maps.Keys(p.Networks)) {
		n := p.Networks[key]
		if shared(bool(n.External), key, in, true) || n.Driver != "" && n.Driver != "bridge" || n.Ipam.Driver != "" && n.Ipam.Driver != "default" {
			continue
		}
		network := Network{Key: key}
		for _, pool := range n.Ipam.Config {
			if prefix, err := netip.ParsePrefix(pool.Subnet); err == nil {
				network.Pools = append(network.Pools, Pool{Bits: prefix.Bits(), IPv6: prefix.Addr().Is6()})
			}
		}
		if len(network.Pools) == 0 {
			network.Pools = []Pool{{Bits: 24}}
		}
		list = append(list, network)
	}
	return list
}

// shared tells whether a volume or network stays one for all looms. External volumes do, unless the settings isolate
// them; external networks do only if the settings share them, because two looms on one network answer for each
// other's services.
func shared(external bool, key string, in Input, network bool) bool {
	if in.PortsOnly || slices.Contains(in.Share, key) {
		return true
	}
	return external && !network && !slices.Contains(in.Isolate, key)
}

// Plan lists the edits that isolate the project, in a stable order, and tells what they do and what cannot be
// isolated. It changes nothing.
func Plan(p *types.Project, in Input) ([]Edit, []finding.Finding) {
	b := &planner{p: p, in: in, all: p.AllServices(), names: map[string]string{}, moved: map[netip.Prefix]netip.Prefix{}}
	for name, s := range b.all {
		if s.ContainerName != "" {
			b.names[s.ContainerName] = name
		}
	}
	b.services = slices.Sorted(maps.Keys(b.all))
	if !in.PortsOnly {
		b.networks()
		b.addresses()
		b.volumes()
		b.images()
	}
	for _, name := range b.services {
		b.service(name, b.all[name])
	}
	talk := newCrosstalk(in.Leases)
	for _, name := range b.services {
		b.crosstalk(name, b.all[name], talk)
	}
	b.texts(talk)
	return b.edits, b.findings
}

type planner struct {
	p        *types.Project
	in       Input
	all      types.Services
	services []string
	names    map[string]string             // container name → service
	moved    map[netip.Prefix]netip.Prefix // static subnet → the leased one
	edits    []Edit
	findings []finding.Finding
}

func (b *planner) edit(e Edit) { b.edits = append(b.edits, e) }

func (b *planner) find(level finding.Level, subject, message, remedy string) {
	b.findings = append(b.findings, finding.Finding{Level: level, Subject: subject, Message: message, Remedy: remedy})
}

func (b *planner) label(kind, key string) {
	b.edit(Labels{Kind: kind, Key: key, Labels: b.in.Labels})
}

func (b *planner) networks() {
	for _, key := range slices.Sorted(maps.Keys(b.p.Networks)) {
		n := b.p.Networks[key]
		if shared(bool(n.External), key, b.in, true) {
			name := b.shareName("networks", key, n.Name, bool(n.External))
			b.find(finding.Warning, "network "+key, fmt.Sprintf("%s is shared: looms on it find each other's services by name", name), "take it out of container.share")
			continue
		}
		if own := b.p.Name + "_" + key; n.Name != own || bool(n.External) {
			b.edit(Name{Kind: "networks", Key: key, Old: n.Name, New: own, External: bool(n.External)})
			if n.External {
				b.find(finding.Warning, "network "+key, fmt.Sprintf("the external network %s is replaced by the loom's own: what else is on it is not reached", n.Name), "name it in container.share to keep it")
			}
		}
		if bridge := n.DriverOpts["com.docker.network.bridge.name"]; bridge != "" {
			b.find(finding.Warning, "network "+key, "names the bridge "+bridge+" of the host, which only one loom can have", "leave out the driver option com.docker.network.bridge.name")
		}
		if n.Driver != "" && n.Driver != "bridge" && len(n.Ipam.Config) > 0 {
			b.find(finding.Warning, "network "+key, "has addresses of a "+n.Driver+" network, which all looms share", "")
		}
		b.label("networks", key)
		if subnets := b.in.Subnets[key]; len(subnets) > 0 {
			b.subnets(key, n, subnets)
		}
	}
}

// shareName is the name under which all looms have a volume or network. One without a name of its own is called after
// the project, and so would be another in each loom.
func (b *planner) shareName(kind, key, name string, external bool) string {
	if external || name != b.p.Name+"_"+key {
		return name
	}
	base := b.in.Base + "_" + key
	b.edit(Name{Kind: kind, Key: key, Old: name, New: base})
	return base
}

// subnets moves the network's pools into the leased subnets, and the fixed addresses in them along.
func (b *planner) subnets(key string, n types.NetworkConfig, leased []netip.Prefix) {
	moved := b.moved
	var pools []*types.IPAMPool
	i := 0
	for _, pool := range n.Ipam.Config {
		old, err := netip.ParsePrefix(pool.Subnet)
		if err != nil || i >= len(leased) {
			pools = append(pools, pool)
			continue
		}
		to := leased[i]
		i++
		moved[old.Masked()] = to
		np := &types.IPAMPool{Subnet: to.String(), Gateway: rebase(pool.Gateway, moved), Extensions: pool.Extensions}
		if pool.IPRange != "" {
			if r, err := netip.ParsePrefix(pool.IPRange); err == nil {
				np.IPRange = rebase(r.Addr().String(), moved) + fmt.Sprintf("/%d", r.Bits())
			}
		}
		for name, addr := range pool.AuxiliaryAddresses {
			if np.AuxiliaryAddresses == nil {
				np.AuxiliaryAddresses = types.Mapping{}
			}
			np.AuxiliaryAddresses[name] = rebase(addr, moved)
		}
		pools = append(pools, np)
	}
	if len(pools) == 0 {
		pools = []*types.IPAMPool{{Subnet: leased[0].String()}}
	}
	b.edit(Subnets{Network: key, Pools: pools})
	for _, name := range b.services {
		at := b.all[name].Networks[key]
		if at == nil {
			continue
		}
		e := Address{Service: name, Network: key, IPv4: rebase(at.Ipv4Address, moved), IPv6: rebase(at.Ipv6Address, moved)}
		if e.IPv4 == at.Ipv4Address {
			e.IPv4 = ""
		}
		if e.IPv6 == at.Ipv6Address {
			e.IPv6 = ""
		}
		if e.IPv4+e.IPv6 != "" {
			b.edit(e)
		}
	}
}

// rebase keeps the host part of an address and moves it into the subnet that took the place of its own.
func rebase(address string, moved map[netip.Prefix]netip.Prefix) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	for from, to := range moved {
		if !from.Contains(a) {
			continue
		}
		host, net := a.AsSlice(), to.Addr().AsSlice()
		for i := range host {
			keep := 8 - min(8, max(0, to.Bits()-8*i))
			mask := byte(1<<keep - 1)
			host[i] = net[i]&^mask | host[i]&mask
		}
		if out, ok := netip.AddrFromSlice(host); ok {
			return out.String()
		}
	}
	return address
}

func (b *planner) volumes() {
	for _, key := range slices.Sorted(maps.Keys(b.p.Volumes)) {
		v := b.p.Volumes[key]
		if shared(bool(v.External), key, b.in, false) {
			name := b.shareName("volumes", key, v.Name, bool(v.External))
			remedy := "name it in container.isolate to give each loom its own"
			if slices.Contains(b.in.Share, key) {
				remedy = "take it out of container.share to give each loom its own"
			}
			b.find(finding.Warning, "volume "+key, name+" is shared by all looms", remedy)
			continue
		}
		if own := b.p.Name + "_" + key; v.Name != own || bool(v.External) {
			b.edit(Name{Kind: "volumes", Key: key, Old: v.Name, New: own, External: bool(v.External)})
		}
		if device := v.DriverOpts["device"]; device != "" && v.DriverOpts["type"] != "tmpfs" && !within(device, b.in.Dir) {
			b.find(finding.Warning, "volume "+key, "keeps its data in "+device+", outside the work tree: all looms share it", "leave out the driver option device")
		}
		b.label("volumes", key)
	}
}

// images gives built images the loom's own tags, and their followers too: services that run them, Dockerfiles that are
// FROM them.
func (b *planner) images() {
	builders := map[string]string{} // image → service that builds it
	for _, name := range b.services {
		s := b.all[name]
		if s.Build == nil {
			continue
		}
		for _, tag := range append(slices.Clone(s.Build.Tags), cmp.Or(s.Image, b.in.Base+"-"+name)) {
			builders[tagged(tag)] = name
		}
	}
	kept := b.bases(builders)
	for _, name := range b.services {
		s := b.all[name]
		if s.Build == nil || s.Image == "" && len(s.Build.Tags) == 0 || kept[name] {
			continue
		}
		b.edit(Built{Service: name, Old: s.Image, New: b.p.Name + "-" + name, Tags: len(s.Build.Tags) > 0})
		if s.Image != "" && s.PullPolicy == "" {
			b.find(finding.Info, "service "+name, "builds its image itself: docker compose would first try to pull "+s.Image, "")
		}
	}
	for _, name := range b.services {
		s := b.all[name]
		if from, ok := builders[tagged(s.Image)]; ok && s.Build == nil && s.Image != "" && !kept[from] {
			b.edit(Follows{Service: name, Old: s.Image, New: b.p.Name + "-" + from})
		}
	}
}

// bases lets Dockerfiles that are FROM the image of a sibling build on the loom's own. Where the engine's BuildKit has no
// named contexts it returns the services whose tags have to stay.
func (b *planner) bases(builders map[string]string) (kept map[string]bool) {
	kept = map[string]bool{}
	for _, name := range b.services {
		e := Contexts{Service: name, Images: map[string]string{}}
		for _, image := range b.in.From[name] {
			from, ok := builders[tagged(image)]
			if !ok || from == name {
				continue
			}
			if _, theirs := b.all[name].Build.AdditionalContexts[image]; theirs {
				continue
			}
			if b.in.NamedContexts {
				e.Images[image] = from
				continue
			}
			kept[from] = true
			b.find(finding.Warning, "service "+from, fmt.Sprintf("keeps the image tag %s, which all looms share: the Dockerfile of %s is FROM it, and this engine cannot replace that", image, name), "use Docker Engine 23 or later")
		}
		if len(e.Images) > 0 {
			b.edit(e)
		}
	}
	return kept
}

// tagged is a reference to an image as the engine completes it, so that app and app:latest are the same.
func tagged(image string) string {
	image = strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
	if strings.ContainsAny(image[strings.LastIndex(image, "/")+1:], ":@") {
		return image
	}
	return image + ":latest"
}

func (b *planner) service(name string, s types.ServiceConfig) {
	if !b.in.PortsOnly {
		b.label("services", name)
		if s.ContainerName != "" {
			b.containerName(name, s)
		}
		b.references(name, s)
		b.limits(name, s)
	}
	b.ports(name, s)
}

func (b *planner) containerName(name string, s types.ServiceConfig) {
	e := ContainerName{Service: name, Old: s.ContainerName}
	if s.NetworkMode == "" {
		for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
			if n := b.p.Networks[key]; !shared(bool(n.External), key, b.in, true) {
				e.Networks = append(e.Networks, key)
			}
		}
	}
	b.edit(e)
}

func (b *planner) ports(name string, s types.ServiceConfig) {
	if joins(s) {
		for _, entry := range s.Ports {
			if _, ok := published(name, entry); !ok {
				continue
			}
			if s.NetworkMode == "host" || s.NetworkMode == "none" {
				b.find(finding.Info, "service "+name, fmt.Sprintf("port %s has no effect with network_mode: %s", entry.Published, s.NetworkMode), "")
				continue
			}
			b.find(finding.Error, "service "+name, fmt.Sprintf("publishes port %s with network_mode: %s, which the engine refuses", entry.Published, s.NetworkMode), "publish it on the service whose network it joins")
		}
		return
	}
	was := s.Ports
	if b.in.Ports != nil {
		was = b.in.Ports[name]
	}
	e := Publish{Service: name, Was: was}
	changed := false
	for _, entry := range was {
		moved, ok := move(name, entry, b.in.Leases)
		e.Is = append(e.Is, moved)
		changed = changed || ok
	}
	if changed {
		b.edit(e)
	}
}

// limits tells what of the service no edit can isolate.
func (b *planner) limits(name string, s types.ServiceConfig) {
	subject := "service " + name
	if s.NetworkMode == "host" {
		b.find(finding.Warning, subject, "runs in the host's network: its ports cannot be moved", "use ports instead of network_mode: host")
	}
	for _, ns := range []struct{ kind, mode string }{{"pid", s.Pid}, {"ipc", s.Ipc}} {
		if ns.mode == "host" {
			b.find(finding.Warning, subject, "shares the host's "+ns.kind+" namespace with every loom", "take "+ns.kind+": host out")
		}
	}
	if len(s.Devices) > 0 {
		b.find(finding.Warning, subject, "uses devices of the host, which all looms share", "")
	}
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind || v.ReadOnly {
			continue
		}
		switch {
		case strings.HasSuffix(v.Source, "docker.sock"):
			b.find(finding.Warning, subject, "has the Docker socket: it sees and controls every loom", "")
		case !within(v.Source, b.in.Dir) && (b.in.Common == "" || v.Source != b.in.Common):
			b.find(finding.Warning, subject, fmt.Sprintf("writes to %s, outside the work tree: all looms share it", v.Source), "mount it read-only, or use a named volume")
		}
	}
}

func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Render writes the edits as an override that merges with the base files, behind a header for the loom with this name.
func Render(p *types.Project, loom string, edits []Edit) ([]byte, error) {
	d := NewDocument()
	// The name comes first and always: without it plain docker compose in this folder would act on another project.
	d.Set(p.Name, "", "name")
	for _, e := range edits {
		e.Render(d)
	}
	return d.encode(header(loom))
}

// Whole writes the project itself, for where there is no compose file that an override could merge with.
func Whole(p *types.Project, loom string) ([]byte, error) {
	text, err := p.MarshalYAML()
	if err != nil {
		return nil, err
	}
	// MarshalYAML leaves $ as it is, which Compose would take for a variable.
	return append([]byte(header(loom)), strings.ReplaceAll(string(text), "$", "$$")...), nil
}

const made = "# Made by docker loom"

func header(loom string) string {
	return made + " for " + loom + ". It keeps this copy apart from the others and is written\n" +
		"# anew by every docker loom command; docker loom down removes it. Put changes of your own into other files.\n"
}

package overrides

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
)

// Input is what a plan is made from, beside the project.
type Input struct {
	// Labels go on every service, volume and network of the loom.
	Labels map[string]string
	// Base is the project name that Compose would choose. Images that are built without a name are named after it.
	Base string
	// Leases are the host ports of the project, Beside those of the loom's other projects.
	Leases, Beside []ports.Lease
	// Ports are the services' ports in the base files. It is set if the project was loaded with moved variables, and nil
	// if its own ports are those of the files.
	Ports map[string][]types.ServicePortConfig
	// Subnets are the leased subnets by network key, in the order of Networks' pools.
	Subnets map[string][]netip.Prefix
	// Share and Isolate are the keys of volumes and networks named in the settings.
	Share, Isolate []string
	// Join are the networks and volumes, by their keys here, that other projects of the loom make.
	Join Joined
	// RewriteLocalhost lets environment and build arguments that name localhost and a moved port follow it.
	RewriteLocalhost bool
	// PageHost is the host name that the loom's pages have in a browser. Vars are the lines of the block in .env.
	PageHost string
	Vars     []Var
	// Texts are files of the work tree that are searched for ports and container names of another loom.
	Texts []Text
	// From are the images in the FROM lines of each service's Dockerfile. NamedContexts says that the engine's BuildKit
	// can replace them by other images.
	From          map[string][]string
	NamedContexts bool
	// PortsOnly leaves everything but the ports as it is: the loom main with an offset.
	PortsOnly bool
	// Dir is the work tree's folder. All looms share binds from outside of it.
	Dir string
	// Common is the repository's git folder, which all its looms share on purpose.
	Common string
}

// shared reports whether a volume or network stays one for all looms. External volumes do, unless the settings isolate
// them; external networks do only if the settings share them, because two looms on one network answer for each
// other's services.
func shared(external bool, key string, in Input, network bool) bool {
	if in.PortsOnly || slices.Contains(in.Share, key) {
		return true
	}
	return external && !network && !slices.Contains(in.Isolate, key)
}

// Plan lists the edits that isolate the project, in a stable order, and finds what they do and what cannot be
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
	talk := newCrosstalk(in)
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

// shareName returns the name of a volume or network that all looms share. If the files give it no name, it gets that of
// the base project: Compose would name it after each loom's project.
func (b *planner) shareName(kind, key, name string, external bool) string {
	if external || name != b.p.Name+"_"+key {
		return name
	}
	base := b.in.Base + "_" + key
	b.edit(Name{Kind: kind, Key: key, Old: name, New: base})
	return base
}

func (b *planner) volumes() {
	for _, key := range slices.Sorted(maps.Keys(b.p.Volumes)) {
		v := b.p.Volumes[key]
		if b.join("volumes", key, v.Name) {
			continue
		}
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
			b.find(finding.Warning, "volume "+key,
				"keeps its data in "+device+", outside the work tree: all looms share it", "leave out the driver option device")
		}
		b.label("volumes", key)
	}
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

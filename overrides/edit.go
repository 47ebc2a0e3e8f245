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
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
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

// service changes one service, active or disabled.
func service(p *types.Project, name string, change func(*types.ServiceConfig)) {
	for _, services := range []types.Services{p.Services, p.DisabledServices} {
		if s, ok := services[name]; ok {
			change(&s)
			services[name] = s
		}
	}
}

func changeNetwork(p *types.Project, key string, change func(*types.NetworkConfig)) {
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
		changeNetwork(p, e.Key, func(n *types.NetworkConfig) { n.Labels = add(n.Labels) })
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

// Name gives a volume or network with a fixed or external name the loom's own name.
type Name struct {
	Kind     string // networks or volumes
	Key      string
	Old, New string
	External bool // it was external, and is the loom's own from now on
}

// Apply renames it.
func (e Name) Apply(p *types.Project) {
	if e.Kind == "networks" {
		changeNetwork(p, e.Key, func(n *types.NetworkConfig) { n.Name, n.External = e.New, false })
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

package overrides

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/finding"
)

// Refers makes a service that names containers of this project by their fixed names name their services instead: the
// network or namespace it joins, the volumes it takes, the links it has.
type Refers struct {
	Service string
	// NetworkMode, Ipc and Pid are the new modes; empty: unchanged.
	NetworkMode, Ipc, Pid string
	// VolumesFrom and ExternalLinks are the whole new lists; nil: unchanged.
	VolumesFrom, ExternalLinks []string
	// Links are added in place of external links.
	Links []string
	// Needs are the services named, which Compose has to make first; true for those that it restarts the service with.
	Needs map[string]bool
}

// Apply changes the references, and adds the dependencies that Compose adds when it loads them from files.
func (e Refers) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		for _, m := range []struct {
			to  *string
			new string
		}{{&s.NetworkMode, e.NetworkMode}, {&s.Ipc, e.Ipc}, {&s.Pid, e.Pid}} {
			if m.new != "" {
				*m.to = m.new
			}
		}
		if e.VolumesFrom != nil {
			s.VolumesFrom = e.VolumesFrom
		}
		if e.ExternalLinks != nil {
			s.ExternalLinks = emptyIsNil(e.ExternalLinks)
			s.Links = append(slices.Clone(s.Links), e.Links...)
		}
		s.DependsOn = maps.Clone(s.DependsOn)
		if s.DependsOn == nil {
			s.DependsOn = types.DependsOnConfig{}
		}
		for name, restart := range e.Needs {
			if _, has := s.DependsOn[name]; !has {
				s.DependsOn[name] = types.ServiceDependency{Condition: types.ServiceConditionStarted, Restart: restart, Required: true}
			}
		}
	})
}

func emptyIsNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// Render changes the references. Lists are replaced, because Compose appends them.
func (e Refers) Render(d *Document) {
	for _, m := range []struct{ key, mode string }{{"network_mode", e.NetworkMode}, {"ipc", e.Ipc}, {"pid", e.Pid}} {
		if m.mode != "" {
			d.Set(m.mode, "", "services", e.Service, m.key)
		}
	}
	if e.VolumesFrom != nil {
		d.Set(e.VolumesFrom, override, "services", e.Service, "volumes_from")
	}
	if e.ExternalLinks != nil {
		if len(e.ExternalLinks) == 0 {
			d.Reset("services", e.Service, "external_links")
		} else {
			d.Set(e.ExternalLinks, override, "services", e.Service, "external_links")
		}
		d.Set(e.Links, "", "services", e.Service, "links")
	}
}

func (e Refers) String() string {
	return fmt.Sprintf("service %s: refers to %s by service, not by container name", e.Service, strings.Join(slices.Sorted(maps.Keys(e.Needs)), ", "))
}

// references finds the container names that a service refers to.
func (b *planner) references(name string, s types.ServiceConfig) {
	e := Refers{Service: name, Needs: map[string]bool{}}
	mode := func(old string) string {
		if target, ok := strings.CutPrefix(old, types.ContainerPrefix); ok && b.names[target] != "" {
			e.Needs[b.names[target]] = true
			return types.ServicePrefix + b.names[target]
		}
		return ""
	}
	e.NetworkMode, e.Ipc, e.Pid = mode(s.NetworkMode), mode(s.Ipc), mode(s.Pid)
	var from []string
	for _, v := range s.VolumesFrom {
		container, ok := strings.CutPrefix(v, types.ContainerPrefix)
		target, access, _ := strings.Cut(container, ":")
		if ok && b.names[target] != "" {
			if own := b.names[target]; !e.Needs[own] {
				e.Needs[own] = false
			}
			v = b.names[target]
			if access != "" {
				v += ":" + access
			}
			e.VolumesFrom = []string{}
		}
		from = append(from, v)
	}
	if e.VolumesFrom != nil {
		e.VolumesFrom = from
	}
	rest := []string{}
	for _, link := range s.ExternalLinks {
		target, alias, ok := strings.Cut(link, ":")
		if !ok {
			alias = target
		}
		if own := b.names[target]; own != "" {
			e.Needs[own] = true
			e.Links = append(e.Links, own+":"+alias)
			continue
		}
		b.find(finding.Warning, "service "+name, "links to the container "+target+", which is not of this project: all looms share it", "")
		rest = append(rest, link)
	}
	if e.Links != nil {
		e.ExternalLinks = rest
	}
	if len(e.Needs) > 0 {
		b.edit(e)
	}
}

// Contexts lets a Dockerfile that is FROM the image of a sibling build on the loom's own image of that sibling.
type Contexts struct {
	Service string
	// Images are the images as the Dockerfile has them, with the service that builds each.
	Images map[string]string
}

// Apply adds the named contexts. Build is no part of Compose's hash.
func (e Contexts) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		build := *s.Build
		build.AdditionalContexts = maps.Clone(build.AdditionalContexts)
		if build.AdditionalContexts == nil {
			build.AdditionalContexts = types.Mapping{}
		}
		for image, from := range e.Images {
			build.AdditionalContexts[image] = types.ServicePrefix + from
		}
		s.Build = &build
	})
}

// Render adds the named contexts.
func (e Contexts) Render(d *Document) {
	for _, image := range slices.Sorted(maps.Keys(e.Images)) {
		d.Set(types.ServicePrefix+e.Images[image], "", "services", e.Service, "build", "additional_contexts", image)
	}
}

func (e Contexts) String() string {
	return fmt.Sprintf("service %s: builds on the loom's own image of %s", e.Service, strings.Join(slices.Sorted(maps.Values(e.Images)), ", "))
}

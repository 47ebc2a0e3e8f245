package overrides

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Refers replaces the fixed container names that a service uses by the names of their services: in its network and
// namespaces, in volumes_from and in its links.
type Refers struct {
	Service string
	// NetworkMode, Ipc and Pid are the new modes; empty: unchanged.
	NetworkMode, Ipc, Pid string
	// VolumesFrom and ExternalLinks are the whole new lists; nil: unchanged.
	VolumesFrom, ExternalLinks []string
	// Links are added in place of external links.
	Links []string
	// Needs are the named services: Compose must start them first. The value is true if the service must be restarted
	// when that one is.
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
				s.DependsOn[name] = types.ServiceDependency{
					Condition: types.ServiceConditionStarted, Restart: restart, Required: true,
				}
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
	needs := strings.Join(slices.Sorted(maps.Keys(e.Needs)), ", ")
	return fmt.Sprintf("service %s: refers to %s by service, not by container name", e.Service, needs)
}

// references plans the edit for the fixed container names that a service uses.
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
		b.find(finding.Warning, "service "+name,
			"links to the container "+target+", which is not of this project: all looms share it", "")
		rest = append(rest, link)
	}
	if e.Links != nil {
		e.ExternalLinks = rest
	}
	if len(e.Needs) > 0 {
		b.edit(e)
	}
}

// Hosts moves the fixed addresses in a service's extra_hosts and dns into the leased subnets.
type Hosts struct {
	Service string
	// ExtraHosts and DNS are the whole new lists; nil: unchanged.
	ExtraHosts types.HostsList
	DNS        []string
}

// Apply replaces the lists.
func (e Hosts) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		if e.ExtraHosts != nil {
			s.ExtraHosts = e.ExtraHosts
		}
		if e.DNS != nil {
			s.DNS = e.DNS
		}
	})
}

// Render writes the lists whole, because Compose appends them.
func (e Hosts) Render(d *Document) {
	if e.ExtraHosts != nil {
		d.Set(e.ExtraHosts, override, "services", e.Service, "extra_hosts")
	}
	if e.DNS != nil {
		d.Set(e.DNS, override, "services", e.Service, "dns")
	}
}

func (e Hosts) String() string {
	return fmt.Sprintf("service %s: addresses in extra_hosts and dns follow their subnets", e.Service)
}

var ipv4 = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)

// addresses plans the edits for fixed addresses that are in a moved subnet.
func (b *planner) addresses() {
	if len(b.moved) == 0 {
		return
	}
	for _, name := range b.services {
		s := b.all[name]
		e := Hosts{Service: name}
		changed := false
		hosts := types.HostsList{}
		for host, ips := range s.ExtraHosts {
			for _, ip := range ips {
				to := rebase(ip, b.moved)
				changed = changed || to != ip
				hosts[host] = append(hosts[host], to)
			}
		}
		if changed {
			e.ExtraHosts = hosts
		}
		var dns []string
		for _, ip := range s.DNS {
			dns = append(dns, rebase(ip, b.moved))
		}
		if !slices.Equal(dns, s.DNS) {
			e.DNS = dns
		}
		if e.ExtraHosts != nil || e.DNS != nil {
			b.edit(e)
		}
		s.Environment = maps.Clone(s.Environment)
		for _, key := range slices.Sorted(maps.Keys(s.Environment)) {
			old := s.Environment[key]
			if old == nil {
				continue
			}
			to := ipv4.ReplaceAllStringFunc(*old, func(ip string) string { return rebase(ip, b.moved) })
			if to != *old {
				b.edit(Env{Service: name, Key: key, Old: *old, New: to})
				s.Environment[key] = &to
			}
		}
		// Later steps see the environment with the new addresses.
		b.all[name] = s
	}
}

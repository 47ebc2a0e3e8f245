package overrides

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
)

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

// joins reports whether the service has no network of its own, so that the engine publishes nothing for it.
func joins(s types.ServiceConfig) bool {
	mode := s.NetworkMode
	return mode == "host" || mode == "none" ||
		strings.HasPrefix(mode, types.ServicePrefix) || strings.HasPrefix(mode, types.ContainerPrefix)
}

func (b *planner) ports(name string, s types.ServiceConfig) {
	if joins(s) {
		for _, entry := range s.Ports {
			if _, ok := published(name, entry); !ok {
				continue
			}
			if s.NetworkMode == "host" || s.NetworkMode == "none" {
				b.find(finding.Info, "service "+name,
					fmt.Sprintf("port %s has no effect with network_mode: %s", entry.Published, s.NetworkMode), "")
				continue
			}
			b.find(finding.Error, "service "+name,
				fmt.Sprintf("publishes port %s with network_mode: %s, which the engine refuses", entry.Published, s.NetworkMode),
				"publish it on the service whose network it joins")
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

// move gives one entry of a service's ports its leased host port, or returns it as it is if it publishes none.
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

// published reads the host side of one entry: a port or a range. ok is false if the engine chooses (no published
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
	return ports.Port{
		Service: service, Target: int(p.Target), Protocol: protocol, HostIP: p.HostIP, Base: lo, Count: hi - lo + 1,
	}, true
}

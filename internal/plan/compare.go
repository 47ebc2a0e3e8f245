package plan

import (
	"fmt"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// compare compares the plan with what runs.
func (m *maker) compare() error {
	if !m.choices.Compare {
		return nil
	}
	m.Recreated = m.whyRecreated()
	own := m.facts.Engine.Project(m.Entry.Project)
	var seen []stack.Seen
	for _, c := range own {
		if c.OneOff || c.Labels[sandbox.LabelAgent] != "" {
			continue
		}
		done := c.State == "exited" && c.ExitCode == 0 && m.MayFinish(c.Service)
		up := c.State == "running" && c.Health != "unhealthy" || done
		seen = append(seen, stack.Seen{Service: c.Service, Labels: c.Labels, Up: up})
		if !stack.HasService(m.Project, c.Service) {
			m.Orphans = append(m.Orphans, c.Name)
		}
	}
	m.Changes = stack.Compare(m.Project, seen, func(ref string) string {
		id, known := m.facts.Engine.Images[ref]
		if !known {
			m.needs.Images = append(m.needs.Images, ref)
		}
		return id
	})
	confinement{m}.findLostCapabilities(seen)
	m.recreateOnDemand()
	building{m}.noteBuilt()
	if len(seen) == 0 {
		return nil
	}
	if m.facts.Engine.Networks == nil {
		m.needs.Networks = true
	}
	var networks []map[string]string
	for _, n := range m.facts.Engine.ProjectNetworks(m.Entry.Project) {
		networks = append(networks, n.Labels)
	}
	m.Converged = m.NextImage == nil && stack.Converged(m.Project, seen, networks, m.Changes)
	return nil
}

// recreateOnDemand says of the containers that are kept that the user wants others in their place.
func (m *maker) recreateOnDemand() {
	for name, change := range m.Changes {
		if m.choices.ForceRecreate && (change == stack.ChangeKeep || change == stack.ChangeStart) {
			m.Changes[name] = stack.ChangeRecreate
		}
	}
}

// MayFinish reports whether a service may end by itself: with restart: always it may not, nor may a dev
// container, which exits with 0 when it is stopped.
func (p *Plan) MayFinish(service string) bool {
	if service == EgressService || p.Dev != nil && service == p.Dev.Service {
		return false
	}
	restart := p.Project.Services[service].Restart
	return restart != "always" && restart != "unless-stopped"
}

// OrphanError says that a port of a service is held by a container of the same loom whose service is no longer in the
// files.
type OrphanError struct{ Loom, Container, Service, Port string }

// Error names the container and the port.
func (e *OrphanError) Error() string {
	return fmt.Sprintf(
		"port %s of service %s is held by the loom's own container %s, whose service is no longer in the files",
		e.Port, e.Service, e.Container)
}

// NextStep says what the user does next.
func (e *OrphanError) NextStep() string {
	return fmt.Sprintf("docker loom up %s --remove-orphans removes it", e.Loom)
}

// Orphan returns an [*OrphanError] if a container of a renamed or removed service holds a port that is wanted. The
// engine would only say that the port is allocated.
func (p *Plan) Orphan(own []engine.Container) error {
	wanted := p.PublishedPorts()
	for _, c := range own {
		if stack.HasService(p.Project, c.Service) || c.OneOff {
			continue
		}
		for _, pub := range c.Published {
			for _, port := range wanted {
				if pub.Via == "" && port.Host == pub.Host && port.Protocol == pub.Protocol {
					return &OrphanError{p.ID, c.Name, port.Service, fmt.Sprintf("%d/%s", port.Host, port.Protocol)}
				}
			}
		}
	}
	return nil
}

// PublishedPort is a host port that a service will have. If a sidecar publishes it, Service is still the service behind
// it.
type PublishedPort struct {
	Service, Protocol, HostIP string
	Target, Host              int
}

// PublishedPorts lists what the loom's containers will publish.
func (p *Plan) PublishedPorts() []PublishedPort {
	var list []PublishedPort
	for _, name := range p.Project.ServiceNames() {
		s := p.Project.Services[name]
		forwards := engine.ParseForwards(s.Labels[engine.LabelForwards])
		for _, entry := range s.Ports {
			var first, last int
			port := PublishedPort{Service: name, Protocol: entry.Protocol, HostIP: entry.HostIP, Target: int(entry.Target)}
			for _, f := range forwards {
				if f.Listen == port.Target && f.Protocol == entry.Protocol {
					port.Service, port.Target = f.Service, f.Target
					break
				}
			}
			if n, _ := fmt.Sscanf(entry.Published, "%d-%d", &first, &last); n > 0 {
				port.Host = first
				list = append(list, port)
			}
		}
	}
	return list
}

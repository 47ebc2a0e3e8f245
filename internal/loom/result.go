package loom

import (
	"fmt"
	"time"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
)

// Result is what up and ps tell of a loom.
type Result struct {
	Loom     string            `json:"loom"`
	Project  string            `json:"project"`
	WorkTree string            `json:"workTree"`
	Services []Service         `json:"services"`
	Ports    []Port            `json:"ports"`
	Findings []finding.Finding `json:"findings"`
}

// Service is one container of a loom.
type Service struct {
	Name      string `json:"name"`
	Container string `json:"container"`
	// State is that of the container: running, exited, created, paused, restarting or dead.
	State string `json:"state"`
	// Health is starting, healthy or unhealthy, and empty where there is no healthcheck.
	Health string `json:"health"`
	// ExitCode is that of a container that exited.
	ExitCode int `json:"-"`
}

// Port is one host port of a loom.
type Port struct {
	Service   string `json:"service"`
	Target    int    `json:"target"`
	Published int    `json:"published"`
	Protocol  string `json:"protocol"`
	HostIP    string `json:"hostIp"`
	// URL is where a browser finds it, empty where the port does not speak HTTP.
	URL string `json:"url"`
	// Label is what the devcontainer.json calls the port.
	Label string `json:"label,omitempty"`
	// Opens says that the devcontainer.json wants a browser opened.
	Opens bool `json:"-"`
	// Silent is true where up waited and nobody answered.
	Silent bool `json:"silent,omitempty"`
}

// result is what there is to tell of a loom.
func (l *Looms) result(plan *Plan, own []engine.Container) *Result {
	r := &Result{Loom: plan.ID, Project: plan.Entry.Project, WorkTree: plan.WorkTree, Services: services(own), Findings: plan.Findings}
	r.Ports = l.ports(plan.ID, own)
	if len(own) == 0 || len(r.Ports) == 0 {
		r.Ports = l.planned(plan)
	}
	for i, p := range r.Ports {
		r.Ports[i] = l.portOf(plan, p)
	}
	if r.Findings == nil {
		r.Findings = []finding.Finding{}
	}
	return r
}

// portOf gives a port the label and the protocol that the devcontainer.json says.
func (l *Looms) portOf(plan *Plan, p Port) Port {
	a := plan.Dev.PortAttributes(p.Service, p.Target)
	p.Label = a.Label
	p.Opens = a.OnAutoForward == "openBrowser" || a.OnAutoForward == "openBrowserOnce"
	if a.Protocol == "http" || a.Protocol == "https" {
		p.URL = l.names(plan.ID).URL(a.Protocol, p.HostIP, p.Published)
	}
	return p
}

func services(own []engine.Container) []Service {
	list := []Service{}
	for _, c := range own {
		if c.OneOff {
			continue
		}
		s := Service{Name: c.Service, Container: c.Name, State: c.State, Health: c.Health}
		if c.State == "exited" {
			s.ExitCode = c.ExitCode
		}
		list = append(list, s)
	}
	return list
}

// ports lists what the loom's running containers publish.
func (l *Looms) ports(id string, own []engine.Container) []Port {
	list := []Port{}
	for _, c := range own {
		for _, pub := range c.Published {
			list = append(list, l.port(id, c.Service, pub.Target, pub.Host, pub.Protocol, pub.HostIP))
		}
	}
	return list
}

// planned lists what a loom whose containers do not run will publish.
func (l *Looms) planned(p *Plan) []Port {
	list := []Port{}
	for _, port := range p.PublishedPorts() {
		list = append(list, l.port(p.ID, port.Service, port.Target, port.Host, port.Protocol, port.HostIP))
	}
	return list
}

func (l *Looms) port(id, service string, target, host int, protocol, ip string) Port {
	p := Port{Service: service, Target: target, Published: host, Protocol: protocol, HostIP: ip}
	if scheme := endpoint.Scheme(target, protocol); scheme != "" {
		p.URL = l.names(id).URL(scheme, ip, host)
	}
	return p
}

// names are the host names of a loom's published ports.
func (l *Looms) names(id string) endpoint.Names {
	n := endpoint.Names{Host: l.Engine.HostName()}
	if l.Engine.Local() && id != Main {
		n.Label = identity.HostLabel(id)
	}
	return n
}

// dial is where a published port of the engine is reached from here.
func (l *Looms) dial(p Port) string {
	return endpoint.Names{Host: l.Engine.HostName()}.Dial(p.HostIP, p.Published)
}

// silence notes that nobody answered on a port.
func (r *Result) silence(silent apply.Probe, after time.Duration) {
	for i, p := range r.Ports {
		if p.Service == silent.Service && p.Target == silent.Target && p.Published == silent.Host &&
			p.HostIP == silent.HostIP {
			r.Ports[i].Silent, r.Ports[i].URL = true, ""
		}
	}
	r.Findings = append(r.Findings, finding.Finding{
		Level: finding.Warning, Subject: "service " + silent.Service,
		Message: fmt.Sprintf("nobody answers on port %d (container port %d) after %s", silent.Host, silent.Target, after),
	})
}

// Package report is what up and ps tell of a loom: its services, its ports and where a browser finds them.
package report

import (
	"fmt"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Result is what up and ps tell of a loom.
type Result struct {
	Loom string `json:"loom"`
	// Project is the one of the folder: what follows is about it. Projects are all of the loom.
	Project  string            `json:"project"`
	WorkTree string            `json:"workTree"`
	Services []Service         `json:"services"`
	Ports    []Port            `json:"ports"`
	Findings []finding.Finding `json:"findings"`
	Projects []Project         `json:"projects"`
}

// ProjectName tells the projects of a loom apart.
type ProjectName struct {
	// Folder is as --project takes it: "." for the top of the work tree.
	Folder  string `json:"folder"`
	Project string `json:"project"`
}

// Project is one of a loom's Compose projects.
type Project struct {
	ProjectName
	Services []Service `json:"services"`
	Ports    []Port    `json:"ports"`
}

// NameOf tells which project an entry of the registry is.
func NameOf(k *registry.Loom) ProjectName { return ProjectName{Folder: k.Folder(), Project: k.Project} }

// Of is a project with what it has.
func Of(k *registry.Loom, services []Service, ports []Port) Project {
	return Project{ProjectName: NameOf(k), Services: services, Ports: ports}
}

// Service is one container of a loom.
type Service struct {
	Name      string `json:"name"`
	Container string `json:"container"`
	// State is that of the container: running, exited, created, paused, restarting or dead.
	State string `json:"state"`
	// Health is starting, healthy or unhealthy, and empty without a healthcheck.
	Health string `json:"health"`
	// ExitCode is that of a container that exited, or is restarted because it did.
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

// New is what there is to tell of a loom.
func New(e *engine.Engine, p *plan.Plan, own []engine.Container) *Result {
	r := &Result{
		Loom: p.ID, Project: p.Entry.Project, WorkTree: p.WorkTree, Services: ListServices(own), Findings: p.Findings,
	}
	r.Ports = PublishedPorts(e, p.ID, own)
	if len(own) == 0 || len(r.Ports) == 0 {
		r.Ports = PlannedPorts(e, p)
	}
	for i, port := range r.Ports {
		r.Ports[i] = withAttributes(e, p, port)
	}
	if r.Findings == nil {
		r.Findings = []finding.Finding{}
	}
	r.Projects = []Project{Of(&p.Entry, r.Services, r.Ports)}
	return r
}

// Observed is a project with its containers, and what they publish. Without ports of containers it has those that were
// leased, whose services are not known.
func Observed(e *engine.Engine, k *registry.Loom, own []engine.Container) Project {
	list := PublishedPorts(e, k.ID, own)
	if len(list) == 0 {
		list = append(list, LeasedPorts(k)...)
	}
	return Of(k, ListServices(own), list)
}

// LeasedPorts are the ports that a project without containers will publish. Their services are not known.
func LeasedPorts(k *registry.Loom) []Port {
	list := []Port{}
	for _, lease := range k.Ports {
		list = append(list, Port{Published: lease.Host, Target: lease.Base, Protocol: lease.Protocol, HostIP: lease.IP})
	}
	return list
}

// withAttributes gives a port the label and the protocol that the devcontainer.json says.
func withAttributes(e *engine.Engine, p *plan.Plan, port Port) Port {
	a := p.Dev.PortAttributes(port.Service, port.Target)
	port.Label = a.Label
	port.Opens = a.OnAutoForward == "openBrowser" || a.OnAutoForward == "openBrowserOnce"
	if a.Protocol == "http" || a.Protocol == "https" {
		port.URL = survey.HostNames(e, p.ID).URL(a.Protocol, port.HostIP, port.Published)
	}
	return port
}

// ListServices describes the containers of a loom, without those of run commands.
func ListServices(own []engine.Container) []Service {
	list := []Service{}
	for _, c := range own {
		if c.OneOff {
			continue
		}
		s := Service{Name: c.Service, Container: c.Name, State: c.State, Health: c.Health}
		if c.State == "exited" || c.State == "restarting" {
			s.ExitCode = c.ExitCode
		}
		list = append(list, s)
	}
	return list
}

// PublishedPorts lists what the loom's running containers publish.
func PublishedPorts(e *engine.Engine, id string, own []engine.Container) []Port {
	list := []Port{}
	for _, c := range own {
		for _, pub := range c.Published {
			list = append(list, newPort(e, id, plan.PublishedPort{
				Service: c.Service, Target: pub.Target, Host: pub.Host, Protocol: pub.Protocol, HostIP: pub.HostIP,
			}))
		}
	}
	return list
}

// PlannedPorts lists what a loom whose containers do not run will publish.
func PlannedPorts(e *engine.Engine, p *plan.Plan) []Port {
	list := []Port{}
	for _, port := range p.PublishedPorts() {
		list = append(list, newPort(e, p.ID, port))
	}
	return list
}

func newPort(e *engine.Engine, id string, of plan.PublishedPort) Port {
	p := Port{
		Service: of.Service, Target: of.Target, Published: of.Host, Protocol: of.Protocol, HostIP: of.HostIP,
	}
	if scheme := endpoint.Scheme(of.Target, of.Protocol); scheme != "" {
		p.URL = survey.HostNames(e, id).URL(scheme, of.HostIP, of.Host)
	}
	return p
}

// DialAddress is where a published port of the engine is reached from here.
func (p Port) DialAddress(e *engine.Engine) string {
	return endpoint.Names{Host: e.HostName()}.Dial(p.HostIP, p.Published)
}

// MarkSilent notes that nobody answered on a port.
func (r *Result) MarkSilent(silent apply.Silent) {
	for i, p := range r.Ports {
		if p.Service == silent.Service && p.Target == silent.Target && p.Published == silent.Host &&
			p.HostIP == silent.HostIP {
			r.Ports[i].Silent, r.Ports[i].URL = true, ""
		}
	}
	r.Findings = append(r.Findings, finding.Finding{
		Level: finding.Warning, Subject: "service " + silent.Service,
		Message: fmt.Sprintf("nobody answers on port %d (container port %d) %s", silent.Host, silent.Target, silent.Why),
	})
}

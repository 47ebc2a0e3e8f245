package apply

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan"
)

func isMain(p *plan.Plan) bool { return p.ID == identity.Main }

// Probe is a published tcp port that somebody should answer on.
type Probe struct {
	Service, HostIP string
	Target, Host    int
	// container is the ID of the container that publishes it.
	container string
	// behind are the container's own addresses of it.
	behind []netip.AddrPort
}

// Reasons why a service is not ready.
const (
	restarting   = "restarting"
	noContainer  = "no container"
	awaitsHealth = "healthcheck"
)

// notReady is a service that is not ready, with what it waits for.
type notReady struct{ service, reason string }

func (n notReady) String() string { return n.service + " (" + n.reason + ")" }

// failure is a container that ended badly or is unhealthy.
type failure struct {
	engine.Container
	// what happened, as in "exited with code 1".
	what string
}

// verdict is what one look at the containers says.
type verdict struct {
	failures []failure
	waiting  []notReady
	probes   []Probe // ports to be asked, of running services without a healthcheck
}

// judge decides which services are ready: a healthcheck if there is one, an exit with 0 for one that may end, otherwise
// the published tcp ports.
func judge(p *plan.Plan, own []engine.Container) verdict {
	var v verdict
	missing := map[string]bool{}
	for name, s := range p.Project.Services {
		missing[name] = s.GetScale() > 0
	}
	for _, c := range own {
		if _, planned := p.Project.Services[c.Service]; planned && !c.OneOff {
			delete(missing, c.Service)
			v.add(p, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if missing[name] {
			v.waiting = append(v.waiting, notReady{name, noContainer})
		}
	}
	return v
}

func (v *verdict) add(p *plan.Plan, c engine.Container) {
	restarts := !p.MayFinish(c.Service) && (p.Dev == nil || c.Service != p.Dev.Service)
	wait := func(reason string) { v.waiting = append(v.waiting, notReady{c.Service, reason}) }
	switch {
	case c.State == "exited" && c.ExitCode == 0 && p.MayFinish(c.Service):
	case c.State == "exited" && restarts:
		wait(restarting)
	case c.State == "exited" || c.State == "dead":
		v.failures = append(v.failures, failure{c, fmt.Sprintf("exited with code %d", c.ExitCode)})
	case c.Health == "unhealthy":
		v.failures = append(v.failures, failure{c, isUnhealthy})
	case c.State == "restarting":
		wait(restarting)
	case c.State != "running":
		wait(c.State)
	case c.Health == "starting":
		wait(awaitsHealth)
	case c.Health == "":
		v.probes = append(v.probes, probes(p, c)...)
	}
}

// isWaiting reports whether a service is not ready for this reason.
func (v *verdict) isWaiting(service, reason string) bool {
	return slices.Contains(v.waiting, notReady{service, reason})
}

// probes are the ports of a running service that somebody should answer on.
func probes(p *plan.Plan, c engine.Container) []Probe {
	var list []Probe
	for _, pub := range c.Published {
		if pub.Protocol != "tcp" || p.Dev.MayBeSilent(c.Service, pub.Target) {
			continue
		}
		probe := Probe{Service: c.Service, HostIP: pub.HostIP, Target: pub.Target, Host: pub.Host, container: c.ID}
		if pub.Via == "" {
			// Otherwise the host is on none of its networks, and the forwarder ends a connection that the service does not
			// take.
			for _, address := range c.Addresses {
				at := netip.AddrPortFrom(address, uint16(pub.Target)) //nolint:gosec // a port
				probe.behind = append(probe.behind, at)
			}
		}
		list = append(list, probe)
	}
	return list
}

// atFault are those of the services that failed or wait for themselves: none of what they depend on is among them.
func atFault(services types.Services, among []string) []string {
	return slices.DeleteFunc(slices.Clone(among), func(name string) bool {
		return dependsOnAny(services, name, among, map[string]bool{name: true})
	})
}

// dependsOnAny reports whether a service depends on one of the others, be it by way of more services.
func dependsOnAny(services types.Services, name string, others []string, seen map[string]bool) bool {
	for dependency := range services[name].DependsOn {
		if seen[dependency] {
			continue
		}
		seen[dependency] = true
		if slices.Contains(others, dependency) || dependsOnAny(services, dependency, others, seen) {
			return true
		}
	}
	return false
}

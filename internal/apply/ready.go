package apply

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/plan"
)

// tailLines is how much of a dead container's log an error shows.
const tailLines = 10

func isMain(p *plan.Plan) bool { return p.ID == identity.Main }

// DeadError says that a service ended or is unhealthy instead of getting ready.
type DeadError struct {
	Service, Container string
	// What happened, as in "exited with code 1".
	What string
	// Tail are its last log lines.
	Tail []string
}

// Error names the service, what happened, and its last log lines.
func (e *DeadError) Error() string {
	s := fmt.Sprintf("service %s: container %s %s", e.Service, e.Container, e.What)
	if len(e.Tail) > 0 {
		s += "; its last lines:\n  " + strings.Join(e.Tail, "\n  ")
	}
	return s
}

// NextStep says what the user does next.
func (*DeadError) NextStep() string {
	return "correct what its last lines say, then run docker loom up again"
}

// SlowError says that services were not ready in time.
type SlowError struct {
	Timeout time.Duration
	Waiting []string
}

// Error lists what was waited for.
func (e *SlowError) Error() string {
	return fmt.Sprintf("not ready after %s: %s", e.Timeout, strings.Join(e.Waiting, ", "))
}

// NextStep says what the user does next.
func (*SlowError) NextStep() string {
	return "docker loom logs shows what they are doing; --wait-timeout gives them more time"
}

// Probe is a published tcp port that somebody should answer on.
type Probe struct {
	Service, HostIP string
	Target, Host    int
	// behind are the container's own addresses of it.
	behind []netip.AddrPort
}

// verdict is what one look at the containers says.
type verdict struct {
	dead    *engine.Container // ended badly or unhealthy
	why     string
	waiting []string // services that are not ready, with what they wait for
	probes  []Probe  // ports to be asked, of running services without a healthcheck
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
			v.waiting = append(v.waiting, name+" (no container)")
		}
	}
	return v
}

func (v *verdict) add(p *plan.Plan, c engine.Container) {
	restarts := !p.MayFinish(c.Service) && (p.Dev == nil || c.Service != p.Dev.Service)
	switch {
	case c.State == "exited" && c.ExitCode == 0 && p.MayFinish(c.Service):
	case c.State == "exited" && restarts:
		v.waiting = append(v.waiting, c.Service+" (restarting)")
	case c.State == "exited" || c.State == "dead":
		v.dead, v.why = &c, fmt.Sprintf("exited with code %d", c.ExitCode)
	case c.Health == "unhealthy":
		v.dead, v.why = &c, "is unhealthy"
	case c.State == "restarting":
		v.waiting = append(v.waiting, c.Service+" (restarting)")
	case c.State != "running":
		v.waiting = append(v.waiting, c.Service+" ("+c.State+")")
	case c.Health == "starting":
		v.waiting = append(v.waiting, c.Service+" (healthcheck)")
	case c.Health == "":
		v.probes = append(v.probes, probes(p, c)...)
	}
}

// probes are the ports of a running service that somebody should answer on.
func probes(p *plan.Plan, c engine.Container) []Probe {
	var list []Probe
	for _, pub := range c.Published {
		if pub.Protocol != "tcp" || p.Dev.MayBeSilent(c.Service, pub.Target) {
			continue
		}
		probe := Probe{Service: c.Service, HostIP: pub.HostIP, Target: pub.Target, Host: pub.Host}
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

// Dead says that a container ended, with its last log lines.
func (a *Applier) Dead(ctx context.Context, c engine.Container, why string) error {
	tail, err := a.Engine.Tail(ctx, c.ID, tailLines)
	if err != nil {
		a.Teller.Debugf("log of %s: %v", c.Name, err)
	}
	return &DeadError{Service: c.Service, Container: c.Name, What: why, Tail: tail}
}

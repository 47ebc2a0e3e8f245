package plan

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// Names of the service and the network that a confined loom has in addition to its files: the sidecar, and the network
// that only the sidecar is on.
const (
	EgressService = "loom-egress"
	EgressOuter   = "loom-egress-out"
)

// OpenDevContainerError says that a dev container cannot be used as it is: an agent works on the loom, and what another
// tool made leaves without the sidecar.
type OpenDevContainerError struct{ Loom, Container string }

// Error names the container.
func (e *OpenDevContainerError) Error() string {
	return "container " + e.Container + " was made by another tool and reaches every host: an agent of loom " + e.Loom +
		" would too"
}

// NextStep says what the user does next.
func (*OpenDevContainerError) NextStep() string {
	return "docker loom up ID --force-recreate makes it the loom's own"
}

// ConfinementOf returns how the services of a loom are confined, nil if they are not. If one project is confined, all
// are: the agent reaches the services of each, whichever project its sandbox is in.
func ConfinementOf(t *survey.Target) *registry.Confined {
	if t.ID == identity.Main {
		return nil
	}
	for _, k := range append([]*registry.Loom{t.Known}, t.Projects...) {
		if k != nil && k.Confined != nil {
			return k.Confined
		}
	}
	return nil
}

// confine puts the isolated project's services on internal networks, if the loom is confined.
func (m *maker) confine() error {
	c := m.Confined()
	if c == nil {
		return nil
	}
	project, closing := m.model.Project, m.shared.closing()
	in := overrides.Confinement{
		Sidecar: confinement{m}.sidecar(c, closing),
		Port:    egress.Port, Outer: EgressOuter, Subnets: registry.Prefixes(m.Entry.Subnets)[EgressOuter],
		Labels:  map[string]string{engine.LabelLoom: m.ID, engine.LabelRepo: m.Repository},
		Isolate: func(n *types.NetworkConfig) { sandbox.Isolate(n, sandbox.Gateway(m.facts.Engine.IsolatedGateway)) },
		Closing: closing, Tree: m.RealWorkTree, Common: m.CommonDir, ReadOnly: m.facts.Guarded,
		Mounted: m.facts.MountedBeside, Proxies: m.facts.Proxies, ResolveLinks: m.real,
	}
	if m.facts.Dev != nil {
		in.Dev = m.facts.Dev.Service
	}
	edits, findings, open := overrides.Confine(project, in)
	m.edits, m.Findings, m.Open = append(m.edits, edits...), append(m.Findings, findings...), open
	for _, path := range open {
		m.find(finding.Finding{
			Level: finding.Warning, Subject: "service " + path.Service,
			Message: path.What + ": this stays open while the services are confined",
		})
	}
	overrides.Apply(project, edits)
	return nil
}

// confinement makes what a confined loom has beside the files.
type confinement struct{ *maker }

// sidecar returns the service that forwards all traffic into and out of the confined networks.
func (m confinement) sidecar(c *registry.Confined, closing overrides.Closing) types.ServiceConfig {
	project := m.model.Project
	cfg := egress.Config{
		Mode: egress.Mode(c.Mode), Allow: c.Allow, Services: project.ServiceNames(),
		Hint:    "docker loom agent allow " + m.facts.Target.ID,
		Closed:  egress.Closed(m.facts.Host.Addresses),
		Clients: m.clients(closing.Networks(project)),
	}
	var label []engine.Forward
	for _, f := range closing.Forwards(project) {
		label = append(label, engine.Forward{Listen: f.Listen, Protocol: f.Protocol, Service: f.Service, Target: f.Target})
		target := f.Service + ":" + strconv.Itoa(f.Target)
		cfg.Forwards = append(cfg.Forwards, egress.Forward{Listen: f.Listen, Protocol: f.Protocol, Target: target})
	}
	s := sandbox.Sidecar(EgressService, c.Image, cfg)
	if len(label) > 0 {
		s.Labels = types.Labels{engine.LabelForwards: engine.FormatForwards(label)}
	}
	for _, other := range project.Services {
		if other.Restart == types.RestartPolicyAlways || other.Restart == types.RestartPolicyUnlessStopped {
			// Services that restart with the engine need the sidecar for their way out and their ports.
			s.Restart = types.RestartPolicyUnlessStopped
		}
	}
	return s
}

// clients are the subnets of the confined networks.
func (m confinement) clients(networks []string) []netip.Prefix {
	subnets := m.shared.subnets()
	var clients []netip.Prefix
	for _, key := range networks {
		clients = append(clients, slices.DeleteFunc(slices.Clone(subnets[key]), func(p netip.Prefix) bool {
			return !p.Addr().Is4()
		})...)
	}
	return clients
}

// findLostCapabilities adds a finding for each service whose container differs from the plan only by the capability
// NET_RAW: an earlier docker loom left it to confined services.
func (m confinement) findLostCapabilities(seen []stack.Seen) {
	for _, edit := range m.edits {
		drop, ok := edit.(overrides.DropNetRaw)
		if !ok || m.Changes[drop.Service] != stack.ChangeRecreate {
			continue
		}
		hash, err := stack.ServiceHash(drop.Without(m.Project.Services[drop.Service]))
		if err != nil || !slices.ContainsFunc(seen, func(c stack.Seen) bool {
			return c.Service == drop.Service && c.Labels[stack.LabelConfigHash] == hash
		}) {
			continue
		}
		m.find(finding.Finding{
			Level: finding.Warning, Subject: "service " + drop.Service,
			Message: "is recreated without the capability NET_RAW: with it a confined service can take an agent's address",
			Remedy:  "a service that needs it names it in cap_add",
		})
	}
}

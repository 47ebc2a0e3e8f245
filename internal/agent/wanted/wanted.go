// Package wanted decides what is wanted of an agent's sandbox: settings, environment and flags together.
package wanted

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// defaultCommand is what agent runs if neither the user nor the settings say.
var defaultCommand = []string{"claude", "--dangerously-skip-permissions"}

// Flags are what the user's flags ask for. Empty ones leave it to the settings.
type Flags struct {
	Image, Egress, ServicesEgress, Vault string
	// Trust accepts what the files of the work tree ask of the host.
	Trust bool
}

// Sandbox is what is wanted of an agent's sandbox.
type Sandbox struct {
	Policy   sandbox.Policy
	Images   image.Choice
	Services egress.Mode // of the loom's services: restricted, none or open
	// ServicesOpened says that the user asked for open services, whatever other agents want.
	ServicesOpened bool
	// RestrictedHosts are the hosts of a restricted policy, whatever the sandbox's own mode is.
	RestrictedHosts []string
	// Mounts are as the settings say them; they are checked when a sandbox is made.
	Mounts []settings.AgentMount
	// Trust says that what the work tree's files ask for is accepted.
	Trust bool
	// Findings are on the settings.
	Findings []finding.Finding
}

// Read reads what is wanted of an agent, "" for the default one. It asks nothing but the settings and the environment.
func Read(src settings.Sources, agent string, env func(string) string, flags Flags) (*Sandbox, error) {
	set, err := settings.Read(src)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(agent, sandbox.DefaultAgent)
	if !settings.AgentName(name) {
		return nil, fmt.Errorf("agent %q: a name is of lower-case letters, digits, - and _", name)
	}
	if err := CheckKnown(set, name); err != nil {
		return nil, err
	}
	return policySettings{name: name, set: set, src: src, env: env}.decide(flags)
}

// CheckKnown returns an error if the settings have no agent of this name.
func CheckKnown(set *settings.Settings, name string) error {
	there := Names(set)
	if slices.Contains(there, name) {
		return nil
	}
	return &UnknownAgentError{Name: name, There: there}
}

// UnknownAgentError says that the settings have no agent of this name.
type UnknownAgentError struct {
	Name  string
	There []string
}

// Error lists the agents that the settings have.
func (e *UnknownAgentError) Error() string {
	return fmt.Sprintf("no agent %s in the settings; there are: %s", e.Name, strings.Join(e.There, ", "))
}

// NextStep says what the user does next.
func (*UnknownAgentError) NextStep() string {
	return "container.agents in your settings, or in those of the main work tree, names agents"
}

// Names are the agents that the settings have, the default one first.
func Names(set *settings.Settings) []string {
	names := slices.Sorted(maps.Keys(set.Container.Agents))
	names = slices.DeleteFunc(names, func(name string) bool { return name == sandbox.DefaultAgent })
	return slices.Insert(names, 0, sandbox.DefaultAgent)
}

// policySettings are the settings and the environment that decide on an agent's policy.
type policySettings struct {
	name string // of the agent
	set  *settings.Settings
	src  settings.Sources
	env  func(string) string
}

// errorAt is an error that names the place in the settings.
func (p policySettings) errorAt(err error, keys ...any) error {
	if _, named := p.set.Container.Agents[p.name]; named {
		if at := settings.Wrong(p.src, err, append([]any{"container", "agents", p.name}, keys...)...); at != nil {
			return at
		}
	}
	return settings.Wrong(p.src, err, append([]any{"container", "agent"}, keys...)...)
}

// decide lets a flag override the environment and the settings. The environment only narrows what the settings allow.
func (p policySettings) decide(flags Flags) (*Sandbox, error) {
	s := p.set.Agent(p.name)
	w := &Sandbox{
		Trust: flags.Trust, Findings: s.Findings, Mounts: s.Mounts,
		Images: image.Choice{Flag: flags.Image, Project: s.Image},
		Policy: sandbox.Policy{
			Agent: p.name, Command: s.Command, Credentials: s.Credentials, ReadOnly: s.ReadOnly,
			Vault: cmp.Or(flags.Vault, s.Vault),
		},
	}
	if s.Image != p.set.Container.Agent.Image {
		w.Images.Agent, w.Images.Project = s.Image, p.set.Container.Agent.Image
	}
	if len(w.Policy.Command) == 0 {
		w.Policy.Command = defaultCommand
	}
	for _, step := range []func(*Sandbox, settings.Agent, Flags) error{
		p.decideEgress, p.decideServicesEgress, p.decideDockerAccess, p.decideRuntime, p.decideLimits,
	} {
		if err := step(w, s, flags); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (p policySettings) decideEgress(w *Sandbox, s settings.Agent, flags Flags) error {
	mode := egress.Mode(flags.Egress)
	switch mode {
	case egress.None, egress.Restricted, egress.Open:
	case "":
		narrowed, err := p.egressMode(cmp.Or(s.Egress.Mode, string(egress.Restricted)))
		if err != nil {
			return err
		}
		mode = egress.Mode(narrowed)
	default:
		return fmt.Errorf("egress must be none, restricted or open, not %q", mode)
	}
	for i, host := range s.Egress.Allow {
		if _, err := egress.ParseRule(host); err != nil {
			return p.errorAt(err, "egress", "allow", i)
		}
	}
	w.Policy.Egress = mode
	w.RestrictedHosts = append(egress.Defaults(), s.Egress.Allow...)
	slices.Sort(w.RestrictedHosts)
	w.RestrictedHosts = slices.Compact(w.RestrictedHosts)
	if mode == egress.Restricted {
		w.Policy.Allow = w.RestrictedHosts
	}
	return nil
}

func (policySettings) decideServicesEgress(w *Sandbox, s settings.Agent, flags Flags) error {
	w.Services = w.Policy.Egress
	switch services := cmp.Or(flags.ServicesEgress, s.ServicesEgress); services {
	case "":
	case string(egress.Restricted):
		if w.Services == egress.Open {
			w.Services = egress.Restricted
		}
	case string(egress.Open):
		w.Services, w.ServicesOpened = egress.Open, true
	default:
		return fmt.Errorf("egress of services must be restricted or open, not %q", services)
	}
	return nil
}

func (p policySettings) decideDockerAccess(w *Sandbox, s settings.Agent, _ Flags) error {
	access, err := p.dockerAccess(cmp.Or(s.DockerAccess, "none"))
	if access == "socket" {
		w.Policy.DockerSocket = "/var/run/docker.sock"
	}
	return err
}

func (p policySettings) decideRuntime(w *Sandbox, s settings.Agent, _ Flags) (err error) {
	w.Policy.Runtime, err = p.runtime(s.Runtime)
	return err
}

func (p policySettings) decideLimits(w *Sandbox, s settings.Agent, _ Flags) (err error) {
	cpus, pids := "", ""
	if s.CPUs > 0 {
		cpus = strconv.FormatFloat(s.CPUs, 'f', -1, 64)
	}
	if s.PIDs > 0 {
		pids = strconv.Itoa(s.PIDs)
	}
	w.Policy.Limits, err = p.limits(s.Memory, cpus, pids)
	return err
}

// confinement is how the loom's services may leave, nil for unrestricted.
func (w *Sandbox) confinement(sidecarImage string) *registry.Confined {
	if w.Services == egress.Open {
		return nil
	}
	c := &registry.Confined{Mode: string(w.Services), Image: sidecarImage}
	if w.Services == egress.Restricted {
		c.Allow = w.RestrictedHosts
	}
	return c
}

// ConfinementBeside is how the loom's services may leave while other agents' sandboxes run, whose sidecars have the
// given configurations: services are a way out for each of them. now is how the services are confined now.
func (w *Sandbox) ConfinementBeside(others []string, sidecarImage string, now *registry.Confined) *registry.Confined {
	c := w.confinement(sidecarImage)
	if c == nil && (w.ServicesOpened || now == nil) {
		return nil
	}
	if c == nil {
		// This agent may reach everything, but the others may not.
		c = &registry.Confined{Mode: string(egress.Open), Image: sidecarImage}
	}
	for _, config := range others {
		narrow(c, config)
	}
	if c.Mode == string(egress.Open) {
		return nil
	}
	return c
}

// narrow leaves of c what another sandbox's sidecar lets through as well.
func narrow(c *registry.Confined, config string) {
	cfg, err := egress.ParseConfig(config)
	switch {
	case err != nil || cfg.Mode == egress.None:
		c.Mode, c.Allow = string(egress.None), nil
	case cfg.Mode == egress.Restricted && c.Mode == string(egress.Open):
		c.Mode, c.Allow = string(egress.Restricted), cfg.Allow
	case cfg.Mode == egress.Restricted && c.Mode == string(egress.Restricted):
		isRefused := func(rule string) bool { return !slices.Contains(cfg.Allow, rule) }
		c.Allow = slices.DeleteFunc(slices.Clone(c.Allow), isRefused)
	}
}

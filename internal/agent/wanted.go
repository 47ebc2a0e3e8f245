package agent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// IsName reports whether an agent can have this name.
func IsName(name string) bool { return settings.AgentName(name) }

// defaultCommand is what agent runs if neither the user nor the settings say.
var defaultCommand = []string{"claude", "--dangerously-skip-permissions"}

// wanted is what is wanted of an agent: settings, environment and flags together.
type wanted struct {
	policy   sandbox.Policy
	images   image.Choice
	services egress.Mode // of the loom's services: restricted, none or open
	// servicesOpened says that the user asked for open services, whatever other agents want.
	servicesOpened bool
	// restrictedHosts are the hosts of a restricted policy, whatever the sandbox's own mode is.
	restrictedHosts []string
	// mounts are as the settings say them; they are checked when a sandbox is made.
	mounts []settings.AgentMount
	// trust says that what the work tree's files ask for is accepted.
	trust bool
	// findings are on the settings.
	findings []finding.Finding
}

// policySources are the files that say what an agent may do: the user's own, and those of the main work tree. A
// sandbox can write neither, unless it works on the main work tree.
func (a *Agents) policySources(repository string) settings.Sources {
	return settings.Sources{User: a.looms.UserSettings, WorkTree: repository}
}

// wantedOf reads what is wanted of the agent. It asks nothing but files and the environment.
func (a *Agents) wantedOf(t *loom.Target, req *Request) (*wanted, error) {
	src := a.policySources(t.Repository)
	set, err := settings.Read(src)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(req.Agent, DefaultName)
	if !settings.AgentName(name) {
		return nil, fmt.Errorf("agent %q: a name is of lower-case letters, digits, - and _", name)
	}
	if err := checkKnown(set, name); err != nil {
		return nil, err
	}
	return policySettings{name: name, set: set, src: src, env: a.getenv}.decide(req)
}

// Needs are what the default agent of a loom needs of the engine.
type Needs struct {
	// Runtime is the container runtime, "" for the engine's own.
	Runtime string
	// Images says which image is meant, for a look.
	Images image.Choice
	// Findings are on the settings.
	Findings []finding.Finding
}

// Needs reads what the default agent of a loom needs of the engine.
func (a *Agents) Needs(t *loom.Target) (Needs, error) {
	w, err := a.wantedOf(t, &Request{})
	if err != nil {
		return Needs{}, err
	}
	w.images.LookOnly = true
	return Needs{Runtime: w.policy.Runtime, Images: w.images, Findings: w.findings}, nil
}

// checkKnown returns an error if the settings have no agent of this name.
func checkKnown(set *settings.Settings, name string) error {
	there := namesIn(set)
	if slices.Contains(there, name) {
		return nil
	}
	return &UnknownAgentError{Name: name, There: there}
}

// namesIn are the agents that the settings have, the default one first.
func namesIn(set *settings.Settings) []string {
	names := slices.Sorted(maps.Keys(set.Container.Agents))
	names = slices.DeleteFunc(names, func(name string) bool { return name == DefaultName })
	return slices.Insert(names, 0, DefaultName)
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

// decide lets a flag override the environment, and that the settings.
func (p policySettings) decide(req *Request) (*wanted, error) {
	s := p.set.Agent(p.name)
	w := &wanted{
		trust: req.Trust, findings: s.Findings, mounts: s.Mounts,
		images: image.Choice{Flag: req.Image, Project: s.Image},
		policy: sandbox.Policy{
			Agent: p.name, Command: s.Command, Credentials: s.Credentials, ReadOnly: s.ReadOnly,
			Vault: cmp.Or(req.Vault, s.Vault), Runtime: cmp.Or(p.env("AGENT_RUNTIME"), s.Runtime),
		},
	}
	if s.Image != p.set.Container.Agent.Image {
		w.images.Agent, w.images.Project = s.Image, p.set.Container.Agent.Image
	}
	if len(w.policy.Command) == 0 {
		w.policy.Command = defaultCommand
	}
	for _, step := range []func(*wanted, settings.Agent, *Request) error{
		p.decideEgress, p.decideServicesEgress, p.decideDockerAccess, p.decideLimits,
	} {
		if err := step(w, s, req); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (p policySettings) decideEgress(w *wanted, s settings.Agent, req *Request) error {
	mode := egress.Mode(cmp.Or(req.Egress, s.Egress.Mode, string(egress.Restricted)))
	switch mode {
	case egress.None, egress.Restricted, egress.Open:
	default:
		return fmt.Errorf("egress must be none, restricted or open, not %q", mode)
	}
	for i, host := range s.Egress.Allow {
		if _, err := egress.ParseRule(host); err != nil {
			return p.errorAt(err, "egress", "allow", i)
		}
	}
	w.policy.Egress = mode
	w.restrictedHosts = append(egress.Defaults(), s.Egress.Allow...)
	slices.Sort(w.restrictedHosts)
	w.restrictedHosts = slices.Compact(w.restrictedHosts)
	if mode == egress.Restricted {
		w.policy.Allow = w.restrictedHosts
	}
	return nil
}

func (policySettings) decideServicesEgress(w *wanted, s settings.Agent, req *Request) error {
	w.services = w.policy.Egress
	switch services := cmp.Or(req.ServicesEgress, s.ServicesEgress); services {
	case "":
	case string(egress.Restricted):
		if w.services == egress.Open {
			w.services = egress.Restricted
		}
	case string(egress.Open):
		w.services, w.servicesOpened = egress.Open, true
	default:
		return fmt.Errorf("egress of services must be restricted or open, not %q", services)
	}
	return nil
}

func (p policySettings) decideDockerAccess(w *wanted, s settings.Agent, _ *Request) error {
	switch access := cmp.Or(p.env("AGENT_DOCKER_ACCESS"), s.DockerAccess, "none"); access {
	case "none", "false", "0":
	case "socket":
		w.policy.DockerSocket = "/var/run/docker.sock"
	default:
		return fmt.Errorf("AGENT_DOCKER_ACCESS must be none or socket, not %q", access)
	}
	return nil
}

// decideLimits reads each limit by itself, so that an error says where the value comes from.
func (p policySettings) decideLimits(w *wanted, s settings.Agent, _ *Request) error {
	values := [3]string{s.Memory, "", ""}
	if s.CPUs > 0 {
		values[1] = strconv.FormatFloat(s.CPUs, 'f', -1, 64)
	}
	if s.PIDs > 0 {
		values[2] = strconv.Itoa(s.PIDs)
	}
	for i, name := range []string{"AGENT_MEMORY_LIMIT", "AGENT_CPU_LIMIT", "AGENT_PIDS_LIMIT"} {
		one := [3]string{}
		one[i] = values[i]
		value := p.env(name)
		if value != "" {
			values[i], one[i] = value, value
		}
		_, err := sandbox.ParseLimits(one[0], one[1], one[2])
		switch {
		case err != nil && value != "":
			return fmt.Errorf("%s: %w", name, err)
		case err != nil:
			return p.errorAt(err, []string{"memory", "cpus", "pids"}[i])
		}
	}
	var err error
	w.policy.Limits, err = sandbox.ParseLimits(values[0], values[1], values[2])
	return err
}

// confinement is how the loom's services may leave, nil for unrestricted.
func (w *wanted) confinement(sidecarImage string) *registry.Confined {
	if w.services == egress.Open {
		return nil
	}
	c := &registry.Confined{Mode: string(w.services), Image: sidecarImage}
	if w.services == egress.Restricted {
		c.Allow = w.restrictedHosts
	}
	return c
}

// confinementBeside is how the loom's services may leave while other agents' sandboxes run, whose sidecars have the
// given configurations: services are a way out for each of them. now is how the services are confined now.
func (w *wanted) confinementBeside(others []string, sidecarImage string, now *registry.Confined) *registry.Confined {
	c := w.confinement(sidecarImage)
	if c == nil && (w.servicesOpened || now == nil) {
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

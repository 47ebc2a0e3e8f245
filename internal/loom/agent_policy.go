package loom

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// DefaultAgent is the agent that is meant where none is named.
const DefaultAgent = sandbox.DefaultAgent

// AgentName tells whether an agent can be called so.
func AgentName(name string) bool { return settings.AgentName(name) }

// defaultCommand is what agent runs where neither the user nor the settings say.
var defaultCommand = []string{"claude", "--dangerously-skip-permissions"}

// wish is what is wanted of an agent: settings, environment and flags together.
type wish struct {
	policy   sandbox.Policy
	images   AgentImages
	services egress.Mode // of the loom's services: restricted, none or open
	// lifted says that the user asked for open services, beside whatever agent.
	lifted bool
	// hosts are those of the policy restricted, whatever the sandbox's own is.
	hosts []string
	// mounts are as the settings say them; they are looked at when a sandbox is made.
	mounts []settings.AgentMount
	trust  bool // what the work tree says is the user's
	// findings are on the settings.
	findings []finding.Finding
}

// policySources are the files that say what an agent may do: the user's own, and those of the main work tree. What a
// sandbox can write is not among them, unless the main work tree is what it works on.
func (l *Looms) policySources(repository string) settings.Sources {
	return settings.Sources{User: l.UserSettings, WorkTree: repository}
}

// wished reads what is wanted of the agent. It asks nobody but files and the environment.
func (l *Looms) wished(t *Target, req *AgentRequest) (*wish, error) {
	src := l.policySources(t.Repository)
	set, err := settings.Read(src)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(req.Agent, DefaultAgent)
	if !settings.AgentName(name) {
		return nil, fmt.Errorf("agent %q: a name is of lower-case letters, digits, - and _", name)
	}
	if err := named(set, name); err != nil {
		return nil, err
	}
	return wished(name, set, src, req, os.Getenv)
}

// named is an error where the settings have no agent of this name.
func named(set *settings.Settings, name string) error {
	there := agentNames(set)
	if slices.Contains(there, name) {
		return nil
	}
	return &UnknownAgentError{Name: name, There: there}
}

// agentNames are the agents that the settings have, the default one first.
func agentNames(set *settings.Settings) []string {
	names := slices.Sorted(maps.Keys(set.Container.Agents))
	names = slices.DeleteFunc(names, func(name string) bool { return name == DefaultAgent })
	return slices.Insert(names, 0, DefaultAgent)
}

// UnknownAgentError says that the settings have no agent of this name.
type UnknownAgentError struct {
	Name  string
	There []string
}

// Error lists those that there are.
func (e *UnknownAgentError) Error() string {
	return fmt.Sprintf("no agent %s in the settings; there are: %s", e.Name, strings.Join(e.There, ", "))
}

// NextStep says what the user does next.
func (*UnknownAgentError) NextStep() string {
	return "container.agents in your settings, or in those of the main work tree, names agents"
}

// wished decides: a flag is stronger than the environment, that is stronger than settings.
func wished(name string, set *settings.Settings, src settings.Sources, req *AgentRequest, env func(string) string) (*wish, error) {
	a := set.Agent(name)
	wrong := func(err error, keys ...any) error {
		if _, named := set.Container.Agents[name]; named {
			if at := settings.Wrong(src, err, append([]any{"container", "agents", name}, keys...)...); at != nil {
				return at
			}
		}
		return settings.Wrong(src, err, append([]any{"container", "agent"}, keys...)...)
	}
	w := &wish{trust: req.Trust, findings: a.Findings, mounts: a.Mounts, images: AgentImages{Flag: req.Image, Project: a.Image}}
	if a.Image != set.Container.Agent.Image {
		w.images.Agent, w.images.Project = a.Image, set.Container.Agent.Image
	}
	p := &w.policy
	p.Agent, p.Command, p.Credentials, p.ReadOnly = name, a.Command, a.Credentials, a.ReadOnly
	if len(p.Command) == 0 {
		p.Command = defaultCommand
	}
	p.Vault = cmp.Or(req.Vault, a.Vault)
	p.Runtime = cmp.Or(env("AGENT_RUNTIME"), a.Runtime)
	mode := egress.Mode(cmp.Or(req.Egress, a.Egress.Mode, string(egress.Restricted)))
	switch mode {
	case egress.None, egress.Restricted, egress.Open:
	default:
		return nil, fmt.Errorf("egress %q: it is none, restricted or open", mode)
	}
	p.Egress = mode
	for i, host := range a.Egress.Allow {
		if _, err := egress.ParseRule(host); err != nil {
			return nil, wrong(err, "egress", "allow", i)
		}
	}
	w.hosts = append(egress.Defaults(), a.Egress.Allow...)
	slices.Sort(w.hosts)
	w.hosts = slices.Compact(w.hosts)
	if mode == egress.Restricted {
		p.Allow = w.hosts
	}
	w.services = mode
	switch services := cmp.Or(req.ServicesEgress, a.ServicesEgress); services {
	case "":
	case string(egress.Restricted):
		if mode == egress.Open {
			w.services = egress.Restricted
		}
	case string(egress.Open):
		w.services, w.lifted = egress.Open, true
	default:
		return nil, fmt.Errorf("egress of services %q: it is restricted or open", services)
	}
	switch access := cmp.Or(env("AGENT_DOCKER_ACCESS"), a.DockerAccess, "none"); access {
	case "none", "false", "0":
	case "socket":
		p.DockerSocket = "/var/run/docker.sock"
	default:
		return nil, fmt.Errorf("AGENT_DOCKER_ACCESS %q: it is none or socket", access)
	}
	return w, w.limits(a, env, wrong)
}

// limits are read so that an error says where the value comes from.
func (w *wish) limits(a settings.Agent, env func(string) string, wrong func(error, ...any) error) error {
	of := [3]string{a.Memory, "", ""}
	if a.CPUs > 0 {
		of[1] = strconv.FormatFloat(a.CPUs, 'f', -1, 64)
	}
	if a.PIDs > 0 {
		of[2] = strconv.Itoa(a.PIDs)
	}
	for i, name := range []string{"AGENT_MEMORY_LIMIT", "AGENT_CPU_LIMIT", "AGENT_PIDS_LIMIT"} {
		one := [3]string{}
		one[i] = of[i]
		value := env(name)
		if value != "" {
			of[i], one[i] = value, value
		}
		_, err := sandbox.ParseLimits(one[0], one[1], one[2])
		switch {
		case err != nil && value != "":
			return fmt.Errorf("%s: %w", name, err)
		case err != nil:
			return wrong(err, []string{"memory", "cpus", "pids"}[i])
		}
	}
	var err error
	w.policy.Limits, err = sandbox.ParseLimits(of[0], of[1], of[2])
	return err
}

// policyPowers lists what the settings of a work tree give agents beyond a sandbox as it is by default, one line each, where
// they are obeyed: in the main work tree. An agent that works there could write them.
func policyPowers(t *Target) ([]string, error) {
	if t.WorkTree != t.Repository {
		return nil, nil
	}
	set, err := settings.Read(settings.Sources{WorkTree: t.WorkTree})
	if err != nil {
		return nil, err
	}
	agents := map[string]settings.Agent{DefaultAgent: set.Container.Agent}
	maps.Copy(agents, set.Container.Agents)
	var list []string
	for name, a := range agents {
		note := func(format string, args ...any) {
			list = append(list, "agent "+name+" "+fmt.Sprintf(format, args...))
		}
		for _, say := range []struct{ what, value string }{
			{"has the image", a.Image}, {"has the runtime", a.Runtime}, {"has the vault", a.Vault}, {"may take memory of", a.Memory},
		} {
			if say.value != "" {
				note("%s %s", say.what, say.value)
			}
		}
		for _, host := range a.Egress.Allow {
			note("reaches %s", host)
		}
		for _, preset := range a.Credentials {
			note("has your credentials of %s", preset)
		}
		for _, m := range a.Mounts {
			if m.ReadOnly {
				note("reads %s", m.Source)
			} else {
				note("writes to %s", m.Source)
			}
		}
		for what, is := range map[string]bool{
			"reaches every public host":                          a.Egress.Mode == "open",
			"works beside services that reach every public host": a.ServicesEgress == "open",
			"has the Docker socket":                              a.DockerAccess == "socket",
			"writes the work tree":                               name != DefaultAgent && !a.ReadOnly,
		} {
			if is {
				note("%s", what)
			}
		}
		if a.CPUs > 0 {
			note("may take %g CPUs", a.CPUs)
		}
		if a.PIDs > 0 {
			note("may run %d processes", a.PIDs)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

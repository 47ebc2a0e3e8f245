package loom

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Sandbox is one sandbox as agent ls shows it.
type Sandbox struct {
	Loom       string `json:"loom"`
	Repository string `json:"repository"`
	Agent      string `json:"agent"`
	Container  string `json:"container"`
	// State is that of the container: running, exited, created, paused, restarting or dead.
	State string `json:"state"`
	Image string `json:"image"`
	// Egress is none, restricted or open; "" where that cannot be told.
	Egress string `json:"egress"`
	// Since is when it was started, nil where it does not run.
	Since *time.Time `json:"since"`
}

// Name addresses the loom from anywhere.
func (s Sandbox) Name() string { return registry.Name(s.Repository, s.Loom) }

// Agents lists the sandboxes of all looms on the engine.
func (l *Looms) Agents(ctx context.Context) ([]Sandbox, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	all, err := l.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{sandbox.LabelAgent: ""}})
	if err != nil {
		return nil, err
	}
	list := []Sandbox{}
	for _, c := range all {
		name := c.Labels[sandbox.LabelAgent]
		if c.OneOff || c.Service != sandbox.ServiceName(name) {
			continue
		}
		s := Sandbox{Loom: c.Labels[engine.LabelLoom], Repository: c.Labels[engine.LabelRepo], Agent: name, Container: c.Name, State: c.State, Image: c.Image}
		if c.State == "running" {
			rt, err := l.Engine.Runtime(ctx, c.ID)
			if err != nil {
				return nil, err
			}
			if at, err := time.Parse(time.RFC3339Nano, rt.StartedAt); err == nil {
				s.Since = &at
			}
		}
		for _, e := range all {
			if e.Project == c.Project && e.Service == sandbox.EgressName(name) {
				rt, err := l.Engine.Runtime(ctx, e.ID)
				if err != nil {
					return nil, err
				}
				if cfg, err := egress.ParseConfig(rt.Env[egress.ConfigVariable]); err == nil {
					s.Egress = string(cfg.Mode)
				}
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Sandbox) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Loom, b.Loom), cmp.Compare(a.Agent, b.Agent))
	})
	return list, nil
}

// NoSandboxError says that a loom has no sandbox for the agent, or none that runs.
type NoSandboxError struct {
	Loom, Agent string
	// State is that of its container, "" where there is none.
	State string
}

// Error names loom and agent.
func (e *NoSandboxError) Error() string {
	if e.State != "" {
		return fmt.Sprintf("the sandbox of loom %s for %s does not run: its container is %s", e.Loom, e.Agent, e.State)
	}
	return fmt.Sprintf("loom %s has no sandbox for %s", e.Loom, e.Agent)
}

// NextStep says what the user does next.
func (e *NoSandboxError) NextStep() string {
	if e.Agent != DefaultAgent {
		return "docker loom agent run " + e.Loom + " --agent " + e.Agent + " starts it"
	}
	return "docker loom agent run " + e.Loom + " starts it"
}

// box finds the containers of a loom's sandbox.
func (l *Looms) boxAt(ctx context.Context, where Where, agent string) (t *Target, own []engine.Container, inside, outside *engine.Container, err error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, nil, nil, nil, err
	}
	if t, err = l.Resolve(ctx, where, Reading); err != nil {
		return nil, nil, nil, nil, err
	}
	if own, err = l.containers(ctx, t.Known); err != nil {
		return nil, nil, nil, nil, err
	}
	inside, outside = boxOf(own, cmp.Or(agent, DefaultAgent))
	if outside == nil && inside == nil {
		err = &NoSandboxError{Loom: t.ID, Agent: cmp.Or(agent, DefaultAgent)}
	}
	return t, own, inside, outside, err
}

// StopAgent stops a loom's sandbox and its sidecar, or all of them.
func (l *Looms) StopAgent(ctx context.Context, where Where, agent string, all bool) ([]Sandbox, error) {
	t, own, _, _, err := l.boxAt(ctx, where, agent)
	if err != nil && (!all || !errors.As(err, new(*NoSandboxError))) {
		return nil, err
	}
	stopped := []Sandbox{}
	for _, c := range own {
		name := c.Labels[sandbox.LabelAgent]
		if name == "" || !all && name != cmp.Or(agent, DefaultAgent) {
			continue
		}
		if err := l.Engine.Stop(ctx, c.ID, 0); err != nil {
			return stopped, err
		}
		if c.Service == sandbox.ServiceName(name) {
			stopped = append(stopped, Sandbox{Loom: t.ID, Repository: t.Repository, Agent: name, Container: c.Name, State: "exited", Image: c.Image})
		}
	}
	return stopped, nil
}

// EgressDecision is what a sandbox's proxy decided.
type EgressDecision = egress.Decision

// AgentLogRequest asks for the decisions of a sandbox's proxy.
type AgentLogRequest struct {
	Where
	Agent string
	// Follow goes on until the context ends; Denied leaves out what was let through.
	Follow, Denied bool
	// Tail is a number of lines, or all.
	Tail string
}

// AgentLog gives the decisions one by one.
func (l *Looms) AgentLog(ctx context.Context, req AgentLogRequest, each func(EgressDecision) error) error {
	t, _, _, outside, err := l.boxAt(ctx, req.Where, req.Agent)
	if err != nil {
		return err
	}
	if outside == nil {
		return &NoSandboxError{Loom: t.ID, Agent: cmp.Or(req.Agent, DefaultAgent)}
	}
	return l.Engine.Follow(ctx, outside.ID, cmp.Or(req.Tail, "all"), req.Follow, func(line []byte) error {
		var d EgressDecision
		if err := json.Unmarshal(line, &d); err != nil || d.Verdict == "" {
			// It says on stdout when it begins and ends, too.
			return nil //nolint:nilerr // no decision
		}
		if req.Denied && d.Verdict == egress.Allowed {
			return nil
		}
		return each(d)
	})
}

// AllowRequest asks that a sandbox reaches more hosts.
type AllowRequest struct {
	Where
	Agent string
	Hosts []string
	// Save writes them into the user's settings too.
	Save bool
}

// Allowed is what came of it.
type Allowed struct {
	Loom  string   `json:"loom"`
	Agent string   `json:"agent"`
	Hosts []string `json:"hosts"`
	// Sandbox and Services say whose proxy knows the hosts now.
	Sandbox  bool `json:"sandbox"`
	Services bool `json:"services"`
	// Settings is the file that has them, "" where they were not saved; Written says that it was changed.
	Settings string `json:"settings"`
	Written  bool   `json:"written"`
}

// AllowHosts lets a sandbox that runs reach more hosts, and the loom's services where they leave through a proxy. Saved
// hosts hold for later sandboxes too, also where none runs.
func (l *Looms) AllowHosts(ctx context.Context, req AllowRequest) (*Allowed, error) {
	for _, host := range req.Hosts {
		if _, err := egress.ParseRule(host); err != nil {
			return nil, err
		}
	}
	a := &Allowed{Agent: cmp.Or(req.Agent, DefaultAgent), Hosts: req.Hosts}
	t, own, _, outside, err := l.boxAt(ctx, req.Where, req.Agent)
	if t != nil {
		a.Loom = t.ID
	}
	if err != nil && !req.Save {
		return nil, err
	}
	if req.Save {
		if err := l.knownAgent(t, a.Agent); err != nil {
			return nil, err
		}
		a.Settings = l.UserSettings
		var failed error
		if a.Written, failed = l.saveHosts(req.Agent, req.Hosts); failed != nil {
			return nil, failed
		}
	}
	if err != nil {
		l.Teller.Debugf("%v", err)
		return a, nil
	}
	for _, c := range own {
		way := outside != nil && c.ID == outside.ID
		if c.State != "running" || !way && c.Service != egressService {
			continue
		}
		_, why, code, err := l.Engine.ExecOutput(ctx, c.ID, engine.Process{Cmd: append([]string{sandbox.Program, "egress", "allow"}, req.Hosts...)})
		if err == nil && code != 0 {
			err = fmt.Errorf("container %s: exit code %d: %s", c.Name, code, why)
		}
		if err != nil {
			return nil, err
		}
		a.Sandbox, a.Services = a.Sandbox || way, a.Services || !way
	}
	if !a.Sandbox && !a.Services && !req.Save {
		none := &NoSandboxError{Loom: t.ID, Agent: a.Agent}
		if outside != nil {
			none.State = outside.State
		}
		return nil, none
	}
	return a, nil
}

// knownAgent tells whether the settings have the agent: the user's, and where there is a loom those of its main work tree.
func (l *Looms) knownAgent(t *Target, name string) error {
	src := settings.Sources{User: l.UserSettings}
	if t != nil {
		src = l.policySources(t.Repository)
	}
	set, err := settings.Read(src)
	if err != nil {
		return err
	}
	return named(set, name)
}

// saveHosts adds hosts to the user's own settings, of the agent that is named there, else of all.
func (l *Looms) saveHosts(agent string, hosts []string) (changed bool, err error) {
	text, err := settings.File(l.UserSettings)
	if err != nil {
		return false, err
	}
	now, err := settings.Read(settings.Sources{User: l.UserSettings})
	if err != nil {
		return false, err
	}
	path := []string{"container", "agent", "egress", "allow"}
	list := slices.Clone(now.Container.Agent.Egress.Allow)
	if a, ok := now.Container.Agents[agent]; ok {
		path, list = []string{"container", "agents", agent, "egress", "allow"}, slices.Clone(a.Egress.Allow)
	}
	before := len(list)
	for _, host := range hosts {
		if !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	if len(list) == before {
		return false, nil
	}
	edited, err := settings.Edit(l.UserSettings, text, settings.Change{Path: path, Value: list})
	if err != nil {
		return false, err
	}
	return true, settings.Write(l.UserSettings, edited)
}

// AgentAccess lists what an agent could read, write and reach, without doing anything.
func (l *Looms) AgentAccess(ctx context.Context, req *AgentRequest) (*sandbox.AccessList, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	if !l.Engine.Local() {
		return nil, &RemoteSandboxError{l.Engine.Host()}
	}
	t, err := l.Resolve(ctx, req.Where, Reading)
	if err != nil {
		return nil, err
	}
	w, err := l.wished(t, req)
	if err != nil {
		return nil, err
	}
	for _, f := range w.findings {
		l.tellFinding(f)
	}
	if gone(t.Known.WorkTree) {
		return nil, &GoneError{Loom: t.ID, WorkTree: t.Known.WorkTree}
	}
	// It is looked at as agent would have it.
	image, err := l.egressRef()
	if err != nil {
		return nil, err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	if t.Known.Confined, err = l.strictest(ctx, w, own, image, t.Known.Confined); err != nil {
		return nil, err
	}
	plan, err := l.Plan(ctx, t, Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	spec, _, _, err := l.specify(ctx, t, plan, w, true)
	if err != nil {
		return nil, err
	}
	if err := l.pretend(ctx, t, w, &spec); err != nil {
		return nil, err
	}
	env, err := l.variables(w, req)
	if err != nil {
		return nil, err
	}
	var variables []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		variables = append(variables, name)
	}
	access, err := sandbox.Access(spec, plan.serviceAccess(), variables)
	return &access, err
}

// AgentNames are the agents that can be meant in a folder's repository.
func (l *Looms) AgentNames(ctx context.Context, src stack.Source) ([]string, error) {
	repository, err := l.RepositoryOf(ctx, src)
	if err != nil {
		return nil, err
	}
	set, err := settings.Read(l.policySources(repository))
	if err != nil {
		return nil, err
	}
	return agentNames(set), nil
}

// VaultNames are the user's vaults.
func (l *Looms) VaultNames() []string {
	entries, err := os.ReadDir(l.vaults())
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// DeniedHosts are the hosts that a sandbox's proxy refused, those asked for last first.
func (l *Looms) DeniedHosts(ctx context.Context, where Where, agent string) ([]string, error) {
	var hosts []string
	err := l.AgentLog(ctx, AgentLogRequest{Where: where, Agent: agent, Denied: true, Tail: "1000"}, func(d EgressDecision) error {
		host := d.Host
		if d.Port != 80 && d.Port != 443 {
			host = net.JoinHostPort(host, strconv.Itoa(d.Port))
		}
		// Its own check asks for what nobody should reach.
		if d.Host != unlisted && net.ParseIP(d.Host) == nil {
			hosts = append(slices.DeleteFunc(hosts, func(h string) bool { return h == host }), host)
		}
		return nil
	})
	slices.Reverse(hosts)
	return hosts, err
}

package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
)

// AllowRequest asks that a sandbox reaches more hosts.
type AllowRequest struct {
	loom.Where
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

// Allow lets a sandbox that runs reach more hosts, and the loom's services if they leave through a proxy. Saved hosts
// hold for later sandboxes too; they are saved even if no sandbox runs.
func (a *Agents) Allow(ctx context.Context, req AllowRequest) (*Allowed, error) {
	for _, host := range req.Hosts {
		if _, err := egress.ParseRule(host); err != nil {
			return nil, err
		}
	}
	allowed := &Allowed{Agent: cmp.Or(req.Agent, DefaultName), Hosts: req.Hosts}
	f, err := a.find(ctx, req.Where, req.Agent)
	if err != nil && !req.Save {
		return nil, err
	}
	if f.target != nil {
		allowed.Loom = f.target.ID
	}
	if req.Save {
		if err := a.save(f.target, req, allowed); err != nil {
			return nil, err
		}
	}
	if err != nil {
		a.debugf("%v", err)
		return allowed, nil
	}
	if err := a.tellProxies(ctx, f, allowed); err != nil {
		return nil, err
	}
	if !allowed.Sandbox && !allowed.Services && !req.Save {
		none := &NoSandboxError{Loom: f.target.ID, Agent: allowed.Agent}
		if f.sidecar != nil {
			none.State = f.sidecar.State
		}
		return nil, none
	}
	return allowed, nil
}

// tellProxies tells the hosts to the proxies that run: the agent's, and that of the loom's services.
func (a *Agents) tellProxies(ctx context.Context, f found, allowed *Allowed) error {
	for _, c := range f.own {
		isAgents := f.sidecar != nil && c.ID == f.sidecar.ID
		if c.State != "running" || !isAgents && c.Service != sandbox.ServicesEgress {
			continue
		}
		if err := a.tellProxy(ctx, c, append([]string{"allow"}, allowed.Hosts...)); err != nil {
			return err
		}
		allowed.Sandbox, allowed.Services = allowed.Sandbox || isAgents, allowed.Services || !isAgents
	}
	return nil
}

// tellProxy gives a proxy that runs in a sidecar a command.
func (b backend) tellProxy(ctx context.Context, sidecar engine.Container, command []string) error {
	process := engine.Process{Cmd: append([]string{sandbox.Program, "egress"}, command...)}
	_, why, code, err := b.engine.ExecOutput(ctx, sidecar.ID, process)
	if err == nil && code != 0 {
		err = fmt.Errorf("container %s: exit code %d: %s", sidecar.Name, code, why)
	}
	return err
}

// save writes the hosts into the user's settings. The agent must be in the settings: the user's, and those of the
// loom's main work tree if there is a loom.
func (a *Agents) save(t *loom.Target, req AllowRequest, allowed *Allowed) (err error) {
	src := settings.Sources{User: a.looms.UserSettings}
	if t != nil {
		src = a.policySources(t.Repository)
	}
	set, err := settings.Read(src)
	if err != nil {
		return err
	}
	if err := wanted.CheckKnown(set, allowed.Agent); err != nil {
		return err
	}
	allowed.Settings = a.looms.UserSettings
	allowed.Written, err = saveHosts(a.looms.UserSettings, req.Agent, req.Hosts)
	return err
}

// saveHosts adds hosts to the user's own settings, to the agent's if it has its own there, otherwise to those of all
// agents.
func saveHosts(path, agent string, hosts []string) (changed bool, err error) {
	text, err := settings.File(path)
	if err != nil {
		return false, err
	}
	now, err := settings.Read(settings.Sources{User: path})
	if err != nil {
		return false, err
	}
	key := []string{"container", "agent", "egress", "allow"}
	list := slices.Clone(now.Container.Agent.Egress.Allow)
	if own, ok := now.Container.Agents[agent]; ok {
		key, list = []string{"container", "agents", agent, "egress", "allow"}, slices.Clone(own.Egress.Allow)
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
	edited, err := settings.Edit(path, text, settings.Change{Path: key, Value: list})
	if err != nil {
		return false, err
	}
	return true, settings.Write(path, edited)
}

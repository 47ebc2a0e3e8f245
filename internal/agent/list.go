package agent

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
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

// List lists the sandboxes of all looms on the engine.
func (a *Agents) List(ctx context.Context) ([]Sandbox, error) {
	if err := a.engine.Check(ctx); err != nil {
		return nil, err
	}
	all, err := a.engine.Containers(ctx, engine.Filter{Labels: map[string]string{sandbox.LabelAgent: ""}})
	if err != nil {
		return nil, err
	}
	list := []Sandbox{}
	for _, c := range all {
		if !isSandbox(c) {
			continue
		}
		s, ok, err := a.describe(ctx, c, all)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Sandbox) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Loom, b.Loom), cmp.Compare(a.Agent, b.Agent))
	})
	return list, nil
}

// describe asks the engine for what a list of containers does not tell of a sandbox; ok is false if it has gone since.
func (a *Agents) describe(
	ctx context.Context, c engine.Container, all []engine.Container,
) (s Sandbox, ok bool, err error) {
	s = Sandbox{
		Loom: c.Labels[engine.LabelLoom], Repository: c.Labels[engine.LabelRepo], Agent: c.Labels[sandbox.LabelAgent],
		Container: c.Name, State: c.State, Image: c.Image,
	}
	if c.State == "running" {
		rt, there, err := a.engine.InspectListed(ctx, c)
		if err != nil || !there {
			return s, false, err
		}
		if at, err := time.Parse(time.RFC3339Nano, rt.StartedAt); err == nil {
			s.Since = &at
		}
	}
	for _, e := range all {
		if e.Project != c.Project || e.Service != sandbox.EgressName(s.Agent) {
			continue
		}
		rt, _, err := a.engine.InspectListed(ctx, e)
		if err != nil {
			return s, false, err
		}
		if cfg, err := egress.ParseConfig(rt.Env[egress.ConfigVariable]); err == nil {
			s.Egress = string(cfg.Mode)
		}
	}
	return s, true, nil
}

// found are the containers of a loom, and an agent's among them.
type found struct {
	target *loom.Target
	own    []engine.Container
	agentContainers
}

// find finds the containers of a loom's sandbox. Without any it returns a [*NoSandboxError], and the loom all the same.
func (a *Agents) find(ctx context.Context, where loom.Where, agent string) (found, error) {
	if err := a.engine.Check(ctx); err != nil {
		return found{}, err
	}
	t, err := a.resolve(ctx, where)
	if err != nil {
		return found{}, err
	}
	own, err := a.containers(ctx, t.Projects)
	if err != nil {
		return found{}, err
	}
	name := cmp.Or(agent, DefaultName)
	f := found{target: t, own: own, agentContainers: containersOf(inProject(own, t.Known), name)}
	if f.sandbox == nil && f.sidecar == nil {
		err = &NoSandboxError{Loom: t.ID, Agent: name}
	}
	return f, err
}

// Stop stops a loom's sandbox and its sidecar.
func (a *Agents) Stop(ctx context.Context, where loom.Where, agent string) ([]Sandbox, error) {
	f, err := a.find(ctx, where, agent)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(agent, DefaultName)
	return a.stopEach(ctx, f, func(other string) bool { return other == name })
}

// StopAll stops all sandboxes of a loom, and their sidecars.
func (a *Agents) StopAll(ctx context.Context, where loom.Where) ([]Sandbox, error) {
	f, err := a.find(ctx, where, "")
	if err != nil && !errors.As(err, new(*NoSandboxError)) {
		return nil, err
	}
	return a.stopEach(ctx, f, func(string) bool { return true })
}

func (a *Agents) stopEach(ctx context.Context, f found, isMeant func(name string) bool) ([]Sandbox, error) {
	stopped := []Sandbox{}
	for _, c := range f.own {
		name := c.Labels[sandbox.LabelAgent]
		if name == "" || !isMeant(name) {
			continue
		}
		if err := a.engine.Stop(ctx, c.ID, 0); err != nil {
			return stopped, err
		}
		if c.Service == sandbox.ServiceName(name) {
			stopped = append(stopped, Sandbox{
				Loom: f.target.ID, Repository: f.target.Repository, Agent: name, Container: c.Name, State: "exited", Image: c.Image,
			})
		}
	}
	return stopped, nil
}

// Names are the agents that can be meant in a folder's repository.
func (a *Agents) Names(ctx context.Context, src stack.Source) ([]string, error) {
	repository, err := a.looms.Finder().RepositoryPath(ctx, src)
	if err != nil {
		return nil, err
	}
	set, err := settings.Read(a.policySources(repository))
	if err != nil {
		return nil, err
	}
	return wanted.Names(set), nil
}

// VaultNames are the user's vaults.
func (a *Agents) VaultNames() []string {
	entries, err := os.ReadDir(a.vaults())
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// keepOutput makes a detached command write to the output of the sandbox's first process, where the engine keeps it.
// The engine keeps nothing of what a detached exec prints. A sandbox whose first process cannot be written to runs the
// command without.
func keepOutput(command []string) []string {
	const script = `if { : >/proc/1/fd/1 && : >/proc/1/fd/2; } 2>/dev/null; then ` +
		`exec "$@" >/proc/1/fd/1 2>/proc/1/fd/2; fi; exec "$@"`
	return append([]string{"/bin/sh", "-c", script, "sh"}, command...)
}

// Output finds the service in whose logs is what the detached commands in a sandbox print.
func (a *Agents) Output(
	ctx context.Context, where loom.Where, agent string,
) (t *loom.Target, service string, err error) {
	f, err := a.findSandbox(ctx, where, agent)
	if err != nil {
		return nil, "", err
	}
	return f.target, f.sandbox.Service, nil
}

// RunningOutput is Output of a sandbox that must run.
func (a *Agents) RunningOutput(
	ctx context.Context, where loom.Where, agent string,
) (t *loom.Target, service string, err error) {
	f, err := a.findSandbox(ctx, where, agent)
	if err != nil {
		return nil, "", err
	}
	if !loom.IsRunning(*f.sandbox) {
		return nil, "", &NoSandboxError{
			Loom: f.target.ID, Agent: cmp.Or(agent, DefaultName), State: f.sandbox.State,
		}
	}
	return f.target, f.sandbox.Service, nil
}

// findSandbox finds an agent's containers. The sandbox must be among them.
func (a *Agents) findSandbox(ctx context.Context, where loom.Where, agent string) (found, error) {
	f, err := a.find(ctx, where, agent)
	if err == nil && f.sandbox == nil {
		err = &NoSandboxError{Loom: f.target.ID, Agent: cmp.Or(agent, DefaultName)}
	}
	return f, err
}

// RemoveRequest asks that a sandbox is removed.
type RemoveRequest struct {
	loom.Where
	Agent string
	// All are all sandboxes of the loom.
	All bool
	// Force removes a sandbox that runs; Volumes removes its home too.
	Force, Volumes bool
}

// SandboxRunsError says that a sandbox is not removed because it runs.
type SandboxRunsError struct{ Loom, Agent string }

// Error names loom and agent.
func (e *SandboxRunsError) Error() string {
	return fmt.Sprintf("the sandbox of loom %s for %s is running", e.Loom, e.Agent)
}

// NextStep says what the user does next.
func (e *SandboxRunsError) NextStep() string {
	return "docker loom agent rm " + e.Loom + AsFlag(e.Agent) + " --force removes it all the same"
}

// Remove removes a loom's sandbox with its sidecar, or all of them. Networks stay until the loom goes down.
func (a *Agents) Remove(ctx context.Context, req RemoveRequest) ([]Sandbox, error) {
	f, err := a.find(ctx, req.Where, req.Agent)
	if err != nil && (f.target == nil || !req.All || !errors.As(err, new(*NoSandboxError))) {
		return nil, err
	}
	release, err := a.looms.LockTarget(ctx, f.target)
	if err != nil {
		return nil, err
	}
	defer release()
	removed := []Sandbox{}
	var ids, homes []string
	for _, c := range f.own {
		name := c.Labels[sandbox.LabelAgent]
		if name == "" || !req.All && name != cmp.Or(req.Agent, DefaultName) {
			continue
		}
		ids = append(ids, c.ID)
		if c.Service != sandbox.ServiceName(name) {
			continue
		}
		if loom.IsRunning(c) && !req.Force {
			return nil, &SandboxRunsError{Loom: f.target.ID, Agent: name}
		}
		homes = append(homes, sandbox.HomeName(name))
		removed = append(removed, Sandbox{
			Loom: f.target.ID, Repository: f.target.Repository, Agent: name, Container: c.Name, State: "removed", Image: c.Image,
		})
	}
	if err := a.engine.RemoveContainers(ctx, ids); err != nil || !req.Volumes {
		return removed, err
	}
	return removed, a.removeHomes(ctx, f.target, homes)
}

// removeHomes removes the volumes of a loom that bear these keys.
func (a *Agents) removeHomes(ctx context.Context, t *loom.Target, keys []string) error {
	var names []string
	for _, key := range keys {
		volumes, err := a.engine.Volumes(ctx, map[string]string{
			stack.LabelProject: t.Known.Project, stack.LabelVolume: key, engine.LabelLoom: t.ID,
			engine.LabelRepo: t.Repository,
		})
		if err != nil {
			return err
		}
		for _, v := range volumes {
			names = append(names, v.Name)
		}
	}
	return a.engine.RemoveVolumes(ctx, names)
}

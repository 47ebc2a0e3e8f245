package loom

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// keepOutput makes a detached command write to the output of the sandbox's first process, where the engine keeps it. The
// engine keeps nothing of what a detached exec prints. A sandbox whose first process cannot be written to runs the
// command without.
func keepOutput(command []string) []string {
	const script = `if { : >/proc/1/fd/1 && : >/proc/1/fd/2; } 2>/dev/null; then exec "$@" >/proc/1/fd/1 2>/proc/1/fd/2; fi; exec "$@"`
	return append([]string{"/bin/sh", "-c", script, "sh"}, command...)
}

// AgentOutput copies what the detached commands in a sandbox print.
func (l *Looms) AgentOutput(ctx context.Context, where Where, agent string, o stack.LogOptions) error {
	t, _, inside, _, err := l.boxAt(ctx, where, agent)
	if err != nil {
		return err
	}
	if inside == nil {
		return &NoSandboxError{Loom: t.ID, Agent: cmp.Or(agent, DefaultAgent)}
	}
	o.Services = []string{inside.Service}
	return l.Logs(ctx, t, o)
}

// Attach copies what the detached commands in a sandbox print from now on, until the context ends. The commands go on.
func (l *Looms) Attach(ctx context.Context, where Where, agent string, o stack.LogOptions) error {
	t, _, inside, _, err := l.boxAt(ctx, where, agent)
	if err != nil {
		return err
	}
	if inside == nil || !isRunning(*inside) {
		none := &NoSandboxError{Loom: t.ID, Agent: cmp.Or(agent, DefaultAgent)}
		if inside != nil {
			none.State = inside.State
		}
		return none
	}
	o.Services, o.Follow = []string{inside.Service}, true
	return l.Logs(ctx, t, o)
}

// RemoveAgentRequest asks that a sandbox is removed.
type RemoveAgentRequest struct {
	Where
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
	return "docker loom agent rm " + e.Loom + " --agent " + e.Agent + " --force removes it all the same"
}

// RemoveAgent removes a loom's sandbox with its sidecar, or all of them. Networks stay until the loom goes down.
func (l *Looms) RemoveAgent(ctx context.Context, req RemoveAgentRequest) ([]Sandbox, error) {
	t, own, _, _, err := l.boxAt(ctx, req.Where, req.Agent)
	if err != nil && (t == nil || !req.All || !errors.As(err, new(*NoSandboxError))) {
		return nil, err
	}
	release, err := l.alone(ctx, t)
	if err != nil {
		return nil, err
	}
	defer release()
	removed := []Sandbox{}
	var ids, homes []string
	for _, c := range own {
		name := c.Labels[sandbox.LabelAgent]
		if name == "" || !req.All && name != cmp.Or(req.Agent, DefaultAgent) {
			continue
		}
		ids = append(ids, c.ID)
		if c.Service != sandbox.ServiceName(name) {
			continue
		}
		if isRunning(c) && !req.Force {
			return nil, &SandboxRunsError{Loom: t.ID, Agent: name}
		}
		homes = append(homes, sandbox.HomeName(name))
		removed = append(removed, Sandbox{
			Loom: t.ID, Repository: t.Repository, Agent: name, Container: c.Name, State: "removed", Image: c.Image,
		})
	}
	if err := l.Engine.RemoveContainers(ctx, ids, true); err != nil {
		return nil, err
	}
	if !req.Volumes {
		return removed, nil
	}
	return removed, l.removeHomes(ctx, t, homes)
}

// removeHomes removes the volumes of a loom that bear these keys.
func (l *Looms) removeHomes(ctx context.Context, t *Target, keys []string) error {
	var names []string
	for _, key := range keys {
		volumes, err := l.Engine.Volumes(ctx, map[string]string{
			stack.LabelProject: t.Known.Project, stack.LabelVolume: key, engine.LabelLoom: t.ID,
		})
		if err != nil {
			return err
		}
		for _, v := range volumes {
			names = append(names, v.Name)
		}
	}
	return l.Engine.RemoveVolumes(ctx, names)
}

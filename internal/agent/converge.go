package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// converge brings the containers to their wanted state, joins the loom's services to them and checks them.
func (a *Agents) converge(ctx context.Context, d *draft) (*readySandbox, error) {
	if !d.spec.ReadOnly {
		if err := a.markSandboxed(ctx, d.target); err != nil {
			return nil, err
		}
	}
	if err := a.copyFromHost(ctx, d); err != nil {
		return nil, err
	}
	project, warnings, err := sandbox.Compile(d.spec)
	if err != nil {
		return nil, err
	}
	// Before the container starts: a file that is replaced from here on is seen.
	guarded, err := sandbox.ReadOnlyOverlays(d.spec)
	if err != nil {
		return nil, err
	}
	state := sandboxState{GuardedFiles: guarded, GuardedStamp: sandbox.Fingerprint(guarded)}
	action, err := a.act(ctx, d, project)
	if err != nil {
		return nil, err
	}
	own, err := a.looms.Containers(ctx, d.target.Known)
	if err != nil {
		return nil, err
	}
	network := sandbox.NetworkName(d.spec.Project, sandbox.ServiceName(d.spec.Agent))
	if err := a.joinServices(ctx, own, network); err != nil {
		return nil, err
	}
	c := containersOf(own, d.spec.Agent)
	if !c.areRunning() {
		return nil, a.whyNotRunning(ctx, d.target, c)
	}
	if action.Check || len(c.sandbox.Networks) != 1 {
		if err := a.checkClosed(ctx, d.target, d.spec, c.sandbox); err != nil {
			return nil, err
		}
	}
	for _, f := range warnings {
		state.Warnings = append(state.Warnings, f.String())
	}
	if err := a.remember(ctx, d, own, &state); err != nil {
		return nil, err
	}
	return &readySandbox{target: d.target, containerID: c.sandbox.ID, state: state, services: servicesOf(own)}, nil
}

// act decides what brings the containers to their wanted state, and does it.
func (a *Agents) act(ctx context.Context, d *draft, project *types.Project) (sandbox.Action, error) {
	own, err := a.looms.Containers(ctx, d.target.Known)
	if err != nil {
		return sandbox.Action{}, err
	}
	facts, err := a.containerFacts(ctx, d, own, project)
	if err != nil {
		return sandbox.Action{}, err
	}
	action := sandbox.Decide(facts)
	if facts.LostMount && facts.Running {
		a.sayf("%s", "warning: the sandbox is recreated: "+guardedFileReplaced)
	}
	if action.EndsCommands {
		a.sayf("the sandbox of loom %s is recreated, because what it is made of changed: commands that run in it end",
			d.target.ID)
	}
	a.debugf("sandbox %s: %+v", sandbox.ServiceName(d.spec.Agent), action)
	return action, a.carryOut(ctx, d, project, own, action)
}

// containerFacts are what [sandbox.Decide] decides on.
func (a *Agents) containerFacts(
	ctx context.Context, d *draft, own []engine.Container, project *types.Project,
) (sandbox.Facts, error) {
	before, _ := a.readState(d.spec.Project, d.spec.Agent)
	c := containersOf(own, d.spec.Agent)
	f := sandbox.Facts{CheckedID: before.Sandbox, CheckedStart: before.SandboxStart}
	e := &f.Egress
	e.CheckedID, e.CheckedStart = before.Egress, before.EgressStart
	f.WantHash, e.WantHash = sandbox.Hashes(project, d.spec.Agent)
	if c.sandbox != nil {
		rt, err := a.engine.Inspect(ctx, c.sandbox.ID)
		if err != nil {
			return f, err
		}
		f.Exists, f.Running, f.Paused = true, loom.IsRunning(*c.sandbox), c.sandbox.State == "paused"
		f.Hash, f.ID, f.StartedAt = c.sandbox.Labels[sandbox.LabelSandbox], c.sandbox.ID, rt.StartedAt
		sameRun := before.Sandbox == f.ID && before.SandboxStart == f.StartedAt
		f.LostMount = sameRun && before.guardedFilesChanged()
	}
	if c.sidecar != nil {
		rt, err := a.engine.Inspect(ctx, c.sidecar.ID)
		if err != nil {
			return f, err
		}
		e.Exists, e.Running, e.Paused = true, loom.IsRunning(*c.sidecar), c.sidecar.State == "paused"
		e.Hash, e.ID, e.StartedAt = c.sidecar.Labels[sandbox.LabelSandbox], c.sidecar.ID, rt.StartedAt
	}
	return f, nil
}

// carryOut does what was decided: a container that drifted goes, and Compose makes and starts what is missing. A
// sandbox that stays is left alone, whatever Compose would think of it.
func (a *Agents) carryOut(
	ctx context.Context, d *draft, project *types.Project, own []engine.Container, action sandbox.Action,
) error {
	c := containersOf(own, d.spec.Agent)
	action, err := a.unpause(ctx, d.target, c, action)
	if err != nil || action.Sandbox == sandbox.Keep && action.Egress == sandbox.Keep {
		return err
	}
	if err := a.removeDrifted(ctx, c, action); err != nil {
		return err
	}
	if action.Sandbox == sandbox.Keep {
		// Compose would start the sidecar only; its own idea of drift must not touch the sandbox.
		delete(project.Services, sandbox.ServiceName(d.spec.Agent))
	}
	if err := a.prepareVolumes(ctx, d, project, action); err != nil {
		return err
	}
	var others []string
	for _, c := range own {
		others = append(others, c.Service)
	}
	t := d.target
	stack.Complete(project, append(others, sandbox.ServiceName(d.spec.Agent)), map[string]string{
		engine.LabelWorkTree: t.WorkTree, engine.LabelOffset: strconv.Itoa(t.Known.Offset),
		engine.LabelVersion: a.looms.Version,
	})
	if err := a.looms.Stack.Up(ctx, project, stack.CreateOptions{}); err != nil {
		return fmt.Errorf("sandbox of loom %s: %w", t.ID, err)
	}
	return nil
}

// unpause lets paused containers go on. What is left to do is returned.
func (a *Agents) unpause(
	ctx context.Context, t *loom.Target, c agentContainers, action sandbox.Action,
) (sandbox.Action, error) {
	// The sidecar first: what runs in the sandbox asks for it.
	if action.Egress == sandbox.Unpause {
		if err := a.engine.Unpause(ctx, c.sidecar.ID); err != nil {
			return action, err
		}
		action.Egress = sandbox.Keep
	}
	if action.Sandbox == sandbox.Unpause {
		a.sayf("the sandbox of loom %s was paused: what runs in it goes on", t.ID)
		if err := a.engine.Unpause(ctx, c.sandbox.ID); err != nil {
			return action, err
		}
		action.Sandbox = sandbox.Keep
	}
	return action, nil
}

// removeDrifted removes the containers that are recreated.
func (a *Agents) removeDrifted(ctx context.Context, c agentContainers, action sandbox.Action) error {
	var ids []string
	if action.Sandbox == sandbox.Recreate {
		ids = append(ids, c.sandbox.ID)
	}
	if action.Egress == sandbox.Recreate {
		ids = append(ids, c.sidecar.ID)
	}
	for _, id := range ids {
		if err := a.engine.Stop(ctx, id, 0); err != nil {
			return err
		}
	}
	return a.engine.RemoveContainers(ctx, ids)
}

// prepareVolumes creates the sandbox's volumes. The home volume, and the folders in it that files are mounted in, are
// given to the agent. The view of the git folder is written again if nothing runs in the sandbox.
func (a *Agents) prepareVolumes(ctx context.Context, d *draft, project *types.Project, action sandbox.Action) error {
	spec := d.spec
	there, err := a.engine.Volumes(ctx, map[string]string{stack.LabelProject: spec.Project})
	if err != nil {
		return err
	}
	for key, v := range project.Volumes {
		if !slices.ContainsFunc(there, func(o engine.Volume) bool { return o.Name == v.Name }) {
			if err := a.looms.Stack.CreateVolume(ctx, project, key); err != nil {
				return err
			}
		}
	}
	user := fmt.Sprintf("%d:%d", spec.UID, spec.GID)
	once := asRoot(spec.EgressImage, append([]string{"home", user, sandbox.Home}, sandbox.Folders(spec)...)...)
	once.Mounts = []engine.Mount{{Volume: project.Volumes[sandbox.HomeName(spec.Agent)].Name, Target: sandbox.Home}}
	view, err := spec.View()
	if err != nil {
		return err
	}
	if view != nil && action.Sandbox != sandbox.Keep {
		links, err := json.Marshal(view.Links)
		if err != nil {
			return err
		}
		const at = "/view"
		once.Cmd = append(once.Cmd, "--", "view", at, string(links))
		once.Mounts = append(once.Mounts, engine.Mount{Volume: project.Volumes[view.Volume].Name, Target: at})
	}
	if err := a.runOnce(ctx, once); err != nil {
		return fmt.Errorf("volumes of the sandbox: %w", err)
	}
	return nil
}

// asRoot is a container that runs a command of our own program on files as root, without a network.
func asRoot(image string, words ...string) engine.Once {
	return engine.Once{
		Image: image, User: "0:0", Network: "none", CapAdd: []string{"CHOWN", "DAC_OVERRIDE", "FOWNER"},
		Cmd: append([]string{sandbox.Program, "egress"}, words...),
	}
}

// runOnce runs a container to its end. What it wrote to stderr is the error if it failed.
func (a *Agents) runOnce(ctx context.Context, once engine.Once) error {
	_, why, code, err := a.engine.RunOnce(ctx, once)
	if err == nil && code != 0 {
		err = errors.New(string(why))
	}
	return err
}

// whyNotRunning is the error for a sandbox that does not run.
func (a *Agents) whyNotRunning(ctx context.Context, t *loom.Target, c agentContainers) error {
	for _, c := range []*engine.Container{c.sidecar, c.sandbox} {
		if c == nil {
			return fmt.Errorf("sandbox of loom %s: its container is missing", t.ID)
		}
		if c.State == "running" {
			continue
		}
		last, err := a.engine.Tail(ctx, c.ID, 3)
		if err != nil {
			return err
		}
		return fmt.Errorf("sandbox of loom %s: container %s is %s, exit code %d: %q", t.ID, c.Name, c.State, c.ExitCode, last)
	}
	return nil
}

// remember writes down what the next command has to know.
func (a *Agents) remember(ctx context.Context, d *draft, own []engine.Container, s *sandboxState) error {
	spec := d.spec
	s.Image, s.ImageID, s.WorkTree, s.Sources = spec.Image, spec.ImageID, spec.WorkTree, d.sources
	s.User = fmt.Sprintf("%d:%d", spec.UID, spec.GID)
	c := containersOf(own, spec.Agent)
	for _, seen := range []struct {
		container *engine.Container
		id, start *string
	}{{c.sandbox, &s.Sandbox, &s.SandboxStart}, {c.sidecar, &s.Egress, &s.EgressStart}} {
		rt, err := a.engine.Inspect(ctx, seen.container.ID)
		if err != nil {
			return err
		}
		*seen.id, *seen.start = seen.container.ID, rt.StartedAt
	}
	if info, err := os.Stat(spec.WorkTree); err == nil && acl.NeedsGrant(info, d.user.hostUID) {
		s.GrantedUID = d.user.hostUID
	}
	access, err := sandbox.Access(spec, serviceAccess(d.plan), nil)
	if err != nil {
		return err
	}
	s.Access = access.Lines()
	git, err := worktree.Points(spec.WorkTree)
	if err != nil {
		return err
	}
	s.GitPointers = git.String()
	if s.WantedDigest, err = a.digestOf(d.target, d.wanted, own, *s); err != nil {
		return err
	}
	return a.writeState(spec.Project, spec.Agent, *s)
}

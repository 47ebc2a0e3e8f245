package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/agent/check"
	"github.com/docker-loom/docker-loom/internal/agent/record"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// converge brings the containers to their wanted state, joins the loom's services to them and checks them.
func (d *draft) converge(ctx context.Context) (*readySandbox, error) {
	if !d.spec.ReadOnly {
		if err := d.markSandboxed(ctx, d.target); err != nil {
			return nil, err
		}
	}
	if err := d.copyFromHost(ctx); err != nil {
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
	state := record.Sandbox{GuardedFiles: guarded, GuardedStamp: sandbox.Fingerprint(guarded)}
	action, err := d.act(ctx, project)
	if err != nil {
		return nil, err
	}
	own, err := d.containers(ctx, d.target.Projects)
	if err != nil {
		return nil, err
	}
	network := sandbox.NetworkName(d.spec.Project, sandbox.ServiceName(d.spec.Agent))
	names := namesOfContainers(d.target.Projects, own)
	if err := d.joinServices(ctx, own, names, network); err != nil {
		return nil, err
	}
	c := containersOf(inProject(own, d.target.Known), d.spec.Agent)
	if !c.areRunning() {
		return nil, d.whyNotRunning(ctx, c)
	}
	if action.Check || len(c.sandbox.Networks) != 1 {
		if err := d.checkClosed(ctx, c.sandbox.ID); err != nil {
			return nil, err
		}
	}
	for _, f := range warnings {
		state.Warnings = append(state.Warnings, f.String())
	}
	if err := d.remember(ctx, own, &state); err != nil {
		return nil, err
	}
	return &readySandbox{
		backend: d.backend, target: d.target, containerID: c.sandbox.ID, state: state, services: names.all,
	}, nil
}

// checkClosed checks the sandbox from inside.
func (d *draft) checkClosed(ctx context.Context, containerID string) error {
	c := check.Check{Engine: d.engine, Teller: d.looms.Teller, Spec: d.spec, ContainerID: containerID}
	for _, k := range d.target.Projects {
		c.Projects = append(c.Projects, k.Project)
	}
	return c.Run(ctx)
}

// act decides what brings the containers to their wanted state, and does it.
func (d *draft) act(ctx context.Context, project *types.Project) (sandbox.Action, error) {
	// The services of other projects are not in the sandbox's Compose project.
	own, err := d.looms.Containers(ctx, d.target.Known)
	if err != nil {
		return sandbox.Action{}, err
	}
	facts, err := d.containerFacts(ctx, own, project)
	if err != nil {
		return sandbox.Action{}, err
	}
	action := sandbox.Decide(facts)
	if facts.LostMount && facts.Running {
		d.warnf("%s", "warning: the sandbox is recreated: "+guardedFileReplaced)
	}
	if action.EndsCommands {
		d.sayf("the sandbox of loom %s is recreated, because what it is made of changed: commands that run in it end",
			d.target.ID)
	}
	d.debugf("sandbox %s: %+v", sandbox.ServiceName(d.spec.Agent), action)
	return action, d.carryOut(ctx, project, own, action)
}

// containerFacts are what [sandbox.Decide] decides on.
func (d *draft) containerFacts(
	ctx context.Context, own []engine.Container, project *types.Project,
) (sandbox.Facts, error) {
	before, _ := d.records().Read(d.spec.Project, d.spec.Agent)
	c := containersOf(own, d.spec.Agent)
	f := sandbox.Facts{CheckedID: before.Sandbox, CheckedStart: before.SandboxStart}
	e := &f.Egress
	e.CheckedID, e.CheckedStart = before.Egress, before.EgressStart
	f.WantHash, e.WantHash = sandbox.Hashes(project, d.spec.Agent)
	if c.sandbox != nil {
		rt, err := d.engine.Inspect(ctx, c.sandbox.ID)
		if err != nil {
			return f, err
		}
		f.Exists, f.Running, f.Paused = true, loom.IsRunning(*c.sandbox), c.sandbox.State == "paused"
		f.Hash, f.ID, f.StartedAt = c.sandbox.Labels[sandbox.LabelSandbox], c.sandbox.ID, rt.StartedAt
		sameRun := before.Sandbox == f.ID && before.SandboxStart == f.StartedAt
		f.LostMount = sameRun && before.GuardedFilesChanged()
	}
	if c.sidecar != nil {
		rt, err := d.engine.Inspect(ctx, c.sidecar.ID)
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
func (d *draft) carryOut(
	ctx context.Context, project *types.Project, own []engine.Container, action sandbox.Action,
) error {
	c := containersOf(own, d.spec.Agent)
	action, err := d.unpause(ctx, c, action)
	if err != nil || action.Sandbox == sandbox.Keep && action.Egress == sandbox.Keep {
		return err
	}
	if err := d.removeDrifted(ctx, c, action); err != nil {
		return err
	}
	if action.Sandbox == sandbox.Keep {
		// Compose would start the sidecar only; its own idea of drift must not touch the sandbox.
		delete(project.Services, sandbox.ServiceName(d.spec.Agent))
	}
	if err := d.prepareVolumes(ctx, project, action); err != nil {
		return err
	}
	var others []string
	for _, c := range own {
		others = append(others, c.Service)
	}
	t := d.target
	stack.Complete(project, append(others, sandbox.ServiceName(d.spec.Agent)), map[string]string{
		engine.LabelWorkTree: t.WorkTree, engine.LabelOffset: strconv.Itoa(t.Known.Offset),
		engine.LabelVersion: d.looms.Version,
	})
	if err := d.looms.Stack.Up(ctx, project, stack.CreateOptions{}); err != nil {
		return fmt.Errorf("sandbox of loom %s: %w", t.ID, err)
	}
	return nil
}

// unpause lets paused containers go on. What is left to do is returned.
func (d *draft) unpause(
	ctx context.Context, c agentContainers, action sandbox.Action,
) (sandbox.Action, error) {
	// The sidecar first: what runs in the sandbox asks for it.
	if action.Egress == sandbox.Unpause {
		if err := d.engine.Unpause(ctx, c.sidecar.ID); err != nil {
			return action, err
		}
		action.Egress = sandbox.Keep
	}
	if action.Sandbox == sandbox.Unpause {
		d.sayf("the sandbox of loom %s was paused: what runs in it goes on", d.target.ID)
		if err := d.engine.Unpause(ctx, c.sandbox.ID); err != nil {
			return action, err
		}
		action.Sandbox = sandbox.Keep
	}
	return action, nil
}

// removeDrifted removes the containers that are recreated.
func (d *draft) removeDrifted(ctx context.Context, c agentContainers, action sandbox.Action) error {
	var ids []string
	if action.Sandbox == sandbox.Recreate {
		ids = append(ids, c.sandbox.ID)
	}
	if action.Egress == sandbox.Recreate {
		ids = append(ids, c.sidecar.ID)
	}
	for _, id := range ids {
		if err := d.engine.Stop(ctx, id, 0); err != nil {
			return err
		}
	}
	return d.engine.RemoveContainers(ctx, ids)
}

// prepareVolumes creates the sandbox's volumes. The home volume, and the folders in it that files are mounted in, are
// given to the agent. The view of the git folder is written again if nothing runs in the sandbox.
func (d *draft) prepareVolumes(ctx context.Context, project *types.Project, action sandbox.Action) error {
	spec := d.spec
	there, err := d.engine.Volumes(ctx, map[string]string{stack.LabelProject: spec.Project})
	if err != nil {
		return err
	}
	for key, v := range project.Volumes {
		if !slices.ContainsFunc(there, func(o engine.Volume) bool { return o.Name == v.Name }) {
			if err := d.looms.Stack.CreateVolume(ctx, project, key); err != nil {
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
	if err := d.runOnce(ctx, once); err != nil {
		return fmt.Errorf("volumes of the sandbox: %w", err)
	}
	return nil
}

// whyNotRunning is the error for a sandbox that does not run.
func (d *draft) whyNotRunning(ctx context.Context, c agentContainers) error {
	for _, c := range []*engine.Container{c.sidecar, c.sandbox} {
		if c == nil {
			return fmt.Errorf("sandbox of loom %s: its container is missing", d.target.ID)
		}
		if c.State == "running" {
			continue
		}
		last, err := d.engine.Tail(ctx, c.ID, 3)
		if err != nil {
			return err
		}
		return fmt.Errorf("sandbox of loom %s: container %s is %s, exit code %d: %q",
			d.target.ID, c.Name, c.State, c.ExitCode, last)
	}
	return nil
}

// remember writes down what the next command has to know.
func (d *draft) remember(ctx context.Context, own []engine.Container, s *record.Sandbox) error {
	spec := d.spec
	s.Image, s.ImageID, s.WorkTree, s.Sources = spec.Image, spec.ImageID, spec.WorkTree, d.sources
	s.User = fmt.Sprintf("%d:%d", spec.UID, spec.GID)
	c := containersOf(inProject(own, d.target.Known), spec.Agent)
	for _, seen := range []struct {
		container *engine.Container
		id, start *string
	}{{c.sandbox, &s.Sandbox, &s.SandboxStart}, {c.sidecar, &s.Egress, &s.EgressStart}} {
		rt, err := d.engine.Inspect(ctx, seen.container.ID)
		if err != nil {
			return err
		}
		*seen.id, *seen.start = seen.container.ID, rt.StartedAt
	}
	if info, err := os.Stat(spec.WorkTree); err == nil && acl.NeedsGrant(info, d.user.HostUID) {
		s.GrantedUID = d.user.HostUID
	}
	access, err := sandbox.Access(spec, d.servicesReached(), nil)
	if err != nil {
		return err
	}
	s.Access = access.Lines()
	git, err := worktree.Points(spec.WorkTree)
	if err != nil {
		return err
	}
	s.GitPointers = git.String()
	if s.WantedDigest, err = d.digestOf(d.target, d.wanted, own, *s); err != nil {
		return err
	}
	return d.records().Write(spec.Project, spec.Agent, *s)
}

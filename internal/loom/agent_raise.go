package loom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// MainServicesError says that the services of the loom main cannot be confined: it is what docker compose up makes.
type MainServicesError struct{ Loom string }

// Error says so.
func (e *MainServicesError) Error() string {
	return "the services of loom " + e.Loom + " are as docker compose makes them, and reach the internet: an agent that edits what they run would too"
}

// NextStep says what the user does next.
func (*MainServicesError) NextStep() string {
	return "give the agent a loom of its own: docker loom up ID --worktree; or accept it with --services-egress open"
}

// GoneError says that the work tree that an agent was to work on is gone.
type GoneError struct{ Loom, WorkTree string }

// Error names it.
func (e *GoneError) Error() string {
	return "the work tree of loom " + e.Loom + ", " + e.WorkTree + ", is gone"
}

// NextStep says what the user does next.
func (*GoneError) NextStep() string {
	return "docker loom prune ends what is left of the loom"
}

// RuntimeError says that the engine has no such container runtime.
type RuntimeError struct {
	Runtime string
	There   []string
}

// Error lists those that it has.
func (e *RuntimeError) Error() string {
	return fmt.Sprintf("the engine has no runtime %s; it has: %q", e.Runtime, e.There)
}

// NextStep says what the user does next.
func (*RuntimeError) NextStep() string {
	return "install it for the engine, or choose another with container.agent.runtime"
}

// raise brings the loom up as it is to be beside a sandbox, and the sandbox to its wanted state; then it is checked. Two
// commands at once would make it twice, so that the loom's lock is held.
func (l *Looms) raise(ctx context.Context, w *wish, req *AgentRequest) (*box, error) {
	t, err := l.Resolve(ctx, req.Where, Reading)
	if err != nil {
		return nil, err
	}
	release, err := l.alone(ctx, t)
	if err != nil {
		return nil, err
	}
	defer release()
	if t.Known == nil {
		return nil, &UnknownError{t.Name()}
	}
	if gone(t.Known.WorkTree) {
		// up would go on in the folder that it was called in: that is the user's, and nothing was said of an agent in it.
		return nil, &GoneError{Loom: t.ID, WorkTree: t.Known.WorkTree}
	}
	if err := l.trustPolicy(ctx, t, req.Trust); err != nil {
		return nil, err
	}
	// Another command may have done it meanwhile.
	if b, err := l.warm(ctx, t, w, req.AsItIs); b != nil || err != nil {
		return b, err
	}
	plan, err := l.beside(ctx, t, w, req)
	if err != nil {
		return nil, err
	}
	spec, who, more, err := l.specify(ctx, t, plan, w, false)
	if err != nil {
		return nil, err
	}
	for _, f := range more {
		l.tellFinding(f)
	}
	return l.settleBox(ctx, t, plan, w, spec, who)
}

// trustPolicy stops where the settings of the main work tree, which say what agents of all looms may do, ask for more than
// was accepted there, while others write that work tree: a sandbox of the loom that works on it.
func (l *Looms) trustPolicy(ctx context.Context, t *Target, trust bool) error {
	if t.WorkTree == t.Repository {
		// Then the plan has them among its powers.
		return nil
	}
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return err
	}
	in := state.InFolder(t.Repository)
	if len(in) == 0 {
		// main may be down.
		k := &registry.Loom{ID: Main, Repository: t.Repository, WorkTree: t.Repository}
		l.inherit(k, state)
		in = append(in, k)
	}
	for _, k := range in {
		if !distrusted(k) {
			continue
		}
		powers, err := policyPowers(&Target{Repository: t.Repository, WorkTree: t.Repository})
		if err != nil {
			return err
		}
		if err := l.permit(ctx, k, powers, trust); err != nil {
			return err
		}
	}
	return nil
}

// beside is up of the loom with its services confined, or not, as the agent wants it.
func (l *Looms) beside(ctx context.Context, t *Target, w *wish, req *AgentRequest) (*Plan, error) {
	if w.policy.Runtime != "" {
		info, err := l.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		if there := info.Confines.Runtimes; !slices.Contains(there, w.policy.Runtime) {
			return nil, &RuntimeError{w.policy.Runtime, there}
		}
	}
	image, err := l.egressImage(ctx)
	if err != nil {
		return nil, err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	if w.images != (AgentImages{}) || os.Getenv("ILOOM_AGENT_IMAGE")+os.Getenv("AGENT_DEFAULT_IMAGE") != "" {
		// A slip in a name shows before the services are made anew.
		if _, _, err := l.agentImage(ctx, w.images, own); err != nil {
			return nil, err
		}
	}
	confined, err := l.strictest(ctx, w, own, image, t.Known.Confined)
	if err != nil {
		return nil, err
	}
	if t.ID == Main && confined != nil {
		return nil, &MainServicesError{t.Name()}
	}
	if err := l.setConfined(ctx, t, confined); err != nil {
		return nil, err
	}
	plan, _, err := l.upLocked(ctx, t, nil, UpRequest{Where: req.Where, Options: Options{Trust: req.Trust}, WaitTimeout: 3 * time.Minute, HookOutput: l.Teller.Stream()})
	if err != nil {
		return nil, err
	}
	for _, f := range plan.Findings {
		if f.Level == finding.Warning {
			l.tellFinding(f)
		}
	}
	return plan, l.refresh(ctx, t)
}

// strictest is how the loom's services are to leave while other agents' sandboxes run beside this one: they are a way out
// for each of them.
func (l *Looms) strictest(ctx context.Context, w *wish, own []engine.Container, image string, now *registry.Confined) (*registry.Confined, error) {
	c := w.confinement(image)
	if c == nil && (w.lifted || now == nil) {
		return nil, nil
	}
	if c == nil {
		// It may reach all, but the others may not.
		c = &registry.Confined{Mode: string(egress.Open), Image: image}
	}
	for _, o := range own {
		name := o.Labels[sandbox.LabelAgent]
		if name == "" || name == w.policy.Agent || o.Service != sandbox.EgressName(name) || !isRunning(o) {
			continue
		}
		rt, err := l.Engine.Runtime(ctx, o.ID)
		if err != nil {
			return nil, err
		}
		narrow(c, rt.Env[egress.ConfigVariable])
	}
	if c.Mode == string(egress.Open) {
		return nil, nil
	}
	return c, nil
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
		c.Allow = slices.DeleteFunc(slices.Clone(c.Allow), func(rule string) bool { return !slices.Contains(cfg.Allow, rule) })
	}
}

// confinement is how the loom's services are to leave, nil where as they like.
func (w *wish) confinement(image string) *registry.Confined {
	if w.services == egress.Open {
		return nil
	}
	c := &registry.Confined{Mode: string(w.services), Image: image}
	if w.services == egress.Restricted {
		c.Allow = w.hosts
	}
	return c
}

// specify collects what the sandbox is made from. Looking writes and leases nothing.
func (l *Looms) specify(ctx context.Context, t *Target, plan *Plan, w *wish, looking bool) (sandbox.Spec, agentUser, []finding.Finding, error) {
	spec := sandbox.Spec{Policy: w.policy}
	var findings []finding.Finding
	tree := followed(t.WorkTree)
	spec.Project, spec.Loom, spec.Repository, spec.WorkTree = t.Known.Project, t.ID, t.Repository, tree
	spec.Labels = map[string]string{engine.LabelLoom: t.ID, engine.LabelRepo: t.Repository}
	spec.State = filepath.Dir(l.boxFile(t.Known.Project, w.policy.Agent))
	spec.IsolatedGateway = l.Engine.IsolatedGateway()
	spec.Hint = "docker loom agent allow " + t.ID + asAgent(w.policy.Agent)
	var err error
	if spec.Machine, err = engine.HostAddresses(); err != nil {
		return spec, agentUser{}, nil, err
	}
	spec.Services = plan.Project.ServiceNames()
	spec.Services = slices.DeleteFunc(spec.Services, func(name string) bool { return name == egressService })
	root, err := os.Stat(tree)
	if err != nil {
		return spec, agentUser{}, nil, err
	}
	uid, gid := ownerOf(root)
	info, err := l.Engine.Info(ctx)
	if err != nil {
		return spec, agentUser{}, nil, err
	}
	who, err := userOn(info, uid, gid)
	if err != nil {
		return spec, agentUser{}, nil, err
	}
	spec.UID, spec.GID = who.uid, who.gid
	if t.Git != nil && t.Git.WorkTree != "" {
		git, more, err := sandbox.ReadGit(tree, followed(t.Git.CommonDir), followed(t.Git.GitDir))
		if err != nil {
			return spec, agentUser{}, nil, err
		}
		spec.Git, findings = git, append(findings, more...)
	}
	spec.Held = plan.held()
	if w.policy.DockerSocket != "" {
		spec.DockerSocket = l.Engine.SocketPath()
		socket, err := os.Stat(spec.DockerSocket)
		if err != nil {
			return spec, agentUser{}, nil, fmt.Errorf("the engine's socket: %w", err)
		}
		_, spec.SocketGID = ownerOf(socket)
	}
	if spec.EgressImage, err = l.egressRef(); err != nil {
		return spec, agentUser{}, nil, err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return spec, agentUser{}, nil, err
	}
	images := w.images
	images.Looking = looking
	ref, id, err := l.agentImage(ctx, images, own)
	if err != nil {
		return spec, agentUser{}, nil, err
	}
	inside, _ := boxOf(own, w.policy.Agent)
	ref, id, more, err := l.toolchainImage(ctx, toolchain{ref, id, tree, inside, w.trust || !distrusted(t.Known), looking})
	if err != nil {
		return spec, agentUser{}, nil, err
	}
	spec.Image, spec.ImageID, findings = ref, id, append(findings, more...)
	if err := l.lendSubnets(ctx, t, &spec, looking); err != nil {
		return spec, agentUser{}, nil, err
	}
	return spec, who, findings, nil
}

func asAgent(name string) string {
	if name == DefaultAgent {
		return ""
	}
	return " --agent " + name
}

// lendSubnets leases the sandbox's two networks, for the loom's life as those of its services.
func (l *Looms) lendSubnets(ctx context.Context, t *Target, spec *sandbox.Spec, looking bool) error {
	keys := []string{sandbox.ServiceName(spec.Agent), sandbox.OuterName(spec.Agent)}
	var networks []overrides.Network
	for _, key := range keys {
		networks = append(networks, overrides.Network{Key: key, Pools: []overrides.Pool{{Bits: 24}}})
	}
	if !complete(*t.Known, nil, networks) {
		world, err := l.world(ctx, t.Known.Project)
		if err != nil {
			return err
		}
		set, err := settings.Read(l.policySources(t.Repository))
		if err != nil {
			return err
		}
		decide := func(state *registry.State) error {
			e := state.Find(t.Repository, t.ID)
			if e == nil {
				return &UnknownError{t.Name()}
			}
			if err := subnets(e, networks, set.Container.AddressPool, world, state); err != nil {
				return err
			}
			t.Known = copyOf(e)
			return nil
		}
		if looking {
			state, err := l.Registry.Read(ctx)
			if err != nil {
				return err
			}
			if err := decide(state); err != nil {
				return err
			}
		} else if err := l.Registry.Update(ctx, decide); err != nil {
			return err
		}
	}
	leased := prefixes(t.Known.Subnets)
	for i, to := range []*netip.Prefix{&spec.Subnet, &spec.OuterSubnet} {
		if len(leased[keys[i]]) == 0 {
			return fmt.Errorf("network %s: no subnet", keys[i])
		}
		*to = leased[keys[i]][0]
	}
	return nil
}

// settleBox brings the containers to their wanted state, joins the loom's services to them and has them checked.
func (l *Looms) settleBox(ctx context.Context, t *Target, plan *Plan, w *wish, spec sandbox.Spec, who agentUser) (*box, error) {
	if err := l.writable(ctx, t, spec); err != nil {
		return nil, err
	}
	sources, err := l.stock(ctx, t, w, &spec, who)
	if err != nil {
		return nil, err
	}
	project, findings, err := sandbox.Compile(spec)
	if err != nil {
		return nil, err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	was, _ := l.readBox(spec.Project, spec.Agent)
	facts, err := l.boxFacts(ctx, own, project, spec.Agent, was)
	if err != nil {
		return nil, err
	}
	// Before the container starts: what is replaced from here on is seen.
	guarded, err := sandbox.Guarded(spec)
	if err != nil {
		return nil, err
	}
	stamp := sandbox.Stamp(guarded)
	action := sandbox.Decide(facts)
	if facts.Unguarded && facts.Running {
		l.Teller.Sayf("%s", "warning: the sandbox is made anew: "+replaced)
	}
	l.Teller.Debugf("sandbox %s: %+v", sandbox.ServiceName(spec.Agent), action)
	if err := l.compose(ctx, t, spec, project, own, action); err != nil {
		return nil, err
	}
	if own, err = l.containers(ctx, t.Known); err != nil {
		return nil, err
	}
	if err := l.joinServices(ctx, own, networkName(spec.Project, sandbox.ServiceName(spec.Agent))); err != nil {
		return nil, err
	}
	inside, outside := boxOf(own, spec.Agent)
	if inside == nil || outside == nil || inside.State != "running" || outside.State != "running" {
		return nil, l.notRunning(ctx, t, spec, inside, outside)
	}
	if action.Check || len(inside.Networks) != 1 {
		if err := l.prove(ctx, t, spec, inside); err != nil {
			return nil, err
		}
	}
	state, err := l.remembers(ctx, t, plan, w, spec, who, own, sources)
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		state.Loud = append(state.Loud, f.String())
	}
	state.Guard, state.Stamp = guarded, stamp
	if err := l.writeBox(spec.Project, spec.Agent, state); err != nil {
		return nil, err
	}
	return &box{target: t, id: inside.ID, state: state, services: servicesOf(own)}, nil
}

// writable notes, before the sandbox starts, that what the loom's work tree says may be somebody else's from now on.
func (l *Looms) writable(ctx context.Context, t *Target, spec sandbox.Spec) error {
	if spec.ReadOnly {
		return nil
	}
	if err := l.keepWritten(t.Known); err != nil || t.Known.Sandboxed {
		return err
	}
	t.Known.Sandboxed = true
	return l.Registry.Update(ctx, func(state *registry.State) error {
		k := state.Find(t.Repository, t.ID)
		if k == nil {
			return &UnknownError{t.Name()}
		}
		k.Sandboxed = true
		return nil
	})
}

// boxFacts are what sandbox.Decide wants to know.
func (l *Looms) boxFacts(ctx context.Context, own []engine.Container, project *types.Project, agent string, was boxState) (sandbox.Facts, error) {
	var f sandbox.Facts
	inside, outside := boxOf(own, agent)
	f.WantHash, f.Egress.WantHash = sandbox.Hashes(project, agent)
	f.CheckedID, f.CheckedStart, f.Egress.CheckedID, f.Egress.CheckedStart = was.Sandbox, was.SandboxStart, was.Egress, was.EgressStart
	if inside != nil {
		rt, err := l.Engine.Runtime(ctx, inside.ID)
		if err != nil {
			return f, err
		}
		f.Exists, f.Running, f.Hash, f.ID, f.StartedAt = true, isRunning(*inside), inside.Labels[sandbox.LabelSandbox], inside.ID, rt.StartedAt
		f.Paused = inside.State == "paused"
		f.Unguarded = was.Sandbox == inside.ID && was.SandboxStart == rt.StartedAt && was.unguarded()
	}
	if outside != nil {
		rt, err := l.Engine.Runtime(ctx, outside.ID)
		if err != nil {
			return f, err
		}
		e := &f.Egress
		e.Exists, e.Running, e.Hash, e.ID, e.StartedAt = true, isRunning(*outside), outside.Labels[sandbox.LabelSandbox], outside.ID, rt.StartedAt
		e.Paused = outside.State == "paused"
	}
	return f, nil
}

// compose does what was decided: a container that drifted goes, and Compose makes and starts what is missing. A sandbox that
// stays is left alone, whatever Compose would think of it.
func (l *Looms) compose(ctx context.Context, t *Target, spec sandbox.Spec, project *types.Project, own []engine.Container, action sandbox.Action) error {
	if action.EndsCommands {
		l.Teller.Sayf("the sandbox of loom %s is made anew, because what it is made of changed: commands that run in it end", t.ID)
	}
	inside, outside := boxOf(own, spec.Agent)
	// The way out first: what runs in the sandbox asks for it.
	if action.Egress == sandbox.Unpause {
		if err := l.Engine.Unpause(ctx, outside.ID); err != nil {
			return err
		}
		action.Egress = sandbox.Keep
	}
	if action.Sandbox == sandbox.Unpause {
		l.Teller.Sayf("the sandbox of loom %s was paused: what runs in it goes on", t.ID)
		if err := l.Engine.Unpause(ctx, inside.ID); err != nil {
			return err
		}
		action.Sandbox = sandbox.Keep
	}
	if action.Sandbox == sandbox.Keep && action.Egress == sandbox.Keep {
		return nil
	}
	var drop []string
	if action.Sandbox == sandbox.Recreate {
		drop = append(drop, inside.ID)
	}
	if action.Egress == sandbox.Recreate {
		drop = append(drop, outside.ID)
	}
	for _, id := range drop {
		if err := l.Engine.Stop(ctx, id, 0); err != nil {
			return err
		}
	}
	if err := l.Engine.RemoveContainers(ctx, drop, true); err != nil {
		return err
	}
	if action.Sandbox == sandbox.Keep {
		// Compose would start the sidecar only; its own idea of drift shall not touch the sandbox.
		delete(project.Services, sandbox.ServiceName(spec.Agent))
	}
	if err := l.ownVolumes(ctx, spec, project, action); err != nil {
		return err
	}
	var others []string
	for _, c := range own {
		others = append(others, c.Service)
	}
	stack.Beside(project, append(others, sandbox.ServiceName(spec.Agent)), map[string]string{
		engine.LabelWorkTree: t.WorkTree, engine.LabelOffset: strconv.Itoa(t.Known.Offset), engine.LabelVersion: l.Version,
	})
	if err := l.Stack.Up(ctx, project, stack.CreateOptions{}); err != nil {
		return fmt.Errorf("sandbox of loom %s: %w", t.ID, err)
	}
	return nil
}

// ownVolumes makes the sandbox's volumes. The home volume, and the folders in it that files are mounted in, are given to the
// agent. The view of the git folder is made anew where nothing runs in the sandbox.
func (l *Looms) ownVolumes(ctx context.Context, spec sandbox.Spec, project *types.Project, action sandbox.Action) error {
	there, err := l.Engine.Volumes(ctx, map[string]string{stack.LabelProject: spec.Project})
	if err != nil {
		return err
	}
	for key, v := range project.Volumes {
		if !slices.ContainsFunc(there, func(o engine.Volume) bool { return o.Name == v.Name }) {
			if err := l.Stack.CreateVolume(ctx, project, key); err != nil {
				return err
			}
		}
	}
	once := engine.Once{
		Image: spec.EgressImage, User: "0:0", Network: "none", CapAdd: []string{"CHOWN", "DAC_OVERRIDE", "FOWNER"},
		Cmd:    append([]string{sandbox.Program, "egress", "home", fmt.Sprintf("%d:%d", spec.UID, spec.GID), sandbox.Home}, sandbox.Folders(spec)...),
		Mounts: []engine.Mount{{Volume: project.Volumes[sandbox.HomeName(spec.Agent)].Name, Target: sandbox.Home}},
	}
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
	_, why, code, err := l.Engine.RunOnce(ctx, once)
	if err == nil && code != 0 {
		err = errors.New(string(why))
	}
	if err != nil {
		return fmt.Errorf("volumes of the sandbox: %w", err)
	}
	return nil
}

// notRunning says why a sandbox does not run.
func (l *Looms) notRunning(ctx context.Context, t *Target, spec sandbox.Spec, inside, outside *engine.Container) error {
	for _, c := range []*engine.Container{outside, inside} {
		if c == nil {
			return fmt.Errorf("sandbox of loom %s: its container is missing", t.ID)
		}
		if c.State == "running" {
			continue
		}
		last, err := l.Engine.Tail(ctx, c.ID, 3)
		if err != nil {
			return err
		}
		return fmt.Errorf("sandbox of loom %s: container %s is %s, exit code %d: %q", t.ID, c.Name, c.State, c.ExitCode, last)
	}
	return nil
}

// remembers is what the next command has to know.
func (l *Looms) remembers(ctx context.Context, t *Target, plan *Plan, w *wish, spec sandbox.Spec, who agentUser, own []engine.Container, sources []string) (boxState, error) {
	s := boxState{Image: spec.Image, ImageID: spec.ImageID, User: fmt.Sprintf("%d:%d", spec.UID, spec.GID), Dir: spec.WorkTree, Sources: sources}
	inside, outside := boxOf(own, spec.Agent)
	for _, c := range []struct {
		of        *engine.Container
		id, start *string
	}{{inside, &s.Sandbox, &s.SandboxStart}, {outside, &s.Egress, &s.EgressStart}} {
		rt, err := l.Engine.Runtime(ctx, c.of.ID)
		if err != nil {
			return s, err
		}
		*c.id, *c.start = c.of.ID, rt.StartedAt
	}
	if info, err := os.Stat(spec.WorkTree); err == nil && sandbox.NeedsGrant(info, who.hostUID) {
		s.Owner = who.hostUID
	}
	access, err := sandbox.Access(spec, plan.serviceAccess(), nil)
	if err != nil {
		return s, err
	}
	s.Access = access.Lines()
	git, err := worktree.Points(spec.WorkTree)
	if err != nil {
		return s, err
	}
	s.Git = git.String()
	s.Wanted, err = l.wantedDigest(t, w, own, git, s)
	return s, err
}

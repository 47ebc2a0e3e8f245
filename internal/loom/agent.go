package loom

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/atomicwriter"
	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// AgentRequest asks for a command in a loom's sandbox.
type AgentRequest struct {
	Where
	// Agent is whose sandbox it is, "" for [DefaultAgent].
	Agent string
	// Image, Egress, ServicesEgress and Vault are stronger than the settings where they are not empty.
	Image, Egress, ServicesEgress, Vault string
	// Secrets are variables of this command alone.
	Secrets map[string]string
	// Trust accepts what the files of the work tree ask of the host.
	Trust bool
	// Quiet says nothing of what the agent can reach.
	Quiet bool
	// AsItIs takes a sandbox that runs as it is, whatever the settings say now: for commands beside an agent's.
	AsItIs bool
	// Process is the command; without Cmd it is that of the settings.
	Process engine.Process
	// Begin is called before the command begins, to join it to its streams and signals; ctx is the command's from then on.
	Begin func(ctx context.Context) context.Context
}

// RemoteSandboxError says that the engine is on another machine, where the work tree is not.
type RemoteSandboxError struct{ Host string }

// Error names the engine.
func (e *RemoteSandboxError) Error() string {
	return "a sandbox works on the work tree of this machine, and the engine at " + e.Host + " is on another"
}

// NextStep says what the user does next.
func (*RemoteSandboxError) NextStep() string {
	return "docker context use chooses an engine of this machine"
}

// box is a loom's sandbox that runs and was checked.
type box struct {
	target *Target
	id     string // of the container
	state  boxState
	// services are those that are reached without the proxy.
	services []string
	// refs are the repository's before the command, nil where they are not known yet.
	refs map[string]string
}

// boxState is what is remembered of a sandbox in its folder.
type boxState struct {
	// Wanted is the digest of what it was made for; another one means to look closer.
	Wanted string
	// Sandbox and Egress are the containers, each with its start, that the last check found closed.
	Sandbox, SandboxStart, Egress, EgressStart string
	// Image and ImageID are what it was made of.
	Image, ImageID string
	// User is uid:gid, Dir the work tree.
	User, Dir string
	// Owner is who the agent is on this machine, where that is not the owner of the work tree; else 0.
	Owner int
	// Git is where git's files of the work tree led.
	Git string
	// Access is said before each command.
	Access []string
	// Loud are warnings that are repeated each time.
	Loud []string
	// Sources are files and folders of the host whose copies the sandbox has.
	Sources []string
	// Guard are the files of the host that the sandbox guards, and Stamp says which they were when it started.
	Guard []string
	Stamp string
}

// Agent runs a command in a loom's sandbox, which it makes, starts and checks as far as that is needed, and returns the
// command's exit code. Errors are [engine.ErrDetached], or else a [*NotRunError].
func (l *Looms) Agent(ctx context.Context, req *AgentRequest) (int, error) {
	b, w, err := l.sandboxFor(ctx, req)
	if err != nil {
		return 0, &NotRunError{err}
	}
	p := &req.Process
	if err := l.equip(b, w, req); err != nil {
		return 0, &NotRunError{err}
	}
	for _, line := range b.state.Loud {
		l.Teller.Sayf("%s", line)
	}
	if !req.Quiet {
		for _, line := range b.state.Access {
			l.Teller.Sayf("%s", line)
		}
	}
	git, err := worktree.Points(b.state.Dir)
	if err != nil {
		return 0, &NotRunError{err}
	}
	tell := l.watch(ctx, git, b.refs)
	if req.Begin != nil {
		ctx = req.Begin(ctx)
	}
	if term := os.Getenv("TERM"); p.Terminal != nil && term != "" {
		p.Env = append(p.Env, "TERM="+term)
	}
	l.Teller.Debugf("container %.12s: %q as %q in %q", b.id, p.Cmd, p.User, p.Dir)
	end := l.guard(ctx, b)
	run := *p
	if run.Detach {
		run.Cmd = keepOutput(run.Cmd)
	}
	code, err := l.Engine.Exec(ctx, b.id, run)
	end()
	if !p.Detach && !errors.Is(err, engine.ErrDetached) {
		tell(context.WithoutCancel(ctx))
		l.tellAltered(b.target)
	}
	if err != nil && !errors.Is(err, engine.ErrDetached) {
		err = &NotRunError{err}
	}
	return code, err
}

// equip completes the command: who runs it, where, and with which variables. What a single command brings is given here
// and stands in no container's configuration.
func (l *Looms) equip(b *box, w *wish, req *AgentRequest) error {
	p := &req.Process
	if len(p.Cmd) == 0 {
		p.Cmd = w.policy.Command
	}
	p.User = b.state.User
	if p.Dir == "" {
		p.Dir = b.state.Dir
		// Where the user is in the work tree, so is the command.
		if here, err := filepath.EvalSymlinks(req.Source.Dir); err == nil && below(here, b.state.Dir) {
			p.Dir = here
		}
	}
	env := append(sandbox.NoProxy(b.services), "ILOOM_LOOM="+b.target.ID)
	more, err := l.variables(w, req)
	p.Env = slices.Concat(env, more)
	return err
}

// variables are what a single command is given, NAME=value: the vault's, secrets, and those of the user's flags.
func (l *Looms) variables(w *wish, req *AgentRequest) ([]string, error) {
	var env []string
	if w.policy.Vault != "" {
		variables, err := sandbox.VaultVariables(l.vaults(), w.policy.Vault)
		if err != nil {
			return nil, err
		}
		env = assignments(variables)
	}
	return slices.Concat(env, assignments(req.Secrets), req.Process.Env), nil
}

// assignments are variables as NAME=value, sorted.
func assignments(variables map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		list = append(list, name+"="+variables[name])
	}
	return list
}

// sandboxFor gives a sandbox that runs and was checked.
func (l *Looms) sandboxFor(ctx context.Context, req *AgentRequest) (*box, *wish, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, nil, err
	}
	if !l.Engine.Local() {
		return nil, nil, &RemoteSandboxError{l.Engine.Host()}
	}
	t := l.registered(ctx, req.Where)
	var err error
	if t == nil {
		if t, err = l.Resolve(ctx, req.Where, Reading); err != nil {
			return nil, nil, err
		}
	}
	w, err := l.wished(t, req)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range w.findings {
		l.tellFinding(f)
	}
	b, err := l.warm(ctx, t, w, req.AsItIs)
	if b != nil || err != nil {
		return b, w, err
	}
	b, err = l.raise(ctx, w, req)
	return b, w, err
}

// warm gives the sandbox where it runs, was checked as it runs, and is what is wanted, as far as that can be told cheaply;
// else nil.
func (l *Looms) warm(ctx context.Context, t *Target, w *wish, asItIs bool) (*box, error) {
	state, ok := l.readBox(t.Known.Project, w.policy.Agent)
	if !ok {
		return nil, nil
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	inside, outside := boxOf(own, w.policy.Agent)
	if inside == nil || outside == nil || inside.ID != state.Sandbox || outside.ID != state.Egress || inside.State != "running" || outside.State != "running" {
		return nil, nil
	}
	git, err := worktree.Points(state.Dir)
	if err != nil || git.String() != state.Git {
		l.Teller.Debugf("git's files of the work tree lead elsewhere: %v", err)
		return nil, nil
	}
	var started [2]string
	image := state.ImageID
	g, some := errgroup.WithContext(ctx)
	for i, id := range []string{inside.ID, outside.ID} {
		g.Go(func() error {
			rt, err := l.Engine.Runtime(some, id)
			started[i] = rt.StartedAt
			return err
		})
	}
	if !asItIs {
		g.Go(func() (err error) {
			image, err = l.Engine.ImageID(some, state.Image)
			return err
		})
	}
	var refs map[string]string
	g.Go(func() error {
		// Meanwhile. What fails here is said later.
		if git != nil {
			refs, _ = git.Refs(some)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if started != [2]string{state.SandboxStart, state.EgressStart} {
		l.Teller.Debugf("the sandbox was started again since its last check")
		return nil, nil
	}
	if network := networkName(t.Known.Project, inside.Service); !slices.Equal(inside.Networks, []string{network}) {
		l.Teller.Debugf("the sandbox is on the networks %v", inside.Networks)
		return nil, nil
	}
	if state.unguarded() {
		l.Teller.Debugf("a guarded file was replaced since the sandbox was started")
		return nil, nil
	}
	if !asItIs {
		wanted, err := l.wantedDigest(t, w, own, git, state)
		if err != nil || wanted != state.Wanted || image != state.ImageID {
			l.Teller.Debugf("the sandbox is not as wanted, or that cannot be told cheaply: %v", err)
			return nil, nil
		}
	}
	if err := l.joinServices(ctx, own, networkName(t.Known.Project, sandbox.ServiceName(w.policy.Agent))); err != nil {
		return nil, err
	}
	return &box{target: t, id: inside.ID, state: state, services: servicesOf(own), refs: refs}, nil
}

// servicesOf are the services that a sandbox reaches by name.
func servicesOf(own []engine.Container) []string {
	var names []string
	for _, c := range own {
		if !c.OneOff && !isAside(c) {
			names = append(names, c.Service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// wantedDigest is a digest of what a sandbox is made from, as far as that is known without planning it: the same digest, the
// same sandbox.
func (l *Looms) wantedDigest(t *Target, w *wish, own []engine.Container, git *worktree.Pointers, state boxState) (string, error) {
	program, err := l.egressRef()
	if err != nil {
		return "", err
	}
	root, err := os.Stat(t.Known.WorkTree)
	if err != nil {
		return "", err
	}
	var accepted []string
	if t.Known.Accepted != nil {
		// What services mount of the work tree is held in the sandbox.
		accepted = t.Known.Accepted.Powers
	}
	image := ""
	if dev := devContainer(own); dev != nil {
		image = dev.ImageID
	}
	parts, err := json.Marshal([]any{
		accepted, w.policy, w.images, w.services, w.mounts, program, l.Version, t.Known.Project, t.Known.WorkTree, t.Known.Confined, git.String(), image, fingerprint(state.Sources),
	})
	if err != nil {
		return "", err
	}
	uid, gid := ownerOf(root)
	return digest(parts, fmt.Appendf(nil, "%d:%d", uid, gid)), nil
}

// fingerprint is of the state of files and folders: names, sizes, times.
func fingerprint(paths []string) string {
	var b strings.Builder
	for _, root := range paths {
		fmt.Fprintln(&b, root)
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				fmt.Fprintln(&b, path, err)
				return nil
			}
			info, err := os.Stat(path)
			if err != nil {
				fmt.Fprintln(&b, path, err)
				return nil
			}
			if !d.IsDir() {
				fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return digest([]byte(b.String()))
}

// boxOf are an agent's containers, nil where one is missing.
func boxOf(own []engine.Container, agent string) (inside, outside *engine.Container) {
	for i, c := range own {
		switch {
		case c.OneOff || c.Labels[sandbox.LabelAgent] == "":
		case c.Service == sandbox.ServiceName(agent):
			inside = &own[i]
		case c.Service == sandbox.EgressName(agent):
			outside = &own[i]
		}
	}
	return inside, outside
}

// isSandbox tells an agent's sandbox and its sidecar from a service of the project.
func isSandbox(c engine.Container) bool { return c.Labels[sandbox.LabelAgent] != "" }

// sandboxDir is where a loom's sandboxes keep what they are made with.
func (l *Looms) sandboxDir(project string) string {
	return filepath.Join(filepath.Dir(l.Registry.Path()), "sandbox", project)
}

func (l *Looms) boxFile(project, agent string) string {
	return filepath.Join(l.sandboxDir(project), cmp.Or(agent, DefaultAgent), "state.json")
}

func (l *Looms) readBox(project, agent string) (s boxState, ok bool) {
	text, err := os.ReadFile(l.boxFile(project, agent))
	return s, err == nil && json.Unmarshal(text, &s) == nil
}

func (l *Looms) writeBox(project, agent string, s boxState) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := l.boxFile(project, agent)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicwriter.WriteFile(path, text, 0o600)
}

// Package agent runs a command in a loom's sandbox: what is wanted of it, what ensures and checks it, what runs in it,
// and what it may reach.
package agent

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/agent/record"
	"github.com/docker-loom/docker-loom/internal/agent/wanted"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/staging"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// DefaultName is the name of the agent that is meant if none is named.
const DefaultName = sandbox.DefaultAgent

// Agents runs commands in the sandboxes of looms. One of the looms' companions must be a [Companion].
type Agents struct{ backend }

// New returns the agents of the looms.
func New(l *loom.Looms) *Agents { return &Agents{backend{looms: l, engine: l.Engine}} }

// Request asks for a command in a loom's sandbox.
type Request struct {
	loom.Where
	// Agent is the name of the agent, "" for [DefaultName].
	Agent string
	// Image, Egress, ServicesEgress and Vault override the settings if they are not empty.
	Image, Egress, ServicesEgress, Vault string
	// Secrets are variables of this command alone.
	Secrets map[string]string
	// Trust accepts what the files of the work tree ask of the host.
	Trust bool
	// Quiet leaves out what the agent can reach.
	Quiet bool
	// AsItIs takes a sandbox that runs as it is, whatever the settings say now: for commands beside an agent's.
	AsItIs bool
	// Process is the command; without Cmd it is that of the settings.
	Process engine.Process
	// Begin is called before the command begins, to join it to its streams and signals. The context it returns is the
	// command's.
	Begin func(ctx context.Context) context.Context
}

// readySandbox is a loom's sandbox that runs and was checked as it runs.
type readySandbox struct {
	backend
	target      *loom.Target
	containerID string
	state       record.Sandbox
	// services are the names that are reached without the proxy.
	services []string
	// refs are the repository's before the command, nil if they are not known yet.
	refs map[string]string
}

// Run runs a command in a loom's sandbox and returns the command's exit code. It creates, starts and checks the
// sandbox as far as that is needed. Errors are [engine.ErrDetached] or a [*loom.NotRunError].
func (a *Agents) Run(ctx context.Context, req *Request) (int, error) {
	s, w, err := a.readySandboxFor(ctx, req)
	if err != nil {
		return 0, &loom.NotRunError{Err: err}
	}
	if err := s.completeProcess(w, req); err != nil {
		return 0, &loom.NotRunError{Err: err}
	}
	s.tellAccess(req)
	git, err := worktree.Points(s.state.WorkTree)
	if err != nil {
		return 0, &loom.NotRunError{Err: err}
	}
	tellMovedRefs := s.watchRefs(ctx, git)
	if req.Begin != nil {
		ctx = req.Begin(ctx)
	}
	p := req.Process
	if term := a.getenv("TERM"); p.Terminal != nil && term != "" {
		p.Env = append(p.Env, "TERM="+term)
	}
	a.debugf("container %.12s: %q as %q in %q", s.containerID, p.Cmd, p.User, p.Dir)
	stopWatching := s.stopIfGuardedFilesChange(ctx)
	if p.Detach {
		p.Cmd = keepOutput(p.Cmd)
	}
	code, err := a.engine.Exec(ctx, s.containerID, p)
	stopWatching()
	detached := errors.Is(err, engine.ErrDetached)
	if !p.Detach && !detached {
		tellMovedRefs(context.WithoutCancel(ctx))
		s.tellAltered()
	}
	if err != nil && !detached {
		err = &loom.NotRunError{Err: err}
	}
	return code, err
}

// readySandboxFor finds the sandbox that is asked for, or makes it ready.
func (a *Agents) readySandboxFor(ctx context.Context, req *Request) (*readySandbox, *wanted.Sandbox, error) {
	if err := a.checkEngine(ctx); err != nil {
		return nil, nil, err
	}
	t := a.looms.Finder().Registered(ctx, wholeLoom(req.Where))
	var err error
	if t == nil {
		t, err = a.resolve(ctx, req.Where)
	} else {
		t, err = a.withLead(ctx, t)
	}
	if err != nil {
		return nil, nil, err
	}
	w, err := a.wantedOf(t, req)
	if err != nil {
		return nil, nil, err
	}
	a.tellFindings(w.Findings)
	s, err := a.findReady(ctx, t, w, req.AsItIs)
	if s == nil && err == nil {
		s, err = a.ensure(ctx, w, req)
	}
	return s, w, err
}

// completeProcess says who runs the command, where, and with which variables. What a single command is given is in no
// container's configuration.
func (s *readySandbox) completeProcess(w *wanted.Sandbox, req *Request) error {
	p := &req.Process
	if len(p.Cmd) == 0 {
		p.Cmd = w.Policy.Command
	}
	p.User = s.state.User
	if p.Dir == "" {
		p.Dir = s.state.WorkTree
		// The command starts in the user's folder if that is in the work tree.
		if here, err := filepath.EvalSymlinks(req.Source.Dir); err == nil && host.IsBelow(here, s.state.WorkTree) {
			p.Dir = here
		}
	}
	variables, err := s.commandVariables(w, req)
	if err != nil {
		return err
	}
	p.Env = append(append(sandbox.NoProxy(s.services), "ILOOM_LOOM="+s.target.ID), variables...)
	return nil
}

// commandVariables are the variables that a single command is given, NAME=value: the vault's, secrets, and those of the
// user's flags.
func (b backend) commandVariables(w *wanted.Sandbox, req *Request) ([]string, error) {
	var env []string
	if w.Policy.Vault != "" {
		variables, err := staging.VaultVariables(b.vaults(), w.Policy.Vault)
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

// tellAccess tells the warnings that are repeated before each command, and what the agent can reach.
func (s *readySandbox) tellAccess(req *Request) {
	for _, line := range s.state.Warnings {
		s.sayf("%s", line)
	}
	if req.Quiet {
		return
	}
	for _, line := range s.state.Access {
		s.sayf("%s", line)
	}
}

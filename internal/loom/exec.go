package loom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// ExecRequest asks for a command in a running container of a loom.
type ExecRequest struct {
	Source stack.Source
	// Words are what names the loom and the service: [ID] [SERVICE]. The first is a loom if there is one of that name,
	// else a service of the folder's loom.
	Words []string
	// Whole says that Words continue with the command, behind the loom or the service: nothing tells where it begins.
	Whole bool
	// Service chooses one of the loom's; Index is a replica's number, 0 for the first that runs.
	Service string
	Index   int
	// Process is the command. What it leaves open is the dev container's, else the container's own.
	Process engine.Process
	// Shell says that it is a shell: afterwards the user's environment may be another.
	Shell bool
}

// ServicesError says that a loom has several services and none was named.
type ServicesError struct {
	Loom     string
	Services []string
}

// Error lists them.
func (e *ServicesError) Error() string {
	return fmt.Sprintf("loom %s has several services: %s", e.Loom, strings.Join(e.Services, ", "))
}

// NextStep says what the user does next.
func (e *ServicesError) NextStep() string {
	return "name one: docker loom exec " + e.Loom + " " + e.Services[0] + " -- COMMAND"
}

// StoppedError says that a container which a command is to run in does not run. Without a Service nothing of the loom runs.
type StoppedError struct{ Loom, Service, State string }

// Error names the service.
func (e *StoppedError) Error() string {
	if e.Service == "" {
		return "loom " + e.Loom + " does not run"
	}
	return fmt.Sprintf("service %s of loom %s does not run: its container is %s", e.Service, e.Loom, e.State)
}

// NextStep says what the user does next.
func (e *StoppedError) NextStep() string {
	return "docker loom up " + e.Loom + " starts it"
}

// NotRunError says that a command was not run, for a reason that is not its own.
type NotRunError struct{ Err error }

// Error is the reason.
func (e *NotRunError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (*NotRunError) NextStep() string {
	return "" // that of the reason counts
}

// Unwrap gives the reason.
func (e *NotRunError) Unwrap() error { return e.Err }

// SandboxServiceError says that a service is a sandbox: commands run there as its agent, and only after its check.
type SandboxServiceError struct{ Service, Agent, Loom string }

// Error names the service.
func (e *SandboxServiceError) Error() string {
	return "service " + e.Service + " is the sandbox of an agent"
}

// NextStep says what the user does next.
func (e *SandboxServiceError) NextStep() string {
	return "docker loom exec " + e.Loom + " --agent " + e.Agent + " -- COMMAND"
}

// NeitherError says that a name is neither that of a loom nor that of a service of the folder's loom.
type NeitherError struct{ Name, Loom string }

// Error says what the name was looked for as.
func (e *NeitherError) Error() string {
	return fmt.Sprintf("there is no loom %s, and loom %s of this folder has no service %s", e.Name, e.Loom, e.Name)
}

// NextStep says what the user does next.
func (e *NeitherError) NextStep() string {
	return "docker loom ls lists the looms, docker loom ps " + e.Loom + " the services"
}

// NoServiceError says that a loom has no service of this name.
type NoServiceError struct{ Service, Loom string }

// Error names both.
func (e *NoServiceError) Error() string {
	return fmt.Sprintf("no service %s in loom %s", e.Service, e.Loom)
}

// NextStep says what the user does next.
func (e *NoServiceError) NextStep() string {
	return "docker loom ps " + e.Loom + " lists the services"
}

// Exec runs a command in a running container of a loom and returns its exit code. It asks neither Compose nor the
// project's files: what it needs is on the containers. Errors are [engine.ErrDetached], or else a [*NotRunError].
func (l *Looms) Exec(ctx context.Context, req ExecRequest) (int, error) {
	c, req, err := l.execTarget(ctx, req)
	if err != nil {
		return 0, &NotRunError{err}
	}
	if isSandbox(c) {
		return 0, &NotRunError{&SandboxServiceError{Service: c.Service, Agent: c.Labels[sandbox.LabelAgent], Loom: c.Labels[engine.LabelLoom]}}
	}
	if isDevContainer(c) {
		if err := l.enter(ctx, c, &req.Process); err != nil {
			return 0, &NotRunError{err}
		}
	}
	l.Teller.Debugf("container %s: %q as %q in %q", c.Name, req.Process.Cmd, req.Process.User, req.Process.Dir)
	code, err := l.Engine.Exec(ctx, c.ID, req.Process)
	if req.Shell {
		l.reprobe(c.ID)
	}
	if err != nil && !errors.Is(err, engine.ErrDetached) {
		err = &NotRunError{err}
	}
	return code, err
}

// execTarget finds the container, and completes the request by what its words say.
func (l *Looms) execTarget(ctx context.Context, req ExecRequest) (engine.Container, ExecRequest, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return engine.Container{}, req, err
	}
	t, own, rest, err := l.named(ctx, req.Source, req.Words)
	if err != nil {
		return engine.Container{}, req, err
	}
	// In "SERVICE CMD" the first word is the service; in "ID CMD" and "ID SERVICE CMD" the container decides.
	withService := !req.Whole || len(rest) == len(req.Words)
	if !withService && req.Service == "" {
		withService = l.beginsWithService(ctx, own, rest)
	}
	if len(rest) > 0 && withService {
		if req.Service != "" {
			return engine.Container{}, req, fmt.Errorf("two services: %s and %s", req.Service, rest[0])
		}
		req.Service, rest = rest[0], rest[1:]
	}
	switch {
	case !req.Whole && len(rest) > 0:
		return engine.Container{}, req, fmt.Errorf("%q: only an id and a service can stand before --", rest)
	case req.Whole:
		req.Process.Cmd = rest
	}
	c, err := l.execContainer(t, own, req.Service, req.Index)
	return c, req, err
}

// named finds the loom that words begin with, else the folder's, its containers, and the words behind its id.
func (l *Looms) named(ctx context.Context, src stack.Source, words []string) (t *Target, own []engine.Container, rest []string, err error) {
	where := Where{Source: src}
	if len(words) > 0 {
		where.ID, rest = words[0], words[1:]
	}
	if t = l.registered(ctx, where); t == nil {
		t, err = l.Resolve(ctx, where, Reading)
	}
	unknown := err
	if where.ID != "" && errors.As(err, new(*UnknownError)) {
		where.ID, rest = "", words
		if t, err = l.Resolve(ctx, where, Reading); errors.As(err, new(*UnknownError)) {
			// There is no loom here whose service it could be.
			return nil, nil, nil, unknown
		}
	}
	if err != nil {
		return nil, nil, nil, err
	}
	own, err = l.containers(ctx, t.Known)
	if err == nil && len(words) > 0 && len(rest) == len(words) && !hasService(own, words[0]) {
		err = &NeitherError{Name: words[0], Loom: t.ID}
	}
	return t, own, rest, err
}

// registered is Resolve for the common case, without a git process, which takes as long as a command in a container: the folder
// is in a work tree of the registry, as it was registered. In all other cases it is nil.
func (l *Looms) registered(ctx context.Context, where Where) *Target {
	id, err := "", error(nil)
	if where.ID != "" {
		if id, err = ParseID(where.ID); err != nil {
			return nil
		}
	}
	state, err := l.Registry.Read(ctx)
	if err != nil || state.Fresh {
		return nil
	}
	dir, err := filepath.EvalSymlinks(where.Source.Dir)
	if err != nil {
		return nil
	}
	git := filepath.Join(dir, ".git")
	info, err := os.Lstat(git)
	for ; err != nil; info, err = os.Lstat(git) {
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
		git = filepath.Join(dir, ".git")
	}
	repository := dir
	if !info.IsDir() {
		pointer, err := os.ReadFile(git)
		if err != nil {
			return nil
		}
		at := strings.TrimSpace(strings.TrimPrefix(string(pointer), "gitdir:"))
		if repository = filepath.Dir(filepath.Dir(filepath.Dir(at))); !filepath.IsAbs(at) || filepath.Base(filepath.Dir(at)) != "worktrees" {
			return nil
		}
	}
	t := &Target{ID: id, Repository: repository, WorkTree: dir, Source: where.Source}
	if id == "" {
		in := state.InFolder(dir)
		if len(in) == 0 || slices.ContainsFunc(in, func(k *registry.Loom) bool { return k.Repository != repository }) {
			return nil
		}
		if t.ID, err = l.choose(state, t, Reading, nil); err != nil {
			return nil
		}
	}
	if t.Known = copyOf(state.Find(repository, t.ID)); t.Known == nil {
		return nil
	}
	return t
}

func hasService(own []engine.Container, name string) bool {
	return slices.ContainsFunc(own, func(c engine.Container) bool { return c.Service == name })
}

// execContainer chooses the container: of the service that is named, else of the dev container, else of the one service
// there is, else of the one that a browser reaches.
func (l *Looms) execContainer(t *Target, own []engine.Container, service string, index int) (engine.Container, error) {
	own = slices.DeleteFunc(slices.Clone(own), func(c engine.Container) bool { return c.OneOff || service == "" && isAside(c) })
	if len(own) == 0 {
		return engine.Container{}, &EmptyError{t.ID}
	}
	if service == "" {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.State == "running" }) {
			return engine.Container{}, &StoppedError{Loom: t.ID}
		}
		var err error
		if service, err = l.usual(t, own); err != nil {
			return engine.Container{}, err
		}
	}
	of := slices.DeleteFunc(slices.Clone(own), func(c engine.Container) bool { return c.Service != service })
	if len(of) == 0 {
		return engine.Container{}, &NoServiceError{Service: service, Loom: t.ID}
	}
	if index > 0 {
		of = slices.DeleteFunc(of, func(c engine.Container) bool { return c.Number != index })
		if len(of) == 0 {
			return engine.Container{}, fmt.Errorf("service %s of loom %s has no container %d", service, t.ID, index)
		}
	}
	for _, c := range of {
		if c.State == "running" {
			return c, nil
		}
	}
	return engine.Container{}, &StoppedError{Loom: t.ID, Service: service, State: of[0].State}
}

// usual is the service that a command runs in where none is named.
func (l *Looms) usual(t *Target, own []engine.Container) (string, error) {
	var all, web []string
	for _, c := range own {
		if isDevContainer(c) {
			return c.Service, nil
		}
		all = append(all, c.Service)
	}
	for _, p := range l.ports(t.ID, own) {
		if p.URL != "" {
			web = append(web, p.Service)
		}
	}
	for _, services := range [][]string{all, web} {
		slices.Sort(services)
		if services = slices.Compact(services); len(services) == 1 {
			return services[0], nil
		}
	}
	return "", &ServicesError{Loom: t.ID, Services: slices.Compact(all)}
}

// isDevContainer tells a dev container by the label that says which folder it is for. The metadata label alone says
// nothing: whatever is made from an image with one inherits it.
func isDevContainer(c engine.Container) bool {
	return c.Labels[engine.LabelDevContainer] != "" || c.Labels[devcontainer.LabelLocalFolder] != ""
}

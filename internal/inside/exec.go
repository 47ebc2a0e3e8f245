// Package inside is what is done inside a loom that exists: commands in its containers, its images, its ports, its
// variables. It makes no loom and ends none.
package inside

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Execs runs commands in the containers of looms: in one that runs, or in a one-off one.
type Execs struct{ Looms *loom.Looms }

// ExecRequest asks for a command in a running container of a loom.
type ExecRequest struct {
	loom.Where
	// Words are what names the loom and the service: [ID] [SERVICE]. The first is a loom if there is one of that name,
	// otherwise a service of the folder's loom.
	Words []string
	// Whole says that Words go on with the command, behind the first: nothing has told where it begins.
	Whole bool
	// Service chooses one of the loom's; Index is a replica's number, 0 for the first that runs.
	Service string
	Index   int
	// Process is the command. What it leaves open is the dev container's, otherwise the container's own.
	Process engine.Process
	// Shell says that it is a shell: afterwards the user's environment may be another.
	Shell bool
	// Found is called with the project that was found; nil for nothing.
	Found func(*loom.Target)
}

// ServicesError says that a loom has several services and none was named.
type ServicesError struct {
	Loom     string
	Services []string
	// Running is one that runs, and Command what was to run in it: nil for a shell.
	Running string
	Command []string
}

// Error lists them.
func (e *ServicesError) Error() string {
	return fmt.Sprintf("loom %s has several services: %s", e.Loom, strings.Join(e.Services, ", "))
}

// NextStep says what the user does next.
func (e *ServicesError) NextStep() string {
	if len(e.Command) == 0 {
		return "name one: docker loom shell " + e.Loom + " " + e.Running
	}
	return "name one: docker loom exec " + e.Loom + " " + e.Running + " -- " + find.ShellLine(e.Command)
}

// StoppedError says that a container which a command is to run in does not run. Without a Service nothing of the loom
// runs.
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

// SandboxServiceError says that a service is a sandbox: commands run there as its agent, and only after its check.
type SandboxServiceError struct {
	Service, Agent, Loom string
	// Command is what was to run in it.
	Command []string
}

// Error names the service.
func (e *SandboxServiceError) Error() string {
	return "service " + e.Service + " is the sandbox of an agent"
}

// NextStep says what the user does next.
func (e *SandboxServiceError) NextStep() string {
	return "docker loom exec " + e.Loom + " --agent " + e.Agent + " -- " + find.ShellLine(e.Command)
}

// Exec runs a command in a running container of a loom and returns its exit code. It asks neither Compose nor the
// project's files: the containers have all it needs. Errors are [engine.ErrDetached] or a [*loom.NotRunError].
func (l *Execs) Exec(ctx context.Context, req ExecRequest) (int, error) {
	code, err := l.runProcess(ctx, req)
	if err != nil && !errors.Is(err, engine.ErrDetached) {
		err = &loom.NotRunError{Err: err}
	}
	return code, err
}

func (l *Execs) runProcess(ctx context.Context, req ExecRequest) (int, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return 0, err
	}
	t, own, rest, err := l.findContainers(ctx, req)
	if err != nil {
		return 0, err
	}
	if req.Found != nil {
		req.Found(t)
	}
	// In "SERVICE CMD" the first word is the service; in "ID CMD" and "ID SERVICE CMD" the container decides.
	withService := !req.Whole || len(rest) == len(req.Words)
	if !withService && req.Service == "" {
		withService = l.beginsWithService(ctx, own, rest)
	}
	if withService {
		if rest, err = req.useService(rest); err != nil {
			return 0, err
		}
	}
	if err := req.useCommand(rest); err != nil {
		return 0, err
	}
	c, err := l.chooseContainer(t, own, req.Service, req.Index)
	var several *ServicesError
	if errors.As(err, &several) && !req.Shell {
		several.Command = req.Process.Cmd
	}
	if err != nil {
		return 0, err
	}
	if sandbox.IsSandbox(c.Labels) {
		return 0, &SandboxServiceError{
			Service: c.Service, Agent: c.Labels[sandbox.LabelAgent], Loom: c.Labels[engine.LabelLoom],
			Command: req.Process.Cmd,
		}
	}
	if devbox.IsDevContainer(c) {
		if err := l.Looms.DevBox(c.ID).Enter(ctx, &req.Process); err != nil {
			return 0, err
		}
	}
	l.Looms.Teller.Debugf("container %s: %q as %q in %q", c.Name, req.Process.Cmd, req.Process.User, req.Process.Dir)
	code, err := l.Looms.Engine.Exec(ctx, c.ID, req.Process)
	if req.Shell {
		l.Looms.DevBox(c.ID).ForgetEnvironment()
	}
	return code, err
}

// findContainers finds the loom, its containers, and the words behind its id.
func (l *Execs) findContainers(
	ctx context.Context, req ExecRequest,
) (t *loom.Target, own []engine.Container, rest []string, err error) {
	observed := ""
	observe := func(ctx context.Context, t *loom.Target) ([]string, error) {
		var err error
		own, err = l.Looms.Containers(ctx, t.Known)
		observed = t.Known.Project
		return loom.ServiceNames(own), err
	}
	q := loom.Query{Where: req.Where, Words: req.Words, Purpose: loom.Reading, Services: observe, Quick: true}
	if t, rest, err = l.Looms.Finder().Find(ctx, q); err == nil && observed != t.Known.Project {
		_, err = observe(ctx, t)
	}
	return t, own, rest, err
}

// useService takes the first of the words as the service, and returns the others.
func (req *ExecRequest) useService(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	if req.Service != "" {
		return nil, fmt.Errorf("two services: %s and %s", req.Service, words[0])
	}
	req.Service = words[0]
	return words[1:], nil
}

// useCommand takes the words as the command.
func (req *ExecRequest) useCommand(words []string) error {
	if req.Whole {
		req.Process.Cmd = words
		return nil
	}
	if len(words) > 0 {
		return fmt.Errorf("%q: only an id and a service can stand before --", words)
	}
	return nil
}

// chooseContainer chooses a running container of the named service. If none is named, the default service counts.
func (l *Execs) chooseContainer(
	t *loom.Target, own []engine.Container, service string, index int,
) (engine.Container, error) {
	own = slices.DeleteFunc(slices.Clone(own), func(c engine.Container) bool {
		return c.OneOff || service == "" && !l.Looms.Companions.IsService(c)
	})
	if len(own) == 0 {
		return engine.Container{}, &loom.EmptyError{ID: t.ID}
	}
	if service == "" {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.State == "running" }) {
			return engine.Container{}, &StoppedError{Loom: t.ID}
		}
		var err error
		if service, err = l.defaultService(t, own); err != nil {
			return engine.Container{}, err
		}
	}
	replicas := slices.DeleteFunc(own, func(c engine.Container) bool { return c.Service != service })
	if len(replicas) == 0 {
		return engine.Container{}, &plan.NoServiceError{Service: service, Loom: t.ID}
	}
	if index > 0 {
		replicas = slices.DeleteFunc(replicas, func(c engine.Container) bool { return c.Number != index })
		if len(replicas) == 0 {
			return engine.Container{}, fmt.Errorf("service %s of loom %s has no container %d", service, t.ID, index)
		}
	}
	for _, c := range replicas {
		if c.State == "running" {
			return c, nil
		}
	}
	return engine.Container{}, &StoppedError{Loom: t.ID, Service: service, State: replicas[0].State}
}

// defaultService is the dev container, otherwise the only service, otherwise the only one that a browser reaches.
func (l *Execs) defaultService(t *loom.Target, own []engine.Container) (string, error) {
	for _, c := range own {
		if devbox.IsDevContainer(c) {
			return c.Service, nil
		}
	}
	all := loom.ServiceNames(own)
	var web []string
	for _, p := range report.PublishedPorts(l.Looms.Engine, t.ID, own) {
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
	e := &ServicesError{Loom: t.ID, Services: slices.Compact(all)}
	for _, c := range own {
		if c.State == "running" && (e.Running == "" || c.Service < e.Running) {
			e.Running = c.Service
		}
	}
	return "", e
}

package loom

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// Listed is one loom as ls shows it.
type Listed struct {
	ID         string `json:"id"`
	Repository string `json:"repository"`
	Project    string `json:"project"`
	WorkTree   string `json:"workTree"`
	// State is running, partial (some containers run), stopped, created, down (no containers), or unknown where the
	// engine does not answer.
	State string `json:"state"`
	// Health is the worst of its running containers: unhealthy, starting or healthy; "" where none has a healthcheck.
	Health  string    `json:"health"`
	Offset  int       `json:"offset"`
	Ports   []Port    `json:"ports"`
	Created time.Time `json:"created"`
	// Held tells whether stop --idle leaves the loom alone, HeldUntil how long: nil until it is released.
	Held      bool       `json:"held"`
	HeldUntil *time.Time `json:"heldUntil"`
	// Observe fills these: the last moment at which somebody used the loom, nil where that is unknown, and which of Sources
	// are active now.
	LastActivity  *time.Time `json:"lastActivity"`
	ActiveSources []string   `json:"activeSources"`
	// Running counts the services' containers that run, Containers all of the loom's.
	Running    int `json:"-"`
	Containers int `json:"-"`

	known bool // to the registry
}

// Name addresses the loom from anywhere: shop/123.
func (l Listed) Name() string { return registry.Name(l.Repository, l.ID) }

// List lists the looms of all repositories: those the registry knows, and those that only the engine knows. Where the
// engine does not answer it returns what the registry knows together with the error.
func (l *Looms) List(ctx context.Context) ([]Listed, error) {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	looms, engineErr := l.onEngine(ctx)
	space := ""
	if engineErr == nil {
		// Without the check before, an engine that swallows packets would keep the user waiting.
		if space, err = l.Engine.Space(ctx); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for _, k := range state.Looms {
		if engineErr == nil && k.Space != space {
			continue
		}
		item := remembered(k)
		if item.Held = k.Held(time.Now()); item.Held && !k.Hold.Until.IsZero() {
			item.HeldUntil = &k.Hold.Until
		}
		if engineErr == nil {
			e := looms[k.Project]
			if k.ID == Main || k.Adopted != nil {
				// Those that other tools made are the loom's too, and have no labels of ours.
				if e.Containers, err = l.containers(ctx, k); err != nil {
					return nil, err
				}
			}
			l.describe(&item, e)
		}
		if len(item.Ports) == 0 {
			for _, lease := range k.Ports {
				item.Ports = append(item.Ports, Port{Target: lease.Base, Published: lease.Host, Protocol: lease.Protocol, HostIP: lease.IP})
			}
		}
		seen[k.Project] = true
		list = append(list, item)
	}
	for project, e := range looms {
		if seen[project] {
			continue
		}
		item := Listed{ID: e.ID, Repository: e.Repo, Project: project, WorkTree: e.WorkTree, Offset: e.Offset}
		l.describe(&item, e)
		list = append(list, item)
	}
	for i := range list {
		if list[i].Ports == nil {
			list[i].Ports = []Port{}
		}
		list[i].ActiveSources = []string{}
	}
	slices.SortFunc(list, inOrder)
	return list, engineErr
}

// inOrder sorts looms by repository and id.
func inOrder(a, b Listed) int {
	return cmp.Or(cmp.Compare(a.Repository, b.Repository), natural(a.ID, b.ID))
}

// natural orders 9 before 123, and numbers before names.
func natural(a, b string) int {
	switch na, nb := number.MatchString(a), number.MatchString(b); {
	case na && nb:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case na:
		return -1
	case nb:
		return 1
	}
	return cmp.Compare(a, b)
}

func (l *Looms) onEngine(ctx context.Context) (map[string]engine.Loom, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	list, err := l.Engine.Looms(ctx)
	if err != nil {
		return nil, err
	}
	looms := map[string]engine.Loom{}
	for _, e := range list {
		looms[e.Project] = e
	}
	return looms, nil
}

func (l *Looms) describe(item *Listed, e engine.Loom) {
	created, running := 0, 0
	for _, c := range e.Containers {
		if c.OneOff {
			continue
		}
		item.Containers++
		item.Health = worse(item.Health, c.Health)
		switch {
		case c.State == "running", c.State == "exited" && c.ExitCode == 0 && len(e.Containers) > 1:
			if c.State == "running" {
				running++
				if !isAside(c) {
					item.Running++
				}
			}
		case c.State == "created":
			created++
		}
		if item.Created.IsZero() || c.Created.Before(item.Created) {
			item.Created = c.Created
		}
	}
	item.Ports = l.ports(item.ID, e.Containers)
	switch {
	case item.Containers == 0:
		item.State = "down"
	case created == item.Containers:
		item.State = "created"
	case running == 0:
		item.State = "stopped"
	case ended(e.Containers):
		item.State = "partial"
	default:
		item.State = "running"
	}
}

// worse is the one of two healths that matters.
func worse(a, b string) string {
	order := []string{"", "healthy", "starting", "unhealthy"}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// ended tells whether a container is not running that should be: all but one-shots that exited 0.
func ended(containers []engine.Container) bool {
	return slices.ContainsFunc(containers, func(c engine.Container) bool {
		return !c.OneOff && c.State != "running" && (c.State != "exited" || c.ExitCode != 0)
	})
}

// Ps tells the state of one loom's containers and ports.
func (l *Looms) Ps(ctx context.Context, where Where) (*Result, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	t, err := l.Resolve(ctx, where, Reading)
	if err != nil {
		return nil, err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return nil, err
	}
	plan := entryPlan(t)
	r := &Result{Loom: t.ID, Project: t.Known.Project, WorkTree: t.WorkTree, Services: services(own), Ports: l.ports(t.ID, own)}
	if len(r.Ports) == 0 {
		for _, lease := range plan.Entry.Ports {
			r.Ports = append(r.Ports, Port{Published: lease.Host, Target: lease.Base, Protocol: lease.Protocol, HostIP: lease.IP})
		}
	}
	r.Findings = []finding.Finding{}
	return r, nil
}

// Stop stops the containers of a loom.
func (l *Looms) Stop(ctx context.Context, t *Target, timeout time.Duration) error {
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return err
	}
	if c := stays(own); c != nil {
		return l.stopBeside(ctx, t, own, c, timeout)
	}
	if project := l.hooks(ctx, t, own); project != nil {
		if err := l.Stack.Stop(ctx, t.Known.Project, project, timeout); err != nil {
			return err
		}
	}
	// By name, because from files Compose stops only what these profiles and files have.
	if err := l.Stack.Stop(ctx, t.Known.Project, nil, timeout); err != nil {
		return err
	}
	return outside(own, t.Known, func(c engine.Container) error { return l.Engine.Stop(ctx, c.ID, timeout) })
}

// stays is the running dev container whose devcontainer.json says that it is not to be stopped, nil where there is none.
func stays(own []engine.Container) *engine.Container {
	for i, c := range own {
		if c.Labels[devcontainer.LabelLocalFolder] == "" || c.OneOff || c.State != "running" {
			continue
		}
		entries, err := devcontainer.ParseMetadata(c.Labels[devcontainer.LabelMetadata])
		action := ""
		for _, e := range entries {
			action = cmp.Or(e.ShutdownAction, action)
		}
		if err == nil && action == "none" {
			return &own[i]
		}
	}
	return nil
}

// stopBeside stops what is beside a dev container that stays; a Compose one stays with all of its project.
func (l *Looms) stopBeside(ctx context.Context, t *Target, own []engine.Container, c *engine.Container, timeout time.Duration) error {
	l.Teller.Sayf("service %s keeps running, as shutdownAction in its devcontainer.json says; docker stop %s stops it", c.Service, c.Name)
	if c.Service != devcontainer.Service {
		return nil
	}
	var others []string
	for _, o := range own {
		if o.Service != c.Service && o.Project == t.Known.Project {
			others = append(others, o.Service)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return l.Stack.StopServices(ctx, t.Known.Project, others, timeout)
}

// EmptyError says that a loom has no containers.
type EmptyError struct{ ID string }

// Error names the loom.
func (e *EmptyError) Error() string { return "loom " + e.ID + " has no containers" }

// NextStep says what the user does next.
func (e *EmptyError) NextStep() string {
	return "docker loom up " + e.ID + " makes them"
}

// Start starts the stopped containers of a loom.
func (l *Looms) Start(ctx context.Context, t *Target) error {
	if err := l.Engine.Check(ctx); err != nil {
		return err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return err
	}
	if len(own) == 0 {
		return &EmptyError{t.ID}
	}
	if err := outside(own, t.Known, func(c engine.Container) error { return l.Engine.Start(ctx, c.ID) }); err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.Project == t.Known.Project }) {
		return nil
	}
	return l.Stack.Start(ctx, t.Known.Project)
}

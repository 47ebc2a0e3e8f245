// Package inventory says what looms there are, what they use, and which may be pruned.
package inventory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/report"
)

// Listed is a loom as ls shows it: what it says is of all its projects together.
type Listed struct {
	ID         string `json:"id"`
	Repository string `json:"repository"`
	// Project is the one of the folder that List was asked from, otherwise the oldest.
	Project  string `json:"project"`
	WorkTree string `json:"workTree"`
	// State is running, partial (some containers run), stopped, created, down (no containers), or unknown if the engine
	// does not answer.
	State string `json:"state"`
	// Health is the worst of its containers: unhealthy, starting or healthy; empty if none has a healthcheck.
	Health  string      `json:"health"`
	Offset  int         `json:"offset"`
	Ports   []loom.Port `json:"ports"`
	Created time.Time   `json:"created"`
	// Held reports that stop --idle leaves the loom alone, until HeldUntil; nil is until docker loom release.
	Held      bool       `json:"held"`
	HeldUntil *time.Time `json:"heldUntil"`
	// Observe fills these: when somebody last used the loom, nil if that is unknown, and which of Sources are active now.
	LastActivity  *time.Time `json:"lastActivity"`
	ActiveSources []string   `json:"activeSources"`
	// Projects are all of the loom, the oldest first.
	Projects []report.Project `json:"projects"`
	// Running and Containers count containers.
	Running    int `json:"-"`
	Containers int `json:"-"`

	// Known says that the registry has the loom.
	Known bool `json:"-"`
}

// Name addresses the loom from anywhere: shop/123.
func (l Listed) Name() string { return registry.Name(l.Repository, l.ID) }

// List lists the looms of all repositories: those that the registry knows, and those that only the engine knows. If the
// engine does not answer, it returns what the registry knows together with the error. dir is the folder of the user.
func List(ctx context.Context, l *loom.Looms, dir string) ([]Listed, error) {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	byProject, engineErr := onEngine(ctx, l)
	if engineErr != nil {
		return registered(state.Looms, dir), engineErr
	}
	// Only after onEngine has checked the engine: one that swallows packets would keep the user waiting here.
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return nil, err
	}
	looms := state.InSpace(space)
	known := map[string]bool{}
	for _, k := range looms {
		known[k.Project] = true
	}
	for _, project := range slices.Sorted(maps.Keys(byProject)) {
		if !known[project] {
			looms = append(looms, find.FromLabels(byProject[project]))
		}
	}
	list := []Listed{}
	for _, projects := range registry.ByLoom(looms) {
		var parts []part
		for _, k := range projects {
			e := byProject[k.Project]
			if known[k.Project] && (k.ID == identity.Main || k.Adopted != nil) {
				// Their containers may be made by other tools, and then lack docker loom's labels.
				if e.Containers, err = l.Containers(ctx, k); err != nil {
					return nil, err
				}
			}
			item := newListed(k)
			item.Known = known[k.Project]
			item.Projects = []report.Project{report.Observed(l.Engine, k, e.Containers)}
			describe(l, &item, e)
			parts = append(parts, part{k, item})
		}
		list = append(list, join(parts, dir))
	}
	slices.SortFunc(list, inOrder)
	return list, nil
}

// Remembered lists the looms that the registry knows, of all repositories and engines. It asks no engine, so their
// State is unknown. A damaged registry stays as it is.
func Remembered(l *loom.Looms) ([]Listed, error) {
	state, err := l.Registry.Peek()
	if err != nil {
		return nil, err
	}
	return registered(state.Looms, ""), nil
}

// registered lists looms by what the registry tells of them.
func registered(looms []*registry.Loom, dir string) []Listed {
	list := []Listed{}
	for _, projects := range registry.ByLoom(looms) {
		var parts []part
		for _, k := range projects {
			parts = append(parts, part{k, newListed(k)})
		}
		list = append(list, join(parts, dir))
	}
	slices.SortFunc(list, inOrder)
	return list
}

// newListed is what the registry tells of one project of a loom.
func newListed(k *registry.Loom) Listed {
	item := Listed{
		ID: k.ID, Repository: k.Repository, Project: k.Project, WorkTree: k.WorkTree, Offset: k.Offset, Created: k.Created,
		State: "unknown", Ports: report.LeasedPorts(k), Held: k.Held(time.Now()), Known: true, ActiveSources: []string{},
	}
	item.Projects = []report.Project{report.Of(k, []report.Service{}, item.Ports)}
	if item.Held && !k.Hold.Until.IsZero() {
		item.HeldUntil = &k.Hold.Until
	}
	return item
}

// inOrder sorts looms by repository and id.
func inOrder(a, b Listed) int {
	return cmp.Or(cmp.Compare(a.Repository, b.Repository), natural(a.ID, b.ID))
}

// natural orders 9 before 123, and numbers before names.
func natural(a, b string) int {
	switch na, nb := identity.IsNumber(a), identity.IsNumber(b); {
	case na && nb:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case na:
		return -1
	case nb:
		return 1
	}
	return cmp.Compare(a, b)
}

func onEngine(ctx context.Context, l *loom.Looms) (map[string]engine.Loom, error) {
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

func describe(l *loom.Looms, item *Listed, e engine.Loom) {
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
				if l.Companions.IsService(c) {
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
	if ports := report.PublishedPorts(l.Engine, item.ID, e.Containers); len(ports) > 0 {
		item.Ports = ports
	}
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

// worse returns the worse of two healths.
func worse(a, b string) string {
	order := []string{"", "healthy", "starting", "unhealthy"}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// ended reports whether a container has ended that should run. A one-shot that exited 0 is done.
func ended(containers []engine.Container) bool {
	return slices.ContainsFunc(containers, func(c engine.Container) bool {
		return !c.OneOff && c.State != "running" && (c.State != "exited" || c.ExitCode != 0)
	})
}

// Ps describes the containers and ports of one loom: of all its projects, unless one is named.
func Ps(ctx context.Context, l *loom.Looms, where find.Where) (*loom.Result, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	where.WholeLoom = true
	t, err := l.Finder().Resolve(ctx, where, find.Reading)
	if err != nil {
		return nil, err
	}
	r := &loom.Result{
		Loom: t.ID, Project: t.Known.Project, WorkTree: t.WorkTree, Findings: []finding.Finding{},
		Projects: []report.Project{},
	}
	for _, k := range t.Meant() {
		own, err := l.Containers(ctx, k)
		if err != nil {
			return nil, err
		}
		p := report.Observed(l.Engine, k, own)
		if r.Projects = append(r.Projects, p); k == t.Known {
			r.Services, r.Ports = p.Services, p.Ports
		}
	}
	return r, nil
}

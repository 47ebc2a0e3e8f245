package inventory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// Usage is what one running container of a loom uses. Sizes are in bytes; traffic is counted from the container's
// start.
type Usage struct {
	Loom       string `json:"loom"`
	Repository string `json:"repository"`
	Service    string `json:"service"`
	Container  string `json:"container"`
	// CPU is the share of one CPU in percent, nil until it is known.
	CPU         *float64 `json:"cpuPercent"`
	Memory      uint64   `json:"memory"`
	MemoryLimit uint64   `json:"memoryLimit"`
	NetIn       uint64   `json:"netIn"`
	NetOut      uint64   `json:"netOut"`
	BlockRead   uint64   `json:"blockRead"`
	BlockWrite  uint64   `json:"blockWrite"`
	PIDs        uint64   `json:"pids"`
}

// Name addresses the loom from anywhere: shop/123.
func (u Usage) Name() string { return registry.Name(u.Repository, u.Loom) }

// Scope says whose containers are read: those of one loom or some of its services, of a repository, or all.
type Scope struct {
	// Target is the one loom, or the one project of it that is meant; Services are its services that count, none for all.
	Target   *find.Target
	Services []string
	// Repository is the one whose looms are read if there is no Target; empty for all repositories.
	Repository string
}

// ReadUsage reads what the running containers in the scope use, sorted by loom and service. Only the meter's second
// reading has CPU.
func ReadUsage(ctx context.Context, l *loom.Looms, meter *engine.Meter, scope Scope) ([]Usage, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	state, err := l.Finder().Promises(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := scope.containers(ctx, l.Engine)
	if err != nil {
		return nil, err
	}
	for _, name := range scope.Services {
		_, err := loom.ServicesWith(scope.Target, containers, []string{name}, "running", loom.IsRunning)
		if err != nil {
			return nil, err
		}
	}
	rows := map[string]Usage{}
	for _, c := range containers {
		u := Usage{
			Loom: c.Labels[engine.LabelLoom], Repository: c.Labels[engine.LabelRepo], Service: c.Service, Container: c.Name,
		}
		if k := state.ByProject(c.Project); k != nil {
			// The containers of a main that plain docker compose made lack docker loom's labels.
			u.Loom, u.Repository = k.ID, k.Repository
		}
		if loom.IsRunning(c) && u.Loom != "" && scope.has(u) {
			rows[c.ID] = u
		}
	}
	readings, err := meter.Read(ctx, slices.Collect(maps.Keys(rows)))
	if err != nil {
		return nil, err
	}
	list := []Usage{}
	for id, r := range readings {
		u := rows[id]
		if r.CPU >= 0 {
			u.CPU = &r.CPU
		}
		u.Memory, u.MemoryLimit, u.PIDs = r.Memory, r.MemoryLimit, r.PIDs
		u.NetIn, u.NetOut, u.BlockRead, u.BlockWrite = r.NetIn, r.NetOut, r.BlockRead, r.BlockWrite
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b Usage) int {
		return cmp.Or(
			cmp.Compare(a.Repository, b.Repository), natural(a.Loom, b.Loom),
			cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	})
	return list, nil
}

// containers are those of the projects that are meant, otherwise all of the engine.
func (s Scope) containers(ctx context.Context, e *engine.Engine) ([]engine.Container, error) {
	if s.Target == nil {
		return e.Containers(ctx, engine.Filter{})
	}
	var list []engine.Container
	for _, k := range s.Target.Meant() {
		own, err := e.Containers(ctx, engine.Filter{Project: k.Project})
		if err != nil {
			return nil, err
		}
		list = append(list, own...)
	}
	return list, nil
}

// has reports whether a container counts. The engine was asked for those of Target alone.
func (s Scope) has(u Usage) bool {
	if s.Target == nil && s.Repository != "" && u.Repository != s.Repository {
		return false
	}
	return len(s.Services) == 0 || slices.Contains(s.Services, u.Service)
}

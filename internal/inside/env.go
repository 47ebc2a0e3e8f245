package inside

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/overrides"
)

// BasePrefix begins the names of the variables that hold the base of a port.
const BasePrefix = "ILOOM_BASE_"

// Env describes a loom to programs on the host.
type Env struct {
	Loom string
	Vars []overrides.Var
	// Watch are the files that the variables come from.
	Watch []string
}

// ReadEnv returns the variables of an existing loom: those of its block in .env, the base of each ILOOM_PORT_ variable,
// and PORT if the project has one web port. It leaves out what would mislead the next command in a shell that exports
// it: COMPOSE_FILE, which is relative to a folder, and PORT if the files use that variable. It adds the ports of the
// loom's other projects, see [environ] for their names, and the user's own variables that name a moved port, see
// [programs].
func ReadEnv(ctx context.Context, l *loom.Looms, where loom.Where) (*Env, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	t, err := l.Finder().Resolve(ctx, where, loom.Reading)
	if errors.As(err, new(*find.SeveralProjectsError)) {
		return readAll(ctx, l, t, where.Source.Dir)
	}
	if err != nil {
		return nil, err
	}
	own, err := readProject(ctx, l, t)
	if err != nil {
		return nil, err
	}
	list := []projectEnv{own}
	for _, k := range t.Projects {
		if k == t.Known {
			continue
		}
		other, err := readProject(ctx, l, t.Of(k))
		if err != nil {
			// The folder's own project is what is asked for.
			l.Teller.Sayf("ports of project %s are left out: %v", k.Folder(), tell.FirstLine(err))
			continue
		}
		list = append(list, other)
	}
	e := environ{projects: list, own: true}.env(t.ID)
	programs{Looms: l, plans: []*loom.Plan{own.plan}, folder: where.Source.Dir, own: true}.addTo(e)
	return e, nil
}

// readAll returns the variables of a loom with several projects, none of which is meant.
func readAll(ctx context.Context, l *loom.Looms, t *loom.Target, folder string) (*Env, error) {
	var list []projectEnv
	r := programs{Looms: l, folder: folder}
	for _, k := range t.Projects {
		p, err := readProject(ctx, l, t.Of(k))
		if err != nil {
			return nil, err
		}
		list, r.plans = append(list, p), append(r.plans, p.plan)
	}
	e := environ{projects: list}.env(t.ID)
	r.addTo(e)
	return e, nil
}

// projectEnv are the variables of one project, and the files that they come from.
type projectEnv struct {
	// folder is as --project names it; for the top of the work tree it is the repository's name.
	folder string
	vars   []overrides.Var
	watch  []string
	plan   *loom.Plan
}

// readProject plans a project for its variables.
func readProject(ctx context.Context, l *loom.Looms, t *loom.Target) (projectEnv, error) {
	p, err := l.Plan(ctx, t, loom.Options{DryRun: true})
	if err != nil {
		return projectEnv{}, err
	}
	vars, leases := slices.Clone(p.Env), p.Entry.Ports
	if p.IsPlain() {
		leases = p.ActiveLeases()
		vars = append([]overrides.Var{{Name: "ILOOM_LOOM", Value: p.ID}}, plainVars(p, leases)...)
	}
	vars = slices.DeleteFunc(vars, func(v overrides.Var) bool { return v.Name == "COMPOSE_FILE" })
	vars = append(vars, bases(vars, leases)...)
	hasPort := slices.ContainsFunc(vars, func(v overrides.Var) bool { return v.Name == "PORT" })
	if port, ok := webPort(l, p, leases); ok && !hasPort {
		vars = append(vars, overrides.Var{Name: "PORT", Value: strconv.Itoa(port.Published)})
	}
	e := projectEnv{folder: p.Entry.Folder(), vars: vars, watch: slices.Clone(p.Base.Paths), plan: p}
	if e.folder == "." || e.folder == "" {
		e.folder = filepath.Base(t.Repository)
	}
	if p.Base.Dockerfile != "" {
		e.watch = append(e.watch, p.Base.Dockerfile)
	}
	for _, f := range p.Files {
		e.watch = append(e.watch, f.Path)
	}
	e.watch = append(e.watch, p.Settings.Files...)
	return e, nil
}

// plainVars names main's ports as another loom's are named.
func plainVars(p *loom.Plan, leases []ports.Lease) []overrides.Var {
	return overrides.PortVars(p.Base.Project, leases, func(service string, port types.ServicePortConfig) (names []string) {
		for _, v := range p.Base.Variables {
			if v.Ours() && v.Gives(service, port) {
				names = append(names, v.Name)
			}
		}
		return names
	})
}

// bases returns the base of each ILOOM_PORT_ variable.
func bases(vars []overrides.Var, leases []ports.Lease) []overrides.Var {
	var list []overrides.Var
	for _, v := range vars {
		name, ours := strings.CutPrefix(v.Name, overrides.PortPrefix)
		host, err := strconv.Atoi(v.Value)
		if !ours || err != nil {
			continue
		}
		for _, lease := range leases {
			if host >= lease.Host && host < lease.Host+max(lease.Count, 1) {
				list = append(list, overrides.Var{Name: BasePrefix + name, Value: strconv.Itoa(lease.Base + host - lease.Host)})
				break
			}
		}
	}
	return list
}

// webPort is the project's only web port, unless the files use a variable PORT: a shell that exports it would change
// the files at the next up.
func webPort(l *loom.Looms, p *loom.Plan, leases []ports.Lease) (loom.Port, bool) {
	uses := p.Base.Uses["PORT"]
	for _, v := range p.Base.Variables {
		uses = uses || v.Name == "PORT"
	}
	if uses {
		return loom.Port{}, false
	}
	web := webPorts(report.PlannedPorts(l.Engine, p), p.Settings.WebBase(), leases)
	if len(web) != 1 {
		return loom.Port{}, false
	}
	return web[0], true
}

// webPorts are the ports that a browser can reach, each host port once. If the project says which one is meant, it is
// only that: by capabilities.web.basePort in its settings (base, 0 for none) or by a service called web.
func webPorts(list []loom.Port, base int, leases []ports.Lease) []loom.Port {
	var web []loom.Port
	for _, p := range list {
		if p.URL != "" && !slices.ContainsFunc(web, func(o loom.Port) bool { return o.Published == p.Published }) {
			web = append(web, p)
		}
	}
	for _, isMeant := range []func(loom.Port) bool{
		func(p loom.Port) bool {
			return slices.ContainsFunc(leases, func(l ports.Lease) bool {
				return base != 0 && l.Base == base && l.Host == p.Published
			})
		},
		func(p loom.Port) bool { return p.Service == "web" },
	} {
		var meant []loom.Port
		for _, p := range web {
			if isMeant(p) {
				meant = append(meant, p)
			}
		}
		if len(meant) == 1 {
			return meant
		}
	}
	return web
}

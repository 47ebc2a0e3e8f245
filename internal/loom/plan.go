package loom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// Plan is what up would do, before anything is done.
type Plan struct {
	*Target
	// Entry is what the registry holds or would hold.
	Entry registry.Loom
	// Project is the isolated project, ready for Compose.
	Project *types.Project
	// Override and Env are the files' parts that are the loom's: the override's text, and the block's lines.
	Override []byte
	Env      []overrides.Var
	Edits    []overrides.Edit
	// Files are the generated files as they shall be. Without files the loom runs from memory.
	Files    []overrides.File
	Excluded []string
	Findings []finding.Finding

	// base has the ports as the files say them; follow are the variables that may be set so that the rest of the files
	// follow.
	base   *stack.Model
	follow map[string]bool
	// dev is the dev container, nil where there is none.
	dev *dev
	// powers are what the project asks of the host; obeyed are files of the work tree that say what is done, beside it.
	powers   []string
	obeyed   []string
	settings *settings.Settings
	// open are the ways that confinement leaves open.
	open []overrides.Path
	// namesakes are names of docker loom's own that the files have.
	namesakes []string
	// named are services to be there whatever the profiles say.
	named []string
}

// DisabledError says that the settings switch looms off for the project.
type DisabledError struct{ Files []string }

// Error names the settings.
func (e *DisabledError) Error() string {
	return "container.enabled is false in the settings (" + strings.Join(e.Files, ", ") + ")"
}

// NextStep says what the user does next.
func (*DisabledError) NextStep() string {
	return "set container.enabled to true to use looms here"
}

// Options are the user's choices for a plan.
type Options struct {
	// Offset pins the offset that is added to base ports, if it is not nil.
	Offset *int
	// DryRun leases nothing and writes nothing.
	DryRun bool
	// Trust accepts what the files of a loom that others write ask of the host.
	Trust bool
	// Config is the devcontainer.json to use, "" for the one that there is.
	Config string
	// Build builds images even where they exist; Pull is always, missing or never, "" leaves it to the files.
	Build bool
	Pull  string
	// Services are named by the user: the profiles that disable them are switched on.
	Services []string

	// images makes the images that the plan of a dev container needs even in a dry run.
	images bool
	// lenient passes over a devcontainer.json that cannot be read: to take a loom down it need not make sense.
	lenient bool
}

// looking says that the engine is to stay as it is.
func (o Options) looking() bool { return o.DryRun && !o.images }

// facts is what is read before anything is decided.
type facts struct {
	settings *settings.Settings
	found    *stack.Found
	state    *registry.State
	env      []byte          // of .env, nil if there is none
	vars     []overrides.Var // of the block in .env, whichever loom's it is
	tracked  map[string]bool
	envLink  bool // .env is a symbolic link: somebody else's file
	others   []string
	space    string
	dev      *dev // nil where there is no dev container
	// fetched are the powers of files that the compose files include from other machines.
	fetched []string
}

// Plan reads the facts, leases what is missing (unless it is a dry run) and plans the isolation.
func (l *Looms) Plan(ctx context.Context, t *Target, o Options) (*Plan, error) {
	notes := slices.Clip(t.Notes)
	p, err := l.plan(ctx, t, o)
	for tries := 1; errors.Is(err, errMeanwhile) && tries < 5; tries++ {
		// The registry now says who was first. It may happen with the name, and then with the folder.
		t.Notes = notes
		p, err = l.plan(ctx, t, o)
	}
	return p, err
}

func (l *Looms) plan(ctx context.Context, t *Target, o Options) (*Plan, error) {
	f, err := l.read(ctx, t, o)
	if err != nil {
		return nil, err
	}
	l.debugFacts(t, f)
	if !f.settings.Container.Enabled {
		return nil, &DisabledError{f.settings.Files}
	}
	p := &Plan{Target: t, dev: f.dev, named: o.Services, settings: f.settings}
	if t.Known != nil {
		p.Entry = *t.Known
		if t.Known.Space != "" && t.Known.Space != f.space {
			// What is free on another engine's host says nothing about this one.
			p.Entry.Ports, p.Entry.Subnets = nil, nil
		}
	}
	if t.ID == Main {
		// Always the name that docker compose would choose now, or for a dev container the reference CLI.
		p.Entry.Project = ""
		if f.dev != nil {
			p.Entry.Project = f.dev.derived
		}
	}
	if o.Config != "" {
		p.Entry.DevContainer = o.Config
	}
	if err := l.renewSidecar(ctx, p, o); err != nil {
		return nil, err
	}
	p.Entry.Untrusted = p.Entry.Untrusted || pullRequest.MatchString(t.ID)
	p.Entry.ID, p.Entry.Repository, p.Entry.WorkTree, p.Entry.Dir, p.Entry.Space = t.ID, t.Repository, t.WorkTree, f.found.Dir, f.space
	l.inherit(&p.Entry, f.state)
	if o.Offset != nil {
		if p.Entry.Pinned = true; len(p.Entry.Ports) > 0 && p.Entry.Offset != *o.Offset {
			p.Entry.Ports = nil
		}
		p.Entry.Offset = *o.Offset
	}
	if err := l.name(f, p); err != nil {
		return nil, err
	}
	p.Entry.Files = l.ownsFiles(f, p)
	if err := l.load(ctx, f, p); err != nil {
		return nil, err
	}
	if f.dev != nil {
		if err := l.develop(ctx, f, p, o); err != nil {
			return nil, err
		}
	}
	if err := p.checkNamed(p.base); err != nil {
		return nil, err
	}
	if err := l.refuseSharedData(ctx, f, p); err != nil {
		return nil, err
	}
	p.follows()
	if err := l.lease(ctx, f, p, o); err != nil {
		return nil, err
	}
	if err := l.isolate(ctx, f, p, o); err != nil {
		return nil, err
	}
	p.powers = powers(p.asked(), followed, grounds{p.WorkTree, f.found.Dir, commonDir(t)}, p.base.Uses)
	more, err := p.morePowers()
	if err != nil {
		return nil, err
	}
	p.powers = append(p.powers, more...)
	p.obeyed = slices.Clone(f.settings.Files)
	if f.dev != nil {
		p.obeyed = append(p.obeyed, f.dev.place.Path)
		if c := f.dev.config.InitializeCommand; c != nil {
			p.powers = append(p.powers, runsOnHost(*c))
			if o.DryRun {
				p.Findings = append(p.Findings, finding.Finding{Level: finding.Info, Subject: "file " + filepath.Base(f.dev.place.Path), Message: "initializeCommand is not run for a plan: what it writes is as it was"})
			}
		}
	}
	for _, s := range p.Project.Services {
		if s.Build != nil && s.Build.Dockerfile != "" && s.Build.DockerfileInline == "" {
			p.obeyed = append(p.obeyed, filepath.Join(s.Build.Context, s.Build.Dockerfile))
		}
	}
	p.powers = append(p.powers, f.fetched...)
	slices.Sort(p.powers)
	p.powers = slices.Compact(p.powers)
	slices.Sort(p.obeyed)
	l.debugPlan(p)
	return p, nil
}

// commonDir is the git folder that the repository's work trees share, "" without git.
func commonDir(t *Target) string {
	if t.Git == nil {
		return ""
	}
	return t.Git.CommonDir
}

// plain tells whether the loom is main as docker compose up would make it.
func (p *Plan) plain() bool { return p.ID == Main && !p.Entry.Pinned }

func (l *Looms) read(ctx context.Context, t *Target, o Options) (*facts, error) {
	f := &facts{}
	var err error
	if f.settings, err = settings.Read(settings.Sources{User: l.UserSettings, WorkTree: t.WorkTree}); err != nil {
		return nil, err
	}
	if f.state, err = l.Registry.Read(ctx); err != nil {
		return nil, err
	}
	if f.space, err = l.Engine.Space(ctx); err != nil {
		return nil, err
	}
	ours := l.ours(f.state, t)
	if f.dev, err = findDev(t, f.settings, o.Config); err != nil && !o.lenient {
		return nil, err
	}
	if f.dev != nil && f.dev.config.Kind == devcontainer.KindCompose && len(t.Source.Files) > 0 {
		t.Notes = append(t.Notes, "the files named by --file come before those of "+f.dev.place.Path+": there is no dev container")
		f.dev = nil
	}
	if f.found, err = findProject(t.Source, f.dev, ours); err != nil {
		return nil, err
	}
	f.found.Fetch = func(reference string) error { return l.mayFetch(ctx, t, f, o, reference) }
	if f.dev != nil && f.dev.config.Kind != devcontainer.KindCompose && f.found.Dir != f.dev.place.Workspace && below(f.found.Dir, f.dev.place.Workspace) {
		t.Notes = append(t.Notes, f.found.Dir+" is a project of its own: the dev container of "+f.dev.place.Path+" is left out")
		f.dev = nil
	}
	dir := f.found.Dir
	if f.env, err = os.ReadFile(f.found.DotEnv()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if info, err := os.Lstat(f.found.DotEnv()); err == nil {
		f.envLink = info.Mode()&fs.ModeSymlink != 0
	}
	_, f.vars, _ = overrides.Block(f.env)
	f.others = stack.OverrideNames(dir, ours)
	f.tracked = map[string]bool{}
	if t.Git != nil {
		files := []string{f.found.DotEnv(), filepath.Join(dir, overrides.OverrideFile)}
		if f.dev != nil && f.dev.dotEnv != f.found.DotEnv() {
			files = append(files, f.dev.dotEnv)
		}
		if f.tracked, err = t.Git.Tracked(ctx, files...); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ours tells the base load what a loom itself has put there.
func (l *Looms) ours(state *registry.State, t *Target) stack.Ours {
	return stack.Ours{
		Cut:      overrides.Cut,
		Override: overrides.Generated,
		Variable: func(name, value string, process bool) (string, bool) {
			switch {
			case name == "ILOOM_LOOM", strings.HasPrefix(name, "ILOOM_BASE_"), process && strings.HasPrefix(name, overrides.PortPrefix):
				return "", true
			case name == "COMPOSE_PROJECT_NAME":
				k := byProject(state, value)
				return value, k != nil && k.ID != Main
			}
			// A shell that evaluated a loom's environment has our own lease where the base should be.
			for _, k := range state.Looms {
				base, ok := k.Variables[name]
				if ok && base != value && k.Repository == t.Repository && hasHost(k.Ports, value) {
					return base, false
				}
			}
			return value, false
		},
	}
}

func hasHost(leases []ports.Lease, value string) bool {
	for _, lease := range leases {
		if fmt.Sprint(lease.Host) == value {
			return true
		}
	}
	return false
}

// name keeps the project name that the loom has, or chooses one that nobody else has.
func (l *Looms) name(f *facts, p *Plan) error {
	if p.Entry.Project != "" || p.ID == Main {
		return nil
	}
	if name := l.derivedName(f, &p.Entry); name != "" {
		p.Entry.Project = name
		return nil
	}
	for _, crowded := range []bool{false, true} {
		name, err := projectName(f.settings.Container.ProjectName, p.Repository, p.ID, crowded)
		if err != nil {
			return err
		}
		if f.settings.Container.ProjectName != "" && crowded {
			name += "-" + shortHash(p.Repository+"\x00"+p.ID)
		}
		p.Entry.Project = name
		if other := byProject(f.state, name); other == nil && !slices.Contains(p.foreign, name) && !sameNamed(f.state, p.Repository, crowded) {
			return nil
		}
	}
	return nil
}

// sameNamed tells whether another repository has looms under this one's name.
func sameNamed(state *registry.State, repository string, crowded bool) bool {
	if crowded {
		return false
	}
	for _, k := range state.Looms {
		if k.Repository != repository && filepath.Base(k.Repository) == filepath.Base(repository) && k.ID != Main {
			return true
		}
	}
	return false
}

// ownsFiles decides whether the generated files of the folder are this loom's: they belong to the first loom there.
func (l *Looms) ownsFiles(f *facts, p *Plan) bool {
	if p.plain() {
		return false
	}
	owner := f.state.FilesOwner(f.found.Dir)
	if p.making != nil || owner == nil || owner.ID == p.ID && owner.Repository == p.Repository {
		return true
	}
	p.Notes = append(p.Notes, fmt.Sprintf("the generated files of %s belong to loom %s: loom %s runs from memory, and plain docker compose there does not see it", f.found.Dir, owner.ID, p.ID))
	return false
}

// SharedDataError says that two looms in one folder would write the same data.
type SharedDataError struct {
	Service, Source, Other string
}

// Error names the service and the folder it writes to.
func (e *SharedDataError) Error() string {
	return fmt.Sprintf("service %s writes data to %s, which loom %s in this folder uses too", e.Service, e.Source, e.Other)
}

// NextStep says what the user does next.
func (*SharedDataError) NextStep() string {
	return "give this loom a work tree of its own: docker loom up ID --worktree"
}

// refuseSharedData looks for read-write binds inside the folder that are data, not source, when another loom has the
// folder already, or plain docker compose runs there. Data is what git does not track; without git, what is mounted where
// databases keep theirs.
func (l *Looms) refuseSharedData(ctx context.Context, f *facts, p *Plan) error {
	type bind struct{ service, source, target string }
	var binds []bind
	var sources []string
	for _, name := range p.base.Project.ServiceNames() {
		for _, v := range p.base.Project.Services[name].Volumes {
			rel, err := filepath.Rel(p.WorkTree, v.Source)
			if v.Type == types.VolumeTypeBind && !v.ReadOnly && err == nil && filepath.IsLocal(rel) {
				binds = append(binds, bind{name, v.Source, v.Target})
				sources = append(sources, v.Source)
			}
		}
	}
	if len(binds) == 0 || p.making != nil {
		return nil
	}
	// A data folder may well have a tracked .gitignore: where it is mounted says more.
	kept := func(b bind) bool {
		return strings.HasPrefix(b.target, "/var/lib/") || strings.HasPrefix(b.target, "/data")
	}
	source := func(b bind) bool { return !kept(b) }
	if p.Git != nil {
		tracked, err := p.Git.Tracked(ctx, sources...)
		if err != nil {
			return err
		}
		source = func(b bind) bool { return tracked[b.source] && !kept(b) || b.source == p.Git.WorkTree }
	}
	i := slices.IndexFunc(binds, func(b bind) bool { return !source(b) })
	if i < 0 {
		return nil
	}
	e := &SharedDataError{Service: binds[i].service, Source: binds[i].source}
	if owner := f.state.FilesOwner(f.found.Dir); owner != nil && !p.Entry.Files && !p.plain() {
		e.Other = owner.ID
		return e
	}
	there, err := l.Engine.Containers(ctx, engine.Filter{Labels: map[string]string{stack.LabelWorkingDir: f.found.Dir}})
	if err != nil {
		return err
	}
	for _, c := range there {
		if c.Project != p.Entry.Project {
			e.Other = cmp.Or(c.Labels[engine.LabelLoom], Main)
			return e
		}
	}
	return nil
}

// load loads the base project, and names main as Compose does.
func (l *Looms) load(ctx context.Context, f *facts, p *Plan) error {
	vars := map[string]string{}
	if !p.plain() {
		for name, base := range f.settings.Container.Ports {
			vars[overrides.PortPrefix+name] = fmt.Sprint(base)
		}
		vars["ILOOM_LOOM"] = p.ID
	}
	model, err := l.loadModel(ctx, f, p, vars)
	for lack, ok := errors.AsType[*stack.MissingBaseError](err); ok && p.plain(); lack, ok = errors.AsType[*stack.MissingBaseError](err) {
		// Without a value docker compose up would do nothing at all: so main takes the base.
		base := f.settings.Container.Ports[strings.TrimPrefix(lack.Name, stack.PortPrefix)]
		if base == 0 {
			break
		}
		vars[lack.Name] = fmt.Sprint(base)
		model, err = l.loadModel(ctx, f, p, vars)
	}
	if err != nil {
		return err
	}
	if owner := f.state.FilesOwner(f.found.Dir); owner != nil && model.Includes && len(f.vars) > 0 {
		// An included file of this folder reads .env from the disk, our block with it: only the environment is stronger.
		for name, base := range owner.Variables {
			if _, set := f.found.Env[name]; !set && vars[name] == "" {
				vars[name] = base
			}
		}
		if model, err = l.loadModel(ctx, f, p, vars); err != nil {
			return err
		}
	}
	p.base = model
	p.Entry.Project = model.Project.Name
	return nil
}

func (l *Looms) loadModel(ctx context.Context, f *facts, p *Plan, vars map[string]string) (*stack.Model, error) {
	if len(f.found.Paths) == 0 && f.found.Dockerfile == "" {
		return stack.Empty(f.found, p.Entry.Project), nil
	}
	if f.found.Dockerfile == "" {
		return l.Stack.Load(ctx, f.found, p.Entry.Project, vars)
	}
	base, target, err := dockerfilePorts(f)
	if err != nil {
		return nil, err
	}
	return stack.LoadDockerfile(ctx, f.found, p.Entry.Project, base, target)
}

// NoPortError says that a Dockerfile does not tell which port its program listens on.
type NoPortError struct{ Dockerfile string }

// Error names the Dockerfile.
func (e *NoPortError) Error() string {
	return e.Dockerfile + ": no port to publish: the settings give none and there is no EXPOSE"
}

// NextStep says what the user does next.
func (*NoPortError) NextStep() string {
	return "say which port the program listens on: EXPOSE 3000 in the Dockerfile, or " +
		"docker loom init --port WEB=3000, which writes it into .iloom/settings.json"
}

// dockerfilePorts decides the port of a project that is only a Dockerfile: from the settings, else from EXPOSE.
func dockerfilePorts(f *facts) (base, target int, err error) {
	if target, err = stack.Exposed(f.found.Dockerfile); err != nil {
		return 0, 0, err
	}
	set := f.settings.Container.Ports
	switch {
	case set["WEB"] > 0:
		base = set["WEB"]
	case len(set) == 1:
		for _, base = range set {
		}
	case f.settings.Capabilities.Web.BasePort != nil:
		base = *f.settings.Capabilities.Web.BasePort
	default:
		base = target
	}
	if target == 0 {
		target = base
	}
	if base == 0 {
		return 0, 0, &NoPortError{f.found.Dockerfile}
	}
	return base, target, nil
}

// follows decides which variables may be set so that the rest of the files follow, and keeps their bases: a shell may
// hand us a value of our own later. A finding tells why another may not.
func (p *Plan) follows() {
	p.follow = map[string]bool{}
	if p.plain() {
		return
	}
	reads := stack.ReadsEnvFile(p.base.Project, p.base.DotEnv())
	slices.Sort(reads)
	bases := map[string]string{}
	for _, v := range p.base.Variables {
		if _, seen := p.follow[v.Name]; seen {
			continue
		}
		why := ""
		switch {
		case v.Ours():
		case v.Entangled != "":
			why = "it is used in " + v.Entangled + " too"
		case len(reads) > 0:
			why = "service " + reads[0] + " gets it through env_file: .env"
		}
		p.follow[v.Name] = why == ""
		if why == "" {
			bases[v.Name] = v.Published
			continue
		}
		p.Findings = append(p.Findings, finding.Finding{
			Level: finding.Info, Subject: "variable " + v.Name,
			Message: why + ": it keeps its value, and port " + v.Published + " of service " + v.Service + " moves by the override alone",
		})
	}
	p.Entry.Variables = nil
	if len(bases) > 0 {
		p.Entry.Variables = bases
	}
}

// isolate plans the edits, the block and the files. It is pure but for a second load where a variable has to move.
func (l *Looms) isolate(ctx context.Context, f *facts, p *Plan, o Options) error {
	model := p.base
	p.namesakes = namesakes(p.base.Project)
	if !p.plain() {
		named := overrides.PortVars(p.base.Project, p.Entry.Ports, func(service string, port types.ServicePortConfig) string {
			for _, v := range p.base.Variables {
				if p.follow[v.Name] && v.Gives(service, port) {
					return v.Name
				}
			}
			return ""
		})
		var err error
		if model, err = l.shift(ctx, f, p, named); err != nil {
			return err
		}
		p.Env = append(p.Env, overrides.Var{Name: "COMPOSE_PROJECT_NAME", Value: p.Entry.Project})
		p.Env = append(p.Env, overrides.Var{Name: "ILOOM_LOOM", Value: p.ID})
		p.Env = append(p.Env, named...)

		if f.dev != nil {
			p.Edits = f.dev.planned
		}
		in := l.input(f, p)
		edits, more := overrides.Plan(model.Project, in)
		p.Edits, p.Findings = append(p.Edits, edits...), append(p.Findings, more...)
		overrides.Apply(model.Project, edits)
		if err := l.confine(f, p, model.Project); err != nil {
			return err
		}
		if err := p.decideFiles(f, model.Project); err != nil {
			return err
		}
		p.useBlock(f, model)
	}
	p.Findings = append(p.Findings, p.exported()...)
	files := f.found.Paths
	for _, file := range p.Files {
		if file.Path != f.found.DotEnv() && file.Content != nil {
			files = append(slices.Clone(files), file.Path)
		}
	}
	labels := p.customLabels()
	labels[engine.LabelVersion] = l.Version
	if err := p.enable(model); err != nil {
		return err
	}
	project, err := model.Finish(files, labels)
	if err != nil {
		return err
	}
	p.Project = project
	if f.dev != nil {
		return f.dev.finish(p, o)
	}
	return nil
}

// shift loads the project again with the variables at their leased values, where files use them outside of ports.
func (l *Looms) shift(ctx context.Context, f *facts, p *Plan, named []overrides.Var) (*stack.Model, error) {
	vars := map[string]string{"ILOOM_LOOM": p.ID}
	elsewhere := false
	for _, v := range named {
		vars[v.Name] = v.Value
		elsewhere = elsewhere || p.base.Uses[v.Name]
	}
	if !elsewhere {
		return p.base, nil
	}
	model, err := l.loadModel(ctx, f, p, vars)
	if err == nil && f.dev != nil {
		err = f.dev.extend(model.Project)
	}
	return model, err
}

// exported warns of variables in the user's shell that are stronger than the block in .env.
func (p *Plan) exported() []finding.Finding {
	var list []finding.Finding
	for _, v := range p.Env {
		if v.Name != "COMPOSE_PROJECT_NAME" && v.Name != "COMPOSE_FILE" {
			continue
		}
		if have, ok := os.LookupEnv(v.Name); ok && have != v.Value {
			list = append(list, finding.Finding{
				Level: finding.Warning, Subject: "variable " + v.Name,
				Message: "is exported as " + have + ", which beats .env: plain docker compose in this shell acts on another project", Remedy: "unset " + v.Name,
			})
		}
	}
	return list
}

func (l *Looms) input(f *facts, p *Plan) overrides.Input {
	in := overrides.Input{
		Labels:    map[string]string{engine.LabelLoom: p.ID, engine.LabelRepo: p.Repository},
		Base:      f.found.BaseName(),
		Leases:    p.Entry.Ports,
		Ports:     map[string][]types.ServicePortConfig{},
		Subnets:   prefixes(p.Entry.Subnets),
		Share:     f.settings.Container.Share,
		Isolate:   f.settings.Container.Isolate,
		PortsOnly: p.ID == Main,
		Dir:       p.WorkTree,

		From:          map[string][]string{},
		NamedContexts: l.Engine.NamedContexts(),

		Common: commonDir(p.Target),

		RewriteLocalhost: f.settings.Container.RewriteLocalhost,
		Texts:            append(texts(f.found.Dir, p.WorkTree), envFiles(p.base.Project)...),
	}
	for name, s := range p.base.Project.AllServices() {
		in.Ports[name] = s.Ports
		if from := stack.From(s); len(from) > 0 {
			in.From[name] = from
		}
	}
	return in
}

func (p *Plan) customLabels() map[string]string {
	labels := map[string]string{engine.LabelWorkTree: p.WorkTree, engine.LabelOffset: fmt.Sprint(p.Entry.Offset)}
	if p.ID == Main {
		// On no service: main is what docker compose up would make, hashes included.
		labels[engine.LabelLoom], labels[engine.LabelRepo] = p.ID, p.Repository
	}
	return labels
}

// decideFiles decides which generated files the loom has, and what is in them.
func (p *Plan) decideFiles(f *facts, project *types.Project) error {
	dir := f.found.Dir
	name := overrides.OverrideFile
	var listed []string
	switch {
	case len(f.found.Paths) == 0:
		name, listed = overrides.NamedFile, []string{overrides.NamedFile}
	case f.found.Chosen || len(f.others) > 0 || f.tracked[filepath.Join(dir, overrides.OverrideFile)]:
		name = overrides.NamedFile
		for _, path := range append(slices.Clone(f.found.Paths), filepath.Join(dir, filepath.FromSlash(name))) {
			// COMPOSE_FILE counts from the folder of the .env that it stands in.
			if rel, err := filepath.Rel(filepath.Dir(f.found.DotEnv()), path); err == nil && filepath.IsLocal(rel) {
				path = filepath.ToSlash(rel)
			}
			listed = append(listed, path)
		}
	}
	var err error
	if len(f.found.Paths) == 0 {
		p.Override, err = overrides.Whole(project, p.Name())
	} else {
		p.Override, err = overrides.Render(project, p.Name(), p.Edits)
	}
	if err != nil {
		return err
	}
	if listed != nil {
		sep := f.found.Env["COMPOSE_PATH_SEPARATOR"]
		if sep == "" {
			sep = string(os.PathListSeparator)
		}
		p.Env = slices.Insert(p.Env, 1, overrides.Var{Name: "COMPOSE_FILE", Value: strings.Join(listed, sep)})
	}
	if !p.Entry.Files {
		return nil
	}
	other := overrides.NamedFile
	if name == overrides.NamedFile {
		other = overrides.OverrideFile
	}
	p.Files = append(p.Files, overrides.File{Path: filepath.Join(dir, filepath.FromSlash(name)), Content: p.Override})
	if stale := filepath.Join(dir, filepath.FromSlash(other)); overrides.Generated(stale) {
		p.Files = append(p.Files, overrides.File{Path: stale})
	}
	p.exclude(filepath.Join(dir, filepath.FromSlash(name)))
	if f.dev != nil {
		if err := f.dev.block(p, f); err != nil {
			return err
		}
	}
	if p.envIsTheirs(f, listed != nil) {
		return nil
	}
	if len(overrides.Cut(f.env)) == 0 {
		p.exclude(f.found.DotEnv())
	}
	p.Files = append(p.Files, overrides.File{Path: f.found.DotEnv(), Content: overrides.Add(f.env, p.ID, p.Env)})
	return nil
}

var setsProject = regexp.MustCompile(`(?m)^\s*(?:export\s+)?COMPOSE_PROJECT_NAME\s*=`)

// envIsTheirs finds whether .env is a file that must not be touched, and tells what follows from that.
func (p *Plan) envIsTheirs(f *facts, needed bool) bool {
	why := ""
	switch {
	case f.tracked[f.found.DotEnv()]:
		why = "is tracked by git"
	case f.envLink:
		why = "is a symbolic link"
	default:
		return false
	}
	finding1 := finding.Finding{Level: finding.Warning, Subject: "file .env", Message: why + " and stays as it is: programs on the host do not find the loom's ports there", Remedy: "docker loom config " + p.ID + " shows them"}
	if setsProject.Match(f.env) || needed {
		finding1.Level = finding.Error
		finding1.Message = why + " and stays as it is: plain docker compose in this folder acts on another project"
		finding1.Remedy = "use docker loom for this loom"
	}
	p.Findings = append(p.Findings, finding1)
	return true
}

func (p *Plan) exclude(path string) {
	if p.Git == nil || p.Git.WorkTree == "" {
		return
	}
	if rel, err := filepath.Rel(p.Git.WorkTree, path); err == nil && filepath.IsLocal(rel) {
		p.Excluded = append(p.Excluded, worktree.Pattern(rel))
	}
}

// useBlock makes the project what plain docker compose will make of it with this loom's block in .env, whatever block is
// on the disk now: the hashes must be the same.
func (p *Plan) useBlock(f *facts, model *stack.Model) {
	vars := map[string]string{}
	for _, v := range p.Env {
		vars[v.Name] = v.Value
	}
	var dotEnv []byte
	if f.env != nil {
		dotEnv = overrides.Cut(f.env)
	}
	for _, file := range p.Files {
		if file.Path == f.found.DotEnv() {
			dotEnv = file.Content
		}
	}
	model.UseBlock(vars, dotEnv)
}

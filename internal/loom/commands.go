package loom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Named finds the loom that the arguments [ID] [SERVICE...] mean, and returns the arguments behind the id. The first one
// is a loom if there is a loom of that name; else it is a service of the folder's loom.
func (l *Looms) Named(ctx context.Context, src stack.Source, args []string) (*Target, []string, error) {
	if len(args) == 0 {
		t, err := l.Resolve(ctx, Where{Source: src}, Reading)
		return t, nil, err
	}
	t, err := l.Resolve(ctx, Where{ID: args[0], Source: src}, Reading)
	var unknown *UnknownError
	if !errors.As(err, &unknown) {
		return t, args[1:], err
	}
	here, hereErr := l.Resolve(ctx, Where{Source: src}, Reading)
	switch {
	case errors.As(hereErr, new(*UnknownError)):
		// There is no loom here whose service it could be.
		return nil, nil, err
	case hereErr != nil:
		return nil, nil, hereErr
	}
	names, err := l.Services(ctx, here)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(names, args[0]) {
		return nil, nil, &NeitherError{Name: args[0], Loom: here.ID}
	}
	return here, args, nil
}

// Coming is Named for what is done ahead of up: a number, a key, a pull request or the name of a work tree may be that of
// a loom that is yet to be. Another unknown word is a slip.
func (l *Looms) Coming(ctx context.Context, src stack.Source, args []string) (*Target, []string, error) {
	t, rest, err := l.Named(ctx, src, args)
	if !errors.As(err, new(*UnknownError)) && !errors.As(err, new(*NeitherError)) {
		return t, rest, err
	}
	here, hereErr := l.Resolve(ctx, Where{Source: src}, Making)
	if len(args) == 0 || hereErr != nil {
		return here, nil, hereErr
	}
	if project, loadErr := l.loadOnly(ctx, here); loadErr == nil {
		if _, ok := project.AllServices()[args[0]]; ok {
			return here, args, nil
		}
	}
	id, idErr := ParseID(args[0])
	if idErr != nil {
		return nil, nil, idErr
	}
	known := number.MatchString(id) || pullRequest.MatchString(id) || projectKey.MatchString(id)
	if !known && here.Git != nil {
		trees, treesErr := here.Git.Trees(ctx)
		if treesErr != nil {
			return nil, nil, treesErr
		}
		known = l.belongs(trees, id) != ""
	}
	if !known {
		return nil, nil, err
	}
	t, err = l.Resolve(ctx, Where{ID: args[0], Source: src}, Making)
	return t, args[1:], err
}

// Services lists the names of a loom's services, sorted: those that have containers, and those of the files as far as
// these can be read.
func (l *Looms) Services(ctx context.Context, t *Target) ([]string, error) {
	own, err := l.own(ctx, t)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range own {
		names = append(names, c.Service)
	}
	project, err := l.loadOnly(ctx, t)
	if err != nil {
		l.Teller.Debugf("services of loom %s: %v", t.ID, err)
	} else {
		for name := range project.AllServices() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// own are the containers of a loom, one-off ones included.
func (l *Looms) own(ctx context.Context, t *Target) ([]engine.Container, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	return l.containers(ctx, t.Known)
}

// Acted is what a command did something to.
type Acted struct {
	Loom     string   `json:"loom"`
	Project  string   `json:"project"`
	Services []string `json:"services"`
}

// act checks that the loom has containers of the services in a state that is wanted, and says of which services: all
// where none is named. what calls these containers in the error, such as running.
func (l *Looms) act(ctx context.Context, t *Target, named []string, what string, wanted func(engine.Container) bool) (*Acted, []engine.Container, error) {
	own, err := l.own(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	// Compose does not reach an adopted container of another project.
	own = slices.DeleteFunc(own, func(c engine.Container) bool { return c.Project != t.Known.Project })
	for _, name := range named {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.Service == name }) {
			return nil, nil, &NoServiceError{Service: name, Loom: t.ID}
		}
	}
	a := &Acted{Loom: t.ID, Project: t.Known.Project, Services: []string{}}
	for _, c := range own {
		if wanted(c) && (len(named) == 0 || slices.Contains(named, c.Service)) {
			a.Services = append(a.Services, c.Service)
		}
	}
	a.Services = slices.Compact(slices.Sorted(slices.Values(a.Services)))
	if len(a.Services) == 0 {
		if len(own) == 0 {
			return nil, nil, &EmptyError{t.ID}
		}
		of := ""
		if len(named) > 0 {
			of = " of " + strings.Join(named, ", ")
		}
		return nil, nil, fmt.Errorf("loom %s has no %s container%s", t.ID, what, of)
	}
	return a, own, nil
}

// changing is the context of a change: with dryRun one in which Compose only says what it would do.
func (l *Looms) changing(ctx context.Context, dryRun bool) (context.Context, error) {
	if !dryRun {
		return ctx, nil
	}
	return l.Stack.DryRun(ctx)
}

// Restart restarts the containers of the services, of all where none is named.
func (l *Looms) Restart(ctx context.Context, t *Target, o stack.RestartOptions, dryRun bool) (*Acted, error) {
	a, own, err := l.act(ctx, t, o.Services, "such", func(c engine.Container) bool { return !c.OneOff })
	if err != nil {
		return nil, err
	}
	o.Project = l.withHooks(ctx, t, own)
	if !dryRun {
		release, err := l.lock(ctx, t)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if ctx, err = l.changing(ctx, dryRun); err != nil {
		return nil, err
	}
	return a, l.Stack.Restart(ctx, a.Project, o)
}

// withHooks loads the project for its pre_stop and post_start hooks; nil where it has none, or where it has not the
// services that the containers have, or cannot be loaded: Compose then goes by labels.
func (l *Looms) withHooks(ctx context.Context, t *Target, own []engine.Container) *types.Project {
	project, err := l.loadOnly(ctx, t)
	if err != nil {
		l.Teller.Sayf("%s cannot be loaded (%v): its hooks do not run", t.Known.Dir, firstLine(err))
		return nil
	}
	hooks := false
	for _, s := range project.Services {
		hooks = hooks || len(s.PreStop)+len(s.PostStart) > 0
	}
	for _, c := range own {
		if _, ok := project.Services[c.Service]; !ok {
			return nil
		}
	}
	if !hooks {
		return nil
	}
	return project
}

// Kill sends a signal to the running containers of the services, of all where none is named.
func (l *Looms) Kill(ctx context.Context, t *Target, services []string, signal string, dryRun bool) (*Acted, error) {
	a, _, err := l.act(ctx, t, services, "running", isRunning)
	if err != nil {
		return nil, err
	}
	if ctx, err = l.changing(ctx, dryRun); err != nil {
		return nil, err
	}
	return a, l.Stack.Signal(ctx, a.Project, a.Services, signal)
}

// Pause freezes the running containers of the services, of all where none is named; with resume it lets them go on.
func (l *Looms) Pause(ctx context.Context, t *Target, services []string, resume, dryRun bool) (*Acted, error) {
	from := "running"
	if resume {
		from = "paused"
	}
	a, _, err := l.act(ctx, t, services, from, func(c engine.Container) bool { return !c.OneOff && c.State == from })
	if err != nil {
		return nil, err
	}
	if ctx, err = l.changing(ctx, dryRun); err != nil {
		return nil, err
	}
	if resume {
		return a, l.Stack.Unpause(ctx, a.Project, a.Services)
	}
	return a, l.Stack.Pause(ctx, a.Project, a.Services)
}

// Top lists the processes in the running containers of the services, of all where none is named.
func (l *Looms) Top(ctx context.Context, t *Target, services []string) ([]stack.Processes, error) {
	a, _, err := l.act(ctx, t, services, "running", isRunning)
	if err != nil {
		return nil, err
	}
	list, err := l.Stack.Top(ctx, a.Project, a.Services)
	slices.SortFunc(list, func(a, b stack.Processes) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	})
	return list, err
}

// Copy copies files between a service's container and this machine; with dryRun it only looks whether it could.
func (l *Looms) Copy(ctx context.Context, t *Target, o stack.CopyOptions, dryRun bool) (*Acted, error) {
	// Of a container that has ended files can be copied too.
	exists := func(c engine.Container) bool { return o.All || !c.OneOff }
	a, _, err := l.act(ctx, t, []string{stack.CopiedService(o)}, "such", exists)
	if err != nil || dryRun {
		return a, err
	}
	return a, l.Stack.Copy(ctx, t.Known.Project, o)
}

// Logs copies the output of a loom's containers: of the services named, else of all but those that the files say
// attach: false of.
func (l *Looms) Logs(ctx context.Context, t *Target, o stack.LogOptions) error {
	own, err := l.own(ctx, t)
	if err != nil {
		return err
	}
	for _, name := range o.Services {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.Service == name }) {
			return &NoServiceError{Service: name, Loom: t.ID}
		}
	}
	if len(own) == 0 {
		l.Teller.Sayf("loom %s has no containers", t.ID)
	}
	if len(o.Services) == 0 {
		o.Services = l.attached(ctx, t, own)
	}
	for {
		if err := l.Stack.Logs(ctx, t.Known.Project, o); err != nil || !o.Follow || ctx.Err() != nil {
			return err
		}
		since, err := l.runAgain(ctx, t, o)
		if err != nil || since.IsZero() {
			return err
		}
		o.Since, o.Tail = since.Format(time.RFC3339Nano), ""
	}
}

// runAgain tells since when containers run that all had ended; it is zero where none does. Compose takes a restart for the
// end where it looks between the two halves of it. A restart of ours is over once the loom's lock is to be had.
func (l *Looms) runAgain(ctx context.Context, t *Target, o stack.LogOptions) (since time.Time, err error) {
	release, err := l.lock(ctx, t)
	if err != nil {
		return since, err
	}
	defer release()
	own, err := l.own(ctx, t)
	if err != nil {
		return since, err
	}
	for _, c := range own {
		if c.OneOff || c.State != "running" || len(o.Services) > 0 && !slices.Contains(o.Services, c.Service) || o.Index > 0 && c.Number != o.Index {
			continue
		}
		d, err := l.Engine.Inspect(ctx, c.ID)
		if err != nil {
			return since, err
		}
		if since.IsZero() || d.StartedAt.Before(since) {
			since = d.StartedAt
		}
	}
	return since, nil
}

// attached are the services whose output is shown where none is named; nil for all of them. What proxies decide is shown
// where it is asked for.
func (l *Looms) attached(ctx context.Context, t *Target, own []engine.Container) []string {
	project, err := l.loadOnly(ctx, t)
	if err != nil {
		l.Teller.Debugf("services of loom %s: %v", t.ID, err)
		return nil
	}
	var shown []string
	quiet := false
	for _, c := range own {
		if s, ok := project.Services[c.Service]; isAside(c) || ok && s.Attach != nil && !*s.Attach {
			quiet = true
			continue
		}
		shown = append(shown, c.Service)
	}
	if !quiet {
		return nil
	}
	return shown
}

// checkNamed reports a service that the user named and the files do not have. It comes before anything is leased.
func (p *Plan) checkNamed(model *stack.Model) error {
	for _, name := range p.named {
		// The service of a dev container without compose files is made later.
		if !stack.HasService(model.Project, name) && (p.dev == nil || name != p.dev.service) {
			return &NoServiceError{Service: name, Loom: p.ID}
		}
	}
	return nil
}

// enable switches on the profiles of the services that the user named.
func (p *Plan) enable(model *stack.Model) error {
	if err := p.checkNamed(model); err != nil {
		return err
	}
	if len(p.named) == 0 {
		return nil
	}
	project, err := model.Project.WithServicesEnabled(p.named...)
	if err != nil {
		return err
	}
	model.Project = project
	return nil
}

// Images are the images that a command built or pulled, or with a dry run would.
type Images struct {
	Loom    string        `json:"loom"`
	Project string        `json:"project"`
	Images  []stack.Built `json:"images"`
}

// Build builds the images of a loom's services; nothing is leased or written for it.
func (l *Looms) Build(ctx context.Context, t *Target, o stack.BuildOptions, dryRun bool) (*Images, error) {
	return l.images(ctx, t, Options{DryRun: true, Services: o.Services, images: !dryRun && !o.Print && !o.Check}, dryRun, func(ctx context.Context, p *Plan) ([]stack.Built, error) {
		list, err := l.Stack.Build(ctx, p.Project, o)
		if d := p.dev; d != nil && d.installed != "" && (len(o.Services) == 0 || slices.Contains(o.Services, d.service)) {
			// Planning has built it: all else is planned on what it says.
			list = append(list, stack.Built{Service: d.service, Image: d.installed})
		}
		return list, err
	})
}

// Pull pulls the images of a loom's services; nothing is leased or written for it.
func (l *Looms) Pull(ctx context.Context, t *Target, o stack.PullOptions, dryRun bool) (*Images, error) {
	return l.images(ctx, t, Options{DryRun: true, Services: o.Services}, dryRun, func(ctx context.Context, p *Plan) ([]stack.Built, error) {
		return l.Stack.Pull(ctx, p.Project, o)
	})
}

func (l *Looms) images(ctx context.Context, t *Target, o Options, dryRun bool, do func(context.Context, *Plan) ([]stack.Built, error)) (*Images, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	plan, err := l.Plan(ctx, t, o)
	if err != nil {
		return nil, err
	}
	if err := l.refuse(ctx, plan); err != nil {
		return nil, err
	}
	if ctx, err = l.changing(ctx, dryRun); err != nil {
		return nil, err
	}
	list, err := do(ctx, plan)
	return &Images{Loom: t.ID, Project: plan.Entry.Project, Images: list}, err
}

// Run runs a one-off container of a service, and returns its exit code. The loom's files are written and what the
// service depends on is started, as up does it.
func (l *Looms) Run(ctx context.Context, t *Target, o stack.RunOptions) (int, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return 0, err
	}
	plan, err := l.readyToRun(ctx, t, o)
	if err != nil {
		return 0, err
	}
	return l.Stack.Run(ctx, plan.Project, o)
}

// readyToRun prepares a one-off container while no other command works on the loom: of two that start the same
// dependencies, one would fail. The container itself runs without the lock, for as long as it likes.
func (l *Looms) readyToRun(ctx context.Context, t *Target, o stack.RunOptions) (*Plan, error) {
	release, err := l.alone(ctx, t)
	if err != nil {
		return nil, err
	}
	defer release()
	if t.Known == nil {
		return nil, &UnknownError{t.Name()}
	}
	plan, err := l.Plan(ctx, t, Options{Services: []string{o.Service}})
	if err != nil {
		return nil, err
	}
	if err := l.refuse(ctx, plan); err != nil {
		return nil, err
	}
	if err := l.write(ctx, plan); err != nil {
		return nil, err
	}
	if o.NoDeps {
		return plan, nil
	}
	return plan, l.Stack.StartDependencies(ctx, plan.Project, o)
}

// refuse stops where the files of a loom that others write ask for more of the host than up has accepted. Unlike up it
// accepts nothing.
func (l *Looms) refuse(ctx context.Context, p *Plan) error {
	state, err := l.Registry.Read(ctx)
	if err != nil {
		return err
	}
	if added := judge(&p.Entry, state.Looms, p.powers); len(added) > 0 {
		return &PowersError{ID: p.ID, Loom: p.Name(), Added: added}
	}
	return nil
}

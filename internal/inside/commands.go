package inside

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Containers does to the containers of looms what docker compose does with the commands of the same names.
type Containers struct{ Looms *loom.Looms }

// own are the containers of a loom, one-off ones included.
func (l *Containers) own(ctx context.Context, t *loom.Target) ([]engine.Container, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return nil, err
	}
	return l.Looms.Containers(ctx, t.Known)
}

// Acted is what a command did something to.
type Acted struct {
	Loom     string   `json:"loom"`
	Project  string   `json:"project"`
	Services []string `json:"services"`
}

// act checks that the loom has containers of the services in a state that is wanted, and says of which services: all
// where none is named. what calls these containers in the error, such as running.
func (l *Containers) act(
	ctx context.Context, t *loom.Target, named []string, what string, wanted func(engine.Container) bool,
) (*Acted, []engine.Container, error) {
	own, err := l.own(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	// Compose does not reach an adopted container of another project.
	own = slices.DeleteFunc(own, func(c engine.Container) bool { return c.Project != t.Known.Project })
	services, err := loom.ServicesWith(t, own, named, what, wanted)
	if err != nil {
		return nil, nil, nothingError{err}
	}
	return &Acted{Loom: t.ID, Project: t.Known.Project, Services: services}, own, nil
}

// DryRun says whether a command only tells what it would do.
type DryRun bool

// changing is the context of a change: in a dry run Compose only says what it would do.
func changing(ctx context.Context, l *loom.Looms, dryRun DryRun) (context.Context, error) {
	if !dryRun {
		return ctx, nil
	}
	return l.Stack.DryRun(ctx)
}

// Restart restarts the containers of the services, of all where none is named.
func (l *Containers) Restart(
	ctx context.Context, t *loom.Target, o stack.RestartOptions, dryRun DryRun,
) (*Acted, error) {
	a, own, err := l.act(ctx, t, o.Services, "such", func(c engine.Container) bool { return !c.OneOff })
	if err != nil {
		return nil, err
	}
	o.Project = l.withHooks(ctx, t, own)
	if !dryRun {
		release, err := l.Looms.Registry.Lock(ctx, t.Repository, t.ID)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if ctx, err = changing(ctx, l.Looms, dryRun); err != nil {
		return nil, err
	}
	if err := l.Looms.Stack.Restart(ctx, a.Project, o); err != nil {
		return a, l.Looms.Explain(ctx, apply.Subject{Loom: t.ID, Project: a.Project}, err)
	}
	if dryRun {
		return a, nil
	}
	return a, devbox.RunStartHooks(ctx, l.Looms.DevBox, own, l.Looms.Teller.Stream())
}

// withHooks loads the project for its pre_stop and post_start hooks; nil where it has none, or where it has not the
// services that the containers have, or cannot be loaded: Compose then goes by labels.
func (l *Containers) withHooks(ctx context.Context, t *loom.Target, own []engine.Container) *types.Project {
	project, err := l.Looms.LoadProject(ctx, t)
	if err != nil {
		l.Looms.Teller.Sayf("%s cannot be loaded (%v): its hooks do not run", t.Known.Dir, tell.FirstLine(err))
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
func (l *Containers) Kill(
	ctx context.Context, t *loom.Target, services []string, signal string, dryRun DryRun,
) (*Acted, error) {
	a, _, err := l.act(ctx, t, services, "running", loom.IsRunning)
	if err != nil {
		return nil, err
	}
	if ctx, err = changing(ctx, l.Looms, dryRun); err != nil {
		return nil, err
	}
	return a, l.Looms.Stack.Signal(ctx, a.Project, a.Services, signal)
}

// Pause freezes the running containers of the services, of all if none is named.
func (l *Containers) Pause(ctx context.Context, t *loom.Target, services []string, dryRun DryRun) (*Acted, error) {
	return l.freeze(ctx, t, services, frozen{"running", l.Looms.Stack.Pause, dryRun})
}

// Unpause lets the paused containers of the services go on, of all if none is named.
func (l *Containers) Unpause(ctx context.Context, t *loom.Target, services []string, dryRun DryRun) (*Acted, error) {
	return l.freeze(ctx, t, services, frozen{"paused", l.Looms.Stack.Unpause, dryRun})
}

// frozen is a change of containers in one state, by Compose.
type frozen struct {
	from   string
	change func(ctx context.Context, project string, services []string) error
	dryRun DryRun
}

func (l *Containers) freeze(ctx context.Context, t *loom.Target, services []string, f frozen) (*Acted, error) {
	from := func(c engine.Container) bool { return !c.OneOff && c.State == f.from }
	a, _, err := l.act(ctx, t, services, f.from, from)
	if err != nil {
		return nil, err
	}
	if ctx, err = changing(ctx, l.Looms, f.dryRun); err != nil {
		return nil, err
	}
	return a, f.change(ctx, a.Project, a.Services)
}

// Top lists the processes in the running containers of the services, of all where none is named.
func (l *Containers) Top(ctx context.Context, t *loom.Target, services []string) ([]stack.Processes, error) {
	a, _, err := l.act(ctx, t, services, "running", loom.IsRunning)
	if err != nil {
		return nil, err
	}
	list, err := l.Looms.Stack.Top(ctx, a.Project, a.Services)
	slices.SortFunc(list, func(a, b stack.Processes) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	})
	return list, err
}

// Copy copies files between a service's container and this machine; with dryRun it only looks whether it could.
func (l *Containers) Copy(ctx context.Context, t *loom.Target, o stack.CopyOptions, dryRun DryRun) (*Acted, error) {
	// Of a container that has ended files can be copied too.
	exists := func(c engine.Container) bool { return o.All || !c.OneOff }
	a, _, err := l.act(ctx, t, []string{stack.CopiedService(o)}, "such", exists)
	if err != nil || dryRun {
		return a, err
	}
	return a, l.Looms.Stack.Copy(ctx, t.Known.Project, o)
}

// Logs copies the output of a loom's containers: of the services named, otherwise of all but those that the files say
// attach: false of.
func (l *Containers) Logs(ctx context.Context, t *loom.Target, o stack.LogOptions) error {
	own, err := l.own(ctx, t)
	if err != nil {
		return err
	}
	for _, name := range o.Services {
		if !slices.ContainsFunc(own, func(c engine.Container) bool { return c.Service == name }) {
			return &plan.NoServiceError{Service: name, Loom: t.ID}
		}
	}
	if len(own) == 0 {
		l.Looms.Teller.Sayf("loom %s has no containers", t.ID)
	}
	if len(o.Services) == 0 {
		o.Services = l.attached(ctx, t, own)
	}
	for {
		if err := l.Looms.Stack.Logs(ctx, t.Known.Project, o); err != nil || !o.Follow || ctx.Err() != nil {
			return err
		}
		since, err := l.runAgain(ctx, t, o)
		if err != nil || since.IsZero() {
			return err
		}
		o.Since, o.Tail = since.Format(time.RFC3339Nano), ""
	}
}

// runAgain tells since when containers run that all had ended; it is zero where none does. Compose takes a restart for
// the end where it looks between the two halves of it. docker loom's own restart is over when the loom's lock is free.
func (l *Containers) runAgain(ctx context.Context, t *loom.Target, o stack.LogOptions) (since time.Time, err error) {
	release, err := l.Looms.Registry.Lock(ctx, t.Repository, t.ID)
	if err != nil {
		return since, err
	}
	defer release()
	own, err := l.own(ctx, t)
	if err != nil {
		return since, err
	}
	for _, c := range own {
		unnamed := len(o.Services) > 0 && !slices.Contains(o.Services, c.Service) || o.Index > 0 && c.Number != o.Index
		if c.OneOff || c.State != "running" || unnamed {
			continue
		}
		d, ok, err := l.Looms.Engine.InspectListed(ctx, c)
		if err != nil {
			return since, err
		}
		if !ok {
			continue
		}
		if since.IsZero() || d.Started.Before(since) {
			since = d.Started
		}
	}
	return since, nil
}

// attached are the services whose output is shown where none is named; nil for all of them. What proxies decide is
// shown where it is asked for.
func (l *Containers) attached(ctx context.Context, t *loom.Target, own []engine.Container) []string {
	project, err := l.Looms.LoadProject(ctx, t)
	if err != nil {
		l.Looms.Teller.Debugf("services of loom %s: %v", t.ID, err)
		return nil
	}
	var shown []string
	quiet := false
	for _, c := range own {
		if s, ok := project.Services[c.Service]; !l.Looms.Companions.IsService(c) || ok && s.Attach != nil && !*s.Attach {
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

// Images are the images that a command built or pulled, or with a dry run would.
type Images struct {
	Loom    string        `json:"loom"`
	Project string        `json:"project"`
	Images  []stack.Built `json:"images"`
}

// Builds builds and pulls the images of looms. Nothing is leased or written for it.
type Builds struct{ Looms *loom.Looms }

// Build builds the images of a loom's services; nothing is leased or written for it.
func (l *Builds) Build(ctx context.Context, t *loom.Target, o stack.BuildOptions, dryRun DryRun) (*Images, error) {
	caches := o.Target
	caches.Platforms = nil
	req := imagesRequest{
		loom.PlanRequest{
			Options: loom.Options{Services: o.Services, Builds: caches}, PrepareImages: !bool(dryRun) && !o.Print && !o.Check,
		}, dryRun,
	}
	return l.withImages(ctx, t, req, func(ctx context.Context, p *loom.Plan, f *survey.Facts) ([]stack.Built, error) {
		o.Builder = cmp.Or(o.Builder, l.Looms.Process.Getenv("BUILDX_BUILDER"))
		dev := f.Dev
		isMade := dev != nil && dev.Installed.Info.ID != "" &&
			(len(o.Services) == 0 || slices.Contains(o.Services, dev.Service))
		if isMade && len(o.Platforms) > 0 {
			return nil, &PlatformError{Loom: t.ID, Platform: o.Platforms[0]}
		}
		if req.plan.PrepareImages {
			if err := l.noteReplaced(ctx, p); err != nil {
				return nil, err
			}
		}
		list, err := l.Looms.Stack.Build(ctx, p.Project, o)
		if isMade {
			// It was built before the plan: all else is planned on what it says.
			list = append(list, stack.Built{Service: dev.Service, Image: dev.Installed.Ref})
		}
		return list, err
	})
}

// noteReplaced notes the images that a build is about to take the names from, so that down of the loom finds them. A
// loom that was never up has no entry yet.
func (l *Builds) noteReplaced(ctx context.Context, p *loom.Plan) error {
	now := slices.Clone(p.Entry.Images)
	for _, name := range p.BuiltNames() {
		id, err := l.Looms.Engine.ImageID(ctx, name)
		if err != nil {
			return err
		}
		now = append(now, name, id)
	}
	if now = registry.ImagesOf(now); p.Entry.Created.IsZero() || slices.Equal(now, p.Entry.Images) {
		return nil
	}
	return l.Looms.Registry.Update(ctx, func(state *registry.State) error {
		if k := state.ProjectOf(&p.Entry); k != nil {
			k.Images = registry.ImagesOf(slices.Concat(k.Images, now))
		}
		return nil
	})
}

// Pull pulls the images of a loom's services; nothing is leased or written for it.
func (l *Builds) Pull(ctx context.Context, t *loom.Target, o stack.PullOptions, dryRun DryRun) (*Images, error) {
	req := imagesRequest{loom.PlanRequest{Options: loom.Options{Services: o.Services}}, dryRun}
	return l.withImages(ctx, t, req, func(ctx context.Context, p *loom.Plan, _ *survey.Facts) ([]stack.Built, error) {
		return l.Looms.Stack.Pull(ctx, p.Project, o)
	})
}

// imagesRequest says how the plan of a command about images is made.
type imagesRequest struct {
	plan   loom.PlanRequest
	dryRun DryRun
}

func (l *Builds) withImages(
	ctx context.Context, t *loom.Target, req imagesRequest,
	do func(context.Context, *loom.Plan, *survey.Facts) ([]stack.Built, error),
) (*Images, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return nil, err
	}
	p, f, err := l.Looms.PlanPermitted(ctx, t, req.plan)
	if err != nil {
		return nil, err
	}
	if ctx, err = changing(ctx, l.Looms, req.dryRun); err != nil {
		return nil, err
	}
	list, err := do(ctx, p, f)
	return &Images{Loom: t.ID, Project: p.Entry.Project, Images: list}, err
}

// Run runs a one-off container of a service, and returns its exit code. The loom's files are written and what the
// service depends on is started, as up does it.
func (l *Containers) Run(ctx context.Context, t *loom.Target, o stack.RunOptions) (int, error) {
	if err := l.Looms.Engine.Check(ctx); err != nil {
		return 0, err
	}
	plan, err := l.readyToRun(ctx, t, o)
	if err != nil {
		return 0, err
	}
	code, err := l.Looms.Stack.Run(ctx, plan.Project, o)
	return code, l.Looms.Explain(ctx, apply.SubjectOf(plan), err)
}

// readyToRun prepares a one-off container while no other command works on the loom: of two that start the same
// dependencies, one would fail. The container itself runs without the lock, for as long as it likes.
func (l *Containers) readyToRun(ctx context.Context, t *loom.Target, o stack.RunOptions) (*loom.Plan, error) {
	release, err := l.Looms.LockTarget(ctx, t)
	if err != nil {
		return nil, err
	}
	defer release()
	if t.Known == nil {
		return nil, &loom.UnknownError{Name: t.Name(), ID: t.ID}
	}
	plan, err := l.Looms.WriteFiles(ctx, t, loom.Options{Services: []string{o.Service}})
	if err != nil || o.NoDeps {
		return plan, err
	}
	err = l.Looms.Stack.StartDependencies(ctx, plan.Project, o)
	return plan, l.Looms.Explain(ctx, apply.SubjectOf(plan), err)
}

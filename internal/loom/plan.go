package loom

import (
	"context"
	"errors"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack/buildx"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Plan is what up does, before anything is done.
type Plan = plan.Plan

// Options are the user's choices for a plan.
type Options struct {
	// Offset pins the offset that is added to base ports, if it is not nil.
	Offset *int
	// DryRun stops before anything is promised or changed.
	DryRun bool
	// Trust accepts what the files of a loom that others write ask of the host.
	Trust bool
	// Config is the devcontainer.json to use, "" for the one that there is.
	Config string
	// Added is what the user adds to it, as JSON; "" for nothing.
	Added string
	// Build builds images even if they exist; Pull is always, missing or never, "" leaves it to the files.
	Build bool
	Pull  string
	// Builds is what the user asks of builds. The dev container's image is for the first of its platforms.
	Builds buildx.Target
	// Services are named by the user: the profiles that disable them are switched on.
	Services []string
}

// draft is a plan on its way: the facts it is made from, and the choices.
type draft struct {
	*plan.Plan
	facts   *survey.Facts
	choices plan.Choices
	options Options
}

// planner makes plans: it reads the facts, decides, and leases what a plan promises.
type planner struct {
	*Looms
	permits permit.Permission
}

func (l *Looms) planner() *planner { return &planner{l, l.permission()} }

func (l *Looms) surveyor() *survey.Surveyor {
	if l.FeatureStore != nil {
		l.FeatureStore.BeforeFetch = permit.Files{Permission: l.permission()}.BeforeFetch
	}
	return &survey.Surveyor{
		Stack: l.Stack, Engine: l.Engine, Registry: l.Registry, Features: l.FeatureStore, UserSettings: l.UserSettings,
		Teller: l.Teller, Process: l.Process,
	}
}

// Plan reads the facts and plans a loom. Nothing is promised, built or written for it.
func (l *Looms) Plan(ctx context.Context, t *Target, o Options) (*Plan, error) {
	d, err := l.planner().shown(ctx, t, o)
	if err != nil {
		return nil, err
	}
	return d.Plan, nil
}

// shown reads the facts of a loom and plans it, with the images that are there.
func (l *planner) shown(ctx context.Context, t *Target, o Options) (*draft, error) {
	d, err := l.facts(ctx, t, o)
	if err != nil {
		return nil, err
	}
	return d, l.decide(ctx, d)
}

// facts reads the facts of a loom.
func (l *planner) facts(ctx context.Context, t *Target, o Options) (*draft, error) {
	return untilGiven(func() (*draft, error) {
		d, err := l.begin(ctx, t, o)
		if err != nil {
			return nil, err
		}
		return d, l.readProject(ctx, d)
	})
}

// begin reads what comes before the project's files: settings, devcontainer.json, the engine.
func (l *planner) begin(ctx context.Context, t *Target, o Options) (*draft, error) {
	d := &draft{options: o, choices: plan.Choices{
		Offset: o.Offset, Config: o.Config, Build: o.Build, Services: o.Services, Version: l.Version,
	}}
	if err := l.Finder().ReadState(ctx, t); err != nil {
		return nil, err
	}
	s := l.surveyor()
	l.permits.Refused = nil
	l.permits.WorkOn(t)
	files := permit.Files{Permission: l.permits, Trusted: o.Trust, DryRun: o.DryRun, Notes: true}
	var err error
	if d.facts, err = s.Begin(ctx, t, t.State, survey.Options{
		Config: o.Config, Added: o.Added, Platform: o.Builds.Platform(), Trust: files,
	}); err != nil {
		return nil, err
	}
	l.expose(d.facts)
	if !d.facts.Settings.Container.Enabled {
		return nil, &plan.DisabledError{Files: d.facts.Settings.Files}
	}
	if d.facts.DevErr != nil {
		return nil, d.facts.DevErr
	}
	return d, s.Observe(ctx, d.facts)
}

// readProject finds the project and loads it under the loom's name.
func (l *planner) readProject(ctx context.Context, d *draft) error {
	s := l.surveyor()
	if err := s.Find(ctx, d.facts); err != nil {
		return err
	}
	if plan.ConfinementOf(d.facts.Target) != nil && d.choices.SidecarImage == "" {
		// A plan that is only shown does with the name.
		d.choices.SidecarImage, _ = l.Images().EgressRef()
	}
	entry, err := plan.Identify(d.facts, d.choices)
	if err != nil {
		return err
	}
	tell.Lines(l.Teller, d.facts.Trace)
	return s.Load(ctx, d.facts, entry)
}

// decide makes the plan. What it finds missing among the facts is read, as often as it takes.
func (l *planner) decide(ctx context.Context, d *draft) error {
	for range 1000 {
		p, err := plan.Make(d.facts, d.choices)
		needs, ok := errors.AsType[*plan.NeedsError](err)
		if !ok {
			d.Plan = p
			if err == nil {
				tell.Lines(l.Teller, p.Trace)
			}
			return err
		}
		if err := l.surveyor().Complete(ctx, d.facts, needs.Needs); err != nil {
			return err
		}
	}
	return survey.ErrUnsettled
}

// lease makes the plan's promises the loom's, in one transaction. If another command moved something meanwhile, the
// plan is made again.
func (l *planner) lease(ctx context.Context, d *draft) error {
	for range 20 {
		if !d.Leases {
			return nil
		}
		err := l.Registry.Update(ctx, func(state *registry.State) error {
			if err := plan.Promise(d.facts, d.Plan, state); err != nil {
				return err
			}
			if d.Entry.Created.IsZero() {
				d.Entry.Created = time.Now().UTC().Truncate(time.Millisecond)
				if d.facts.Written == nil && d.Entry.Untrusted && !d.Entry.Sandboxed {
					d.Entry.WrittenSince = d.Entry.Created
				}
			}
			entry := d.Entry
			if d.IsPlain() {
				// main promises nothing: its ports are the files' own, and free again when it is down.
				entry.Ports = nil
			}
			state.Put(entry)
			return nil
		})
		if !errors.Is(err, plan.ErrMeanwhile) {
			return err
		}
		if err := l.startOver(ctx, d); err != nil {
			return err
		}
	}
	return plan.ErrMeanwhile
}

// startOver makes the plan again, on what the registry says now.
func (l *planner) startOver(ctx context.Context, d *draft) error {
	t, accepted := d.facts.Target, d.Entry.Accepted
	if err := l.Finder().ReadState(ctx, t); err != nil {
		return err
	}
	if now := t.State.Projects(t.Repository, t.ID); len(now) > 0 {
		t.SetProjects(now)
		t.Known, t.Recovered = registry.InTree(t.Projects, t.WorkTree, d.facts.Found.Dir), false
	}
	d.facts.State = t.State
	entry, err := plan.Identify(d.facts, d.choices)
	if err != nil {
		return err
	}
	if t.ID != Main && entry.Project != d.facts.Base.Project.Name {
		if err := l.surveyor().Load(ctx, d.facts, entry); err != nil {
			return err
		}
	}
	if err := l.decide(ctx, d); err != nil {
		return err
	}
	if was := d.Entry.Accepted; accepted != nil && (was == nil || was.Hash != accepted.Hash) {
		d.Leases = true
	}
	d.Entry.Accepted = accepted
	return nil
}

// LoadProject loads a loom's project as it is on the disk, for what no lease changes: services, dependencies, hooks. A
// devcontainer.json that cannot be read is left out.
func (l *Looms) LoadProject(ctx context.Context, t *Target) (*types.Project, error) {
	if t.Source.Dir == "" {
		// The current folder's project would be taken for it.
		return nil, errors.New("its folder is not known")
	}
	if err := l.Finder().ReadState(ctx, t); err != nil {
		return nil, err
	}
	return untilGiven(func() (*types.Project, error) {
		s := l.surveyor()
		l.granted.WorkOn(t)
		f, err := s.Begin(ctx, t, t.State, survey.Options{Trust: permit.Files{Permission: l.permission()}})
		if err != nil {
			return nil, err
		}
		l.expose(f)
		if err := s.Find(ctx, f); err != nil {
			return nil, err
		}
		p := entryPlan(t)
		if f.Dev != nil && t.ID == Main {
			p.Entry.Project = f.Dev.DerivedProject
		}
		if err := s.LoadBase(ctx, f, p.Entry); err != nil {
			return nil, err
		}
		if f.Dev != nil && f.Dev.Config.Kind != devcontainer.KindCompose {
			f.Dev.Outline().Apply(f.Base.Project)
		}
		return f.Base.Finish(f.Found.Paths, plan.CustomLabels(p))
	})
}

// entryPlan is a plan of nothing but what is known, for commands that do not load the project.
func entryPlan(t *Target) *Plan {
	p := &Plan{ID: t.ID, Repository: t.Repository, WorkTree: t.WorkTree}
	p.Entry = registry.Loom{ID: t.ID, Repository: t.Repository}
	if t.Known != nil {
		p.Entry = *t.Known
	}
	return p
}

package loom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/apply"
	"github.com/docker-loom/docker-loom/internal/data"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tree"
)

// UpRequest asks for a loom to be there.
type UpRequest struct {
	Where
	Options
	stack.CreateOptions
	// Services limits up to these services and what they depend on; none are all.
	Services []string
	// Data is what the loom's volumes begin with.
	Data data.Request
	// NoWait returns as soon as the containers are started.
	NoWait bool
	// WaitTimeout bounds the wait until all is ready.
	WaitTimeout time.Duration
	// RequirePorts makes a port that nobody answers on an error.
	RequirePorts bool
	// Hooks says how lifecycle hooks of the dev container run.
	Hooks devbox.HookOptions
	// CreateOnly creates the containers and starts none; FilesOnly stops before that.
	CreateOnly, FilesOnly bool
	// Tree says whether the loom gets a work tree of its own.
	Tree tree.Options
}

func (r UpRequest) ownTree() tree.Request {
	return tree.Request{Options: r.Tree, ID: r.ID, DryRun: r.DryRun}
}

// UnfinishedError says that up did not finish, and what it left.
type UnfinishedError struct {
	ID   string
	Left int // Containers that are there now
	Err  error
}

// Error is the cause; what is left is for the hint.
func (e *UnfinishedError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (e *UnfinishedError) NextStep() string {
	// These say more than what is left.
	var own interface {
		error
		NextStep() string
	}
	for _, cause := range []any{
		new(*plan.OrphanError), new(*apply.PausedError), new(*apply.FeatureError), new(*apply.ImageError),
		new(*image.NoImageError), new(*AccessError),
	} {
		if errors.As(e.Err, cause) && errors.As(e.Err, &own) && own.NextStep() != "" {
			return own.NextStep()
		}
	}
	if e.Left == 0 {
		return fmt.Sprintf("nothing runs; docker loom up %s tries again", e.ID)
	}
	return fmt.Sprintf("%d container(s) are left; docker loom up %s continues, docker loom down %s removes them",
		e.Left, e.ID, e.ID)
}

// Unwrap gives the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// Up brings the loom up: leases, files, containers, readiness. It can be run again at any time, and continues where it
// was interrupted.
func (l *Looms) Up(ctx context.Context, req UpRequest) (*Plan, *Result, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, nil, err
	}
	target, err := l.Finder().Resolve(ctx, req.Where, Making)
	if err != nil {
		return nil, nil, err
	}
	return l.upOne(ctx, target, req)
}

// upOne is up of the project of a target.
func (l *Looms) upOne(ctx context.Context, target *Target, req UpRequest) (*Plan, *Result, error) {
	source, err := l.upRun().dataSource(ctx, target, req)
	if err != nil {
		return nil, nil, err
	}
	if req.DryRun {
		return l.UpLocked(ctx, target, source, req)
	}
	if err := l.Trees().FetchPullRequest(ctx, target, req.ownTree()); err != nil {
		return nil, nil, err
	}
	var p *Plan
	var result *Result
	err = l.Locked(ctx, target, req.Options, func() error {
		// Two commands on one loom would create its containers twice.
		release, err := l.lock(ctx, target, source)
		if err != nil {
			return err
		}
		defer release()
		l.Finder().MarkInUse(ctx, target)
		if err := l.Refresh(ctx, target); err != nil {
			return err
		}
		p, result, err = l.UpLocked(ctx, target, source, req)
		return err
	})
	if err == nil && result != nil {
		result.Projects = []report.Project{report.Of(&p.Entry, result.Services, result.Ports)}
		err = l.addProjects(ctx, target, result)
	}
	return p, result, err
}

// UpLocked is up of a loom whose lock is held, and whose entry was read since.
func (l *Looms) UpLocked(ctx context.Context, target, source *Target, req UpRequest) (*Plan, *Result, error) {
	if err := l.Trees().Own(ctx, target, req.ownTree()); err != nil {
		return nil, nil, err
	}
	return l.upRun().inTree(ctx, target, source, req)
}

// inTree is up of a loom that has its work tree.
func (l *upRun) inTree(ctx context.Context, target, source *Target, req UpRequest) (*Plan, *Result, error) {
	for {
		p, result, err := l.once(ctx, target, source, req)
		if !errors.Is(err, survey.ErrGivenMore) {
			return p, result, err
		}
	}
}

// once is up, as far as the files have all that was accepted for them.
func (l *upRun) once(ctx context.Context, target, source *Target, req UpRequest) (*Plan, *Result, error) {
	d, err := l.initialized(ctx, target, req)
	if err != nil {
		return nil, nil, err
	}
	if adopted, result, err := l.adopt(ctx, d, req); adopted != nil || err != nil {
		return adopted, result, err
	}
	if err := l.draftUp(ctx, d, req); err != nil {
		return nil, nil, err
	}
	if err := l.permit(ctx, d, req); err != nil {
		return d.Plan, nil, err
	}
	if !req.DryRun && !req.FilesOnly {
		if err := l.recoverData(ctx, d); err != nil {
			return d.Plan, nil, err
		}
	}
	volumes, err := l.planData(ctx, d.Plan, source, req)
	if err != nil || req.DryRun {
		addCopy(d.Plan, volumes)
		return d.Plan, nil, err
	}
	if err := l.lease(ctx, d); err != nil {
		return nil, nil, err
	}
	permitAndLease := func(ctx context.Context, d *draft) error {
		if err := l.permit(ctx, d, req); err != nil {
			return err
		}
		return l.lease(ctx, d)
	}
	if err := l.makeImages(ctx, d, permitAndLease); err != nil {
		return d.Plan, nil, l.unfinished(ctx, d.Plan, err)
	}
	addCopy(d.Plan, volumes)
	for _, note := range d.Notes {
		l.Teller.Sayf("%s", note)
	}
	result, err := l.carryOut(ctx, d, volumes, req)
	return d.Plan, result, err
}

// upRun is one up, step by step.
type upRun struct{ *planner }

func (l *Looms) upRun() *upRun { return &upRun{l.planner()} }

// permit stops if the plan asks for more of the host than was accepted. It leaves of the plan what the user named, and
// stops if the engine would refuse that.
func (l *upRun) permit(ctx context.Context, d *draft, req UpRequest) error {
	if err := l.accept(ctx, d); err != nil {
		return err
	}
	if l.hasGained(d) {
		return survey.ErrGivenMore
	}
	if err := d.Select(req.Services); err != nil {
		return err
	}
	var missing []string
	if d.Dev != nil {
		missing = l.surveyor().Missing(d.Dev.Compiled.MustExist)
	}
	return d.CheckBinds(missing)
}

// initialized reads what comes before the project's files, and runs the initializeCommand of the devcontainer.json, but
// not in a dry run. The command may write what the project is made from.
func (l *upRun) initialized(ctx context.Context, target *Target, req UpRequest) (*draft, error) {
	o := req.Options
	o.Services = req.Services
	o.Build, o.Pull = req.CreateOptions.Build, req.CreateOptions.Pull
	d, err := l.beginUp(ctx, target, o, req)
	if err != nil || o.DryRun || slices.Contains(l.begun, l.permits.Project()) {
		return d, err
	}
	if ran, err := l.initialize(ctx, d); err != nil || !ran {
		return d, err
	}
	l.begun = append(l.begun, l.permits.Project())
	target.SettingsFiles = nil
	return l.beginUp(ctx, target, o, req)
}

// beginUp is begin with the choices that only up has.
func (l *upRun) beginUp(ctx context.Context, target *Target, o Options, req UpRequest) (*draft, error) {
	d, err := l.begin(ctx, target, o)
	if err != nil {
		return nil, err
	}
	d.choices.ForceRecreate, d.choices.RemoveOrphans = req.ForceRecreate, req.RemoveOrphans
	switch {
	case req.FilesOnly:
		d.choices.Stop = plan.AfterFiles
	case req.CreateOnly:
		d.choices.Stop = plan.AfterCreate
	}
	return d, nil
}

// draftUp reads the project, brings the images that the plan depends on, and makes the plan.
func (l *upRun) draftUp(ctx context.Context, d *draft, req UpRequest) error {
	read := l.readPrepared
	if req.DryRun {
		read = l.readProject
	}
	if err := read(ctx, d); err != nil {
		return err
	}
	d.choices.Compare = true
	if err := l.surveyor().ForUp(ctx, d.facts, d.facts.Base.Project.Name); err != nil {
		return err
	}
	if err := l.decide(ctx, d); err != nil {
		return err
	}
	if req.DryRun {
		d.Findings = append(d.Findings, d.DryRunFindings(d.facts)...)
	}
	return nil
}

// carryOut does what the plan says.
func (l *upRun) carryOut(ctx context.Context, d *draft, volumes *data.Copy, req UpRequest) (*Result, error) {
	// Before the files: plain docker compose must not start on half of the data.
	if volumes != nil {
		if err := l.copier().Run(ctx, d.Project, volumes); err != nil {
			return nil, err
		}
	}
	if err := l.applier().Files(ctx, d.Plan, d.facts.Target.Git, owner(d.facts.Target)); err != nil {
		return nil, err
	}
	if req.FilesOnly {
		return report.New(l.Engine, d.Plan, nil), nil
	}
	own, silent, err := l.bringUp(ctx, d, req)
	if err != nil {
		return nil, l.unfinished(ctx, d.Plan, err)
	}
	if !req.CreateOnly {
		if err := l.devHooks(ctx, d, own, req); err != nil {
			return nil, l.unfinished(ctx, d.Plan, err)
		}
	}
	result := report.New(l.Engine, d.Plan, own)
	for _, p := range silent {
		result.MarkSilent(p)
	}
	return result, nil
}

// bringUp changes the engine and waits. It returns the loom's containers, and the ports that nobody answers on.
func (l *upRun) bringUp(ctx context.Context, d *draft, req UpRequest) ([]engine.Container, []apply.Silent, error) {
	a, project := l.applier(), d.Entry.Project
	o := apply.Options{
		CreateOptions: req.CreateOptions, CreateOnly: req.CreateOnly,
		WaitTimeout: req.WaitTimeout, RequirePorts: req.RequirePorts,
	}
	own := d.facts.Engine.Project(project)
	list := func() ([]engine.Container, error) { return l.Engine.Containers(ctx, engine.Filter{Project: project}) }
	// A container that was paused for a copy of its data is unhealthy until its next healthcheck.
	mayRecover := func(c engine.Container) bool { return c.Health == "unhealthy" || c.State == "paused" }
	if !req.CreateOnly && slices.ContainsFunc(own, mayRecover) {
		if err := l.copier().AwaitHealthchecks(ctx, project, req.WaitTimeout); err != nil {
			return nil, nil, err
		}
	}
	converged := d.Converged && !req.CreateOnly && req.CreateOptions == (stack.CreateOptions{})
	l.Teller.Debugf("everything is as planned already: %t", converged)
	if !converged {
		if err := a.Containers(ctx, d.Plan, own, o); err != nil {
			return nil, nil, err
		}
		if err := l.tellServicesUp(ctx, d); err != nil {
			return nil, nil, err
		}
	}
	if req.NoWait || req.CreateOnly {
		own, err := list()
		return own, nil, err
	}
	return a.Wait(ctx, d.Plan, o)
}

// recoverData ends what is left of a copy of data into the loom that did not come to its end.
func (l *upRun) recoverData(ctx context.Context, d *draft) error {
	isMark := func(c engine.Container) bool { return c.Labels[data.LabelCopy] != "" }
	if !slices.ContainsFunc(d.facts.Engine.Containers, isMark) {
		return nil
	}
	return l.copier().Recover(ctx, d.ID, d.Entry.Project)
}

// Explain says what an error of Compose leaves out.
func (l *Looms) Explain(ctx context.Context, of apply.Subject, err error) error {
	return l.applier().Explain(ctx, of, err)
}

func (l *Looms) applier() *apply.Applier {
	return &apply.Applier{Stack: l.Stack, Engine: l.Engine, Teller: l.Teller}
}

// owner is how the loom is called in info/exclude, which all work trees of the repository share.
func owner(t *Target) string { return t.ID }

// unfinished tells what a failed up left behind.
func (l *upRun) unfinished(ctx context.Context, p *Plan, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: p.Entry.Project})
	if err != nil {
		l.Teller.Debugf("what is left: %v", err)
	}
	return &UnfinishedError{ID: p.ID, Left: len(own), Err: cause}
}

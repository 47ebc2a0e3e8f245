package loom

import (
	"context"
	"errors"
	"slices"

	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/report"
)

// UpTogether brings the projects up that are meant: the one of the folder, or those that the settings list for the root
// of the repository, in their order. It returns a plan of each, and what there is now.
func (l *Looms) UpTogether(ctx context.Context, req UpRequest) ([]*Plan, *Result, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, nil, err
	}
	where := req.Where
	where.Together = true
	target, err := l.Finder().Resolve(ctx, where, Making)
	if err != nil {
		return nil, nil, err
	}
	if len(target.Together) == 0 {
		plan, result, err := l.upOne(ctx, target, req)
		if plan == nil {
			return nil, result, err
		}
		return []*Plan{plan}, result, err
	}
	if len(req.Services) > 0 {
		return nil, nil, &find.SeveralProjectsError{ID: target.ID, Folders: target.Together}
	}
	if err := l.Trees().FetchPullRequest(ctx, target, req.ownTree()); err != nil {
		return nil, nil, err
	}
	run := &togetherRun{Looms: l, target: target, req: req}
	if req.DryRun {
		err := run.do(ctx)
		return run.plans, nil, err
	}
	source, err := l.upRun().sourceLoom(ctx, target, req)
	if err != nil {
		return nil, nil, err
	}
	err = l.Locked(ctx, target, req.Options, func() error {
		release, err := l.lock(ctx, target, source)
		if err != nil {
			return err
		}
		defer release()
		l.Finder().MarkInUse(ctx, target)
		return run.do(ctx)
	})
	return run.plans, run.result, err
}

// togetherRun is up of several projects of one loom.
type togetherRun struct {
	*Looms
	target *Target
	req    UpRequest
	plans  []*Plan
	result *Result
}

// do brings the projects up. First each gets its ports: the others may name them.
func (r *togetherRun) do(ctx context.Context) error {
	r.plans, r.result = nil, nil
	if err := r.Trees().Own(ctx, r.target, r.req.ownTree()); err != nil {
		return err
	}
	if !r.req.DryRun {
		for _, folder := range r.target.Together {
			if err := r.promise(ctx, folder); err != nil {
				return err
			}
		}
	}
	for _, folder := range r.target.Together {
		t, err := r.projectIn(ctx, folder)
		if err != nil {
			return err
		}
		run := r.upRun()
		source, err := run.dataSource(ctx, t, r.req)
		if unknown, ok := errors.AsType[*find.UnknownProjectError](err); ok {
			r.Teller.Sayf("--data-from: %v: the volumes of %s are new", unknown, folder)
		} else if err != nil {
			return err
		}
		plan, result, err := run.inTree(ctx, t, source, r.req)
		if plan != nil {
			r.plans = append(r.plans, plan)
		}
		if err != nil {
			return err
		}
		if r.req.DryRun {
			r.lastRead.Imagine(plan.Entry)
		}
		r.add(plan, result)
		// They are told with the first.
		r.target.Notes = nil
	}
	if r.result == nil {
		return nil
	}
	return r.addProjects(ctx, r.target, r.result)
}

// projectIn is the target with the project of a folder, as the registry knows it now.
func (r *togetherRun) projectIn(ctx context.Context, folder string) (*Target, error) {
	if err := r.Refresh(ctx, r.target); err != nil {
		return nil, err
	}
	return find.ProjectIn(r.target, folder)
}

// promise leases what a project that is new to the loom needs. It starts nothing.
func (r *togetherRun) promise(ctx context.Context, folder string) error {
	t, err := r.projectIn(ctx, folder)
	if err != nil || t.Known != nil {
		return err
	}
	run := r.upRun()
	_, err = untilGiven(func() (struct{}, error) {
		d, err := run.initialized(ctx, t, r.req)
		if err != nil {
			return struct{}{}, err
		}
		if err := run.draftUp(ctx, d, r.req); err != nil {
			return struct{}{}, err
		}
		if err := run.permit(ctx, d, r.req); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, run.lease(ctx, d)
	})
	return err
}

// add adds a project to what is told.
func (r *togetherRun) add(plan *Plan, result *Result) {
	if result == nil {
		return
	}
	result.Projects = []report.Project{report.Of(&plan.Entry, result.Services, result.Ports)}
	if r.result == nil {
		r.result = result
		return
	}
	r.result.Services = append(r.result.Services, result.Services...)
	r.result.Ports = append(r.result.Ports, result.Ports...)
	r.result.Findings = append(r.result.Findings, result.Findings...)
	r.result.Projects = append(r.result.Projects, result.Projects...)
}

// addProjects lists all projects of the loom in a result that is about some, the oldest first.
func (l *Looms) addProjects(ctx context.Context, t *Target, r *Result) error {
	own := r.Projects
	r.Projects = []report.Project{}
	for _, k := range t.Projects {
		at := slices.IndexFunc(own, func(p report.Project) bool { return p.Project == k.Project })
		if at >= 0 {
			r.Projects, own = append(r.Projects, own[at]), slices.Delete(own, at, at+1)
			continue
		}
		containers, err := l.Containers(ctx, k)
		if err != nil {
			return err
		}
		r.Projects = append(r.Projects, report.Of(k, report.ListServices(containers),
			report.PublishedPorts(l.Engine, t.ID, containers)))
	}
	r.Projects = append(r.Projects, own...)
	return nil
}

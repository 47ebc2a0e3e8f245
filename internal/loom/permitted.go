package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/internal/survey"
)

// PlanRequest asks for a plan that a command beside up works with.
type PlanRequest struct {
	Options
	// PrepareImages pulls and builds the images that the plan depends on. Without it the plan goes by those that are here.
	PrepareImages bool
	// FromMemory asks for an override that gives the loom as planned whatever files are on the disk.
	FromMemory bool
}

// PlanPermitted reads the facts of a loom and plans it. It refuses files that ask for more of the host than up has
// accepted. Nothing is promised or written for it.
func (l *Looms) PlanPermitted(ctx context.Context, t *Target, req PlanRequest) (*Plan, *survey.Facts, error) {
	p := l.planner()
	d, err := p.draftPermitted(ctx, t, req, p.refuseDraft)
	if err != nil {
		return nil, nil, err
	}
	return d.Plan, d.facts, nil
}

// WriteFiles plans a loom whose lock is held, as [Looms.PlanPermitted] does, leases what the plan promises, and writes
// its files. It creates no container.
func (l *Looms) WriteFiles(ctx context.Context, t *Target, o Options) (*Plan, error) {
	p := l.planner()
	refuseOrLease := func(ctx context.Context, d *draft) error {
		if err := p.refuseDraft(ctx, d); err != nil {
			return err
		}
		return p.lease(ctx, d)
	}
	d, err := p.draftPermitted(ctx, t, PlanRequest{Options: o, PrepareImages: true}, refuseOrLease)
	if err != nil {
		return nil, err
	}
	return d.Plan, l.applier().Files(ctx, d.Plan, t.Git, owner(t))
}

func (l *planner) refuseDraft(_ context.Context, d *draft) error {
	return l.permits.Refuse(d.request())
}

// draftPermitted plans a loom. permit is called before the images are built, and again after each.
func (l *planner) draftPermitted(
	ctx context.Context, t *Target, req PlanRequest, permit func(context.Context, *draft) error,
) (*draft, error) {
	read := l.readProject
	if req.PrepareImages {
		read = l.readPrepared
	}
	d, err := untilGiven(func() (*draft, error) {
		d, err := l.begin(ctx, t, req.Options)
		if err != nil {
			return nil, err
		}
		return d, read(ctx, d)
	})
	if err != nil {
		return nil, err
	}
	d.choices.FromMemory = req.FromMemory
	if err := l.decide(ctx, d); err != nil {
		return nil, err
	}
	if err := permit(ctx, d); err != nil || !req.PrepareImages {
		return d, err
	}
	return d, l.makeImages(ctx, d, permit)
}

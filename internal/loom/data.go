package loom

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker-loom/docker-loom/internal/data"
	"github.com/docker-loom/docker-loom/internal/plan"
)

// copier copies volumes between looms.
func (l *Looms) copier() *data.Copier {
	return &data.Copier{Engine: l.Engine, Stack: l.Stack, Teller: l.Teller}
}

// dataSource finds the loom whose data an up begins with, and its project of the same folder; nil if it begins with
// none.
func (l *upRun) dataSource(ctx context.Context, t *Target, req UpRequest) (*Target, error) {
	return l.sourceOf(ctx, t, req, false)
}

// sourceLoom is dataSource for an up of several projects, which have their own sources.
func (l *upRun) sourceLoom(ctx context.Context, t *Target, req UpRequest) (*Target, error) {
	return l.sourceOf(ctx, t, req, true)
}

func (l *upRun) sourceOf(ctx context.Context, t *Target, req UpRequest, whole bool) (*Target, error) {
	if req.Data.From == "" {
		return nil, nil
	}
	if req.FilesOnly {
		return nil, errors.New("files alone have no data: leave out --files-only or --data-from")
	}
	id, err := ParseID(req.Data.From)
	if err != nil {
		return nil, err
	}
	purpose := Reading
	if id == Main {
		// The registry does not know a main that plain docker compose made.
		purpose = Making
	}
	where := Where{ID: req.Data.From, Source: t.Source, WholeLoom: whole}
	source, err := l.Finder().Resolve(ctx, where, purpose)
	if err != nil {
		return nil, fmt.Errorf("--data-from: %w", err)
	}
	if source.ID == t.ID && source.Repository == t.Repository {
		return nil, fmt.Errorf("--data-from %s: it is the loom itself", req.Data.From)
	}
	return source, nil
}

// planData decides on the copy of the source's volumes. Without a source it returns nil.
func (l *upRun) planData(ctx context.Context, p *Plan, source *Target, req UpRequest) (*data.Copy, error) {
	if source == nil {
		return nil, nil
	}
	from, err := l.projectOf(ctx, source)
	if err != nil {
		return nil, err
	}
	volumes, err := l.Engine.Volumes(ctx, nil)
	if err != nil {
		return nil, err
	}
	return data.Decide(data.Copy{
		Request: req.Data, Loom: p.ID, Repository: p.Repository, Project: p.Entry.Project,
		Source: source.ID, SourceProject: from,
	}, p.Project.Volumes, volumes)
}

// addCopy puts a copy of volumes into the plan: its steps, notes and findings.
func addCopy(p *Plan, c *data.Copy) {
	if c == nil {
		return
	}
	for _, pair := range c.Pairs {
		p.Copies = append(p.Copies, plan.VolumeCopy{From: pair.From, To: pair.To})
	}
	p.Notes = append(p.Notes, c.Notes...)
	p.Findings = append(p.Findings, c.Findings()...)
}

// projectOf is the Compose project of a loom. Nothing but a plan tells that of a main that plain docker compose made.
func (l *upRun) projectOf(ctx context.Context, t *Target) (string, error) {
	if t.ID == Main {
		plan, err := l.Plan(ctx, t, Options{DryRun: true})
		if err != nil {
			return "", fmt.Errorf("loom %s: %w", t.ID, err)
		}
		return plan.Entry.Project, nil
	}
	space, err := l.Engine.Space(ctx)
	if err != nil {
		return "", err
	}
	if t.Known.Space != "" && t.Known.Space != space {
		return "", &ElsewhereError{Name: t.Name(), Space: t.Known.Space}
	}
	return t.Known.Project, nil
}

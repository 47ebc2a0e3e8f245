package loom

import (
	"context"
	"time"

	"github.com/docker-loom/docker-loom/internal/tree"
)

// RmRequest asks to end a loom and to remove its work tree.
type RmRequest struct {
	tree.RemoveOptions
	// Labelled removes of the stack only what bears docker loom's labels.
	Labelled bool
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
}

// Removal is what rm did to a loom, or with DryRun would do.
type Removal struct {
	Loom string `json:"loom"`
	// State is removed, refused, or stopped. A loom is only stopped if its project has container.keepAlive.
	State    string `json:"state"`
	WorkTree string `json:"workTree"`
	Branch   string `json:"branch"`
	// Ignored names the files that git ignores and that are lost with the work tree, also in Refused unless they may be.
	Ignored string `json:"ignored"`
	// Refused lists what would be lost, Warnings what else the user should know.
	Refused  []string `json:"refused"`
	Warnings []string `json:"warnings"`
	Removed  []string `json:"removed"`
	Kept     []string `json:"kept"`
}

// The states of a Removal.
const (
	RemovalDone    = "removed"
	RemovalRefused = "refused"
	RemovalStopped = "stopped"
)

// Rm ends a loom: its stack with volumes, its files, the work tree that was made for it, the branch if the request
// says so, and its leases last. First it looks at what would be lost. If anything would be lost, it touches nothing,
// and the Removal says so. After an interruption, a second Rm does the rest.
func (l *Looms) Rm(ctx context.Context, t *Target, req RmRequest) (*Removal, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	if !req.DryRun {
		release, err := l.LockTarget(ctx, t)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	work, err := l.Trees().PlanRemoval(ctx, t, req.RemoveOptions)
	if err != nil {
		return nil, err
	}
	never, risks, err := work.Risks(ctx)
	if err != nil {
		return nil, err
	}
	r := &remover{Looms: l, target: t, req: req, work: work, result: &Removal{
		Loom: t.ID, State: RemovalDone, WorkTree: work.WorkTree, Branch: work.Branch, Refused: []string{},
		Warnings: append([]string{}, work.Warnings...), Removed: append([]string{}, work.Cleared...),
		Kept: append([]string{}, work.Kept...), Ignored: work.Lost,
	}}
	if !req.Force {
		never = append(never, risks...)
	} else {
		r.result.Warnings = append(r.result.Warnings, risks...)
	}
	if len(never) > 0 {
		r.result.State, r.result.Refused = RemovalRefused, never
		return r.result, nil
	}
	if work.KeepsAlive() && t.Known != nil {
		return r.result, r.stop(ctx)
	}
	return r.result, r.end(ctx)
}

// remover ends one loom.
type remover struct {
	*Looms
	target *Target
	req    RmRequest
	work   *tree.Removal // of the work tree
	result *Removal
}

// stop is what rm does if the settings keep stacks alive: the loom stops, and nothing else changes.
func (r *remover) stop(ctx context.Context) error {
	r.result.State = RemovalStopped
	r.result.Kept = []string{"the loom, stopped, with its work tree: container.keepAlive is set"}
	if r.req.DryRun {
		return nil
	}
	return r.Stop(ctx, r.target, r.req.Timeout)
}

// end removes everything. The order lets a second rm finish what the first one was interrupted in.
func (r *remover) end(ctx context.Context) error {
	t, req := r.target, r.req
	run := &loomEnd{Looms: r.Looms, target: t, req: DownRequest{
		Volumes: true, Labelled: req.Labelled, Timeout: req.Timeout, DryRun: req.DryRun,
	}}
	if t.Known != nil {
		down, err := run.takeDown(ctx)
		if err != nil {
			return err
		}
		r.result.Removed = append(r.result.Removed, down.Removed...)
		for _, v := range down.Volumes {
			r.result.Kept = append(r.result.Kept, "volume "+v)
		}
		for _, what := range down.Left {
			r.result.Warnings = append(r.result.Warnings, what+", stays")
		}
	}
	if r.work.Path != "" {
		r.result.Removed = append(r.result.Removed, "work tree "+r.work.Path)
		for _, files := range []string{r.work.Lost, r.work.Caches} {
			if files != "" {
				r.result.Removed = append(r.result.Removed, files)
			}
		}
		if req.Branch && r.result.Branch != "" {
			r.result.Removed = append(r.result.Removed, "branch "+r.result.Branch)
		}
	}
	if req.DryRun {
		return nil
	}
	if r.work.Path != "" {
		if err := r.work.Run(ctx); err != nil {
			return err
		}
	}
	if t.Known == nil {
		return nil
	}
	return run.forget(ctx)
}

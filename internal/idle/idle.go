// Package idle finds out who uses a loom, and stops looms that nobody uses.
package idle

import (
	"context"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// Observe finds out who uses the looms of a list, and writes it into the list.
func Observe(ctx context.Context, l *loom.Looms, list []inventory.Listed) error {
	var projects []string
	for _, item := range list {
		projects = append(projects, projectsOf(item)...)
	}
	v, err := look(ctx, l, projects, nil)
	if err != nil {
		return err
	}
	for i := range list {
		item := &list[i]
		used := usedLoom{repository: item.Repository, id: item.ID, projects: projectsOf(*item), record: item.Known}
		a := v.activity(l, used)
		if !a.Last.IsZero() {
			last := a.Last.UTC().Truncate(time.Second)
			item.LastActivity = &last
		}
		item.ActiveSources = append(item.ActiveSources, a.Active...)
	}
	return nil
}

func projectsOf(item inventory.Listed) []string {
	var projects []string
	for _, p := range item.Projects {
		projects = append(projects, p.Project)
	}
	return projects
}

// Request asks for looms to be stopped in which nothing happened.
type Request struct {
	// After is how long nothing must have happened.
	After time.Duration
	// Ignore are sources that do not count.
	Ignore []string
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
	DryRun  bool
	// Log has what happened to sessions while a caller watches; nil for a single look.
	Log *engine.SessionLog
}

// Verdict is what became of one loom: it is idle if all its projects are.
type Verdict struct {
	*loom.Target
	// Idle says that the loom was stopped, or with DryRun would be.
	Idle bool
	Why  string
	Err  error // it could not be judged or stopped
}

// Stop stops those of the looms in which nothing happened for a time. Looms that do not run are left out.
func Stop(ctx context.Context, l *loom.Looms, targets []*loom.Target, req Request) ([]Verdict, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	var log []engine.Session
	if req.Log != nil {
		var err error
		if log, err = req.Log.Take(); err != nil {
			return nil, err
		}
	}
	var projects []string
	for _, t := range targets {
		projects = append(projects, meant(t)...)
	}
	v, err := look(ctx, l, projects, log)
	if err != nil {
		return nil, err
	}
	var verdicts []Verdict
	for _, t := range targets {
		if !v.runs(meant(t)) {
			continue
		}
		verdict := Verdict{Target: t}
		verdict.Idle, verdict.Why = v.isIdle(l, t, req)
		if verdict.Idle && !req.DryRun {
			verdict.Idle, verdict.Why, verdict.Err = stopIfStillIdle(ctx, l, t, req, log)
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts, nil
}

// meant are the Compose projects that the target is about.
func meant(t *loom.Target) []string {
	var projects []string
	for _, k := range t.Meant() {
		projects = append(projects, k.Project)
	}
	return projects
}

func (v *view) isIdle(l *loom.Looms, t *loom.Target, req Request) (bool, string) {
	// What one project shows is not the whole record.
	a := v.activity(l, usedLoom{t.Repository, t.ID, meant(t), req.Ignore, !t.Recovered && !t.Part})
	return judge(t.Known, a, v.at, req.After)
}

// stopIfStillIdle stops a loom that looked idle, if it still does now that no other command works on it.
func stopIfStillIdle(
	ctx context.Context, l *loom.Looms, t *loom.Target, req Request, log []engine.Session,
) (idle bool, why string, err error) {
	release, err := l.LockTarget(ctx, t)
	if err != nil {
		return false, "", err
	}
	defer release()
	if t.Known == nil {
		return false, "ended meanwhile", nil
	}
	v, err := look(ctx, l, meant(t), log)
	if err != nil {
		return false, "", err
	}
	if idle, why = v.isIdle(l, t, req); !idle {
		return false, why, nil
	}
	return true, why, l.Stop(ctx, t, req.Timeout)
}

// Watcher stops idle looms again and again.
type Watcher struct {
	Looms    *loom.Looms
	Interval time.Duration
	// Targets are the looms that are looked at; it is called before each look.
	Targets func() ([]*loom.Target, error)
	// Tell is called after each look. A look that failed is told with its error, and the next one tries again.
	Tell func([]Verdict, error)
}

// Watch looks until ctx ends. The first look must work.
func (w Watcher) Watch(ctx context.Context, req Request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req.Log = w.Looms.Engine.Listen(ctx)
	tick := time.NewTicker(w.Interval)
	defer tick.Stop()
	for first := true; ; first = false {
		list, err := w.Targets()
		var verdicts []Verdict
		if err == nil {
			verdicts, err = Stop(ctx, w.Looms, list, req)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if first {
				return err
			}
			if _, broken := req.Log.Take(); broken != nil {
				// Perhaps the engine was restarted: listen to what it says from now on.
				req.Log = w.Looms.Engine.Listen(ctx)
			}
		}
		w.Tell(verdicts, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

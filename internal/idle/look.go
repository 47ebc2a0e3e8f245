package idle

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// view is what one look shows of all looms that are of interest.
type view struct {
	at       time.Time // before any of it was asked
	running  map[string]bool
	usage    map[string][]engine.Usage // by project
	sessions []engine.Session
}

// look looks at the projects. log is what happened since a watch began; it is empty without one.
func look(ctx context.Context, l *loom.Looms, projects []string, log []engine.Session) (*view, error) {
	v := &view{at: time.Now(), running: map[string]bool{}, usage: map[string][]engine.Usage{}}
	var sockets []host.Socket
	var err error
	if machine := l.Engine.Machine(); machine != nil {
		if sockets, err = machine.Sockets(ctx); err != nil {
			// Then connections cannot be seen, which is for the decision to weigh.
			l.Teller.Debugf("sockets of this host: %v", err)
		}
	}
	all, err := l.Engine.Containers(ctx, engine.Filter{})
	if err != nil {
		return nil, err
	}
	own := map[string][]engine.Container{}
	for _, c := range all {
		if slices.Contains(projects, c.Project) {
			own[c.Project] = append(own[c.Project], c)
			v.running[c.Project] = v.running[c.Project] || c.State == "running"
		}
	}
	if len(own) == 0 {
		return v, nil
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for project, containers := range own {
		g.Go(func() error {
			usage, err := l.Engine.Look(gctx, containers, sockets)
			mu.Lock()
			defer mu.Unlock()
			v.usage[project] = usage
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	// After the execs that run: what a healthcheck started is known by its event. The engine's memory is short, and the
	// log is young.
	remembered, err := l.Engine.Sessions(ctx)
	v.sessions = unite(remembered, log)
	return v, err
}

// unite merges two lists of sessions, oldest first and each once.
func unite(a, b []engine.Session) []engine.Session {
	all := append(slices.Clone(a), b...)
	slices.SortStableFunc(all, func(x, y engine.Session) int {
		return x.Time.Compare(y.Time)
	})
	return slices.Compact(all)
}

// usedLoom is a loom that a look is about.
type usedLoom struct {
	repository, id string
	projects       []string
	// ignore are the sources that do not count.
	ignore []string
	// record says that what is new is recorded.
	record bool
}

// activity is what a look tells of one loom.
func (v *view) activity(l *loom.Looms, u usedLoom) Activity {
	before := l.Registry.Activity(u.repository, u.id)
	s := signs{sessions: v.sessions}
	for _, project := range u.projects {
		s.usage = append(s.usage, v.usage[project]...)
		if started := firstStart(v.usage[project]); started.After(s.started) {
			s.started = started
		}
	}
	s.command, s.working = l.Registry.Attended(u.repository, u.id)
	after, a := lookNow(before, s, v.at, u.ignore)
	if u.record && happened(before, after) {
		if err := l.Registry.RecordActivity(u.repository, u.id, after); err != nil {
			// Only an older look is remembered then.
			l.Teller.Debugf("%v", err)
		}
	}
	return a
}

// runs reports whether a container of one of the projects runs.
func (v *view) runs(projects []string) bool {
	return slices.ContainsFunc(projects, func(project string) bool { return v.running[project] })
}

// happened reports whether two records differ in more than the moment of the look.
func happened(before, after registry.Activity) bool {
	return !maps.Equal(before.Last, after.Last) || !slices.Equal(before.Execs, after.Execs) ||
		!maps.EqualFunc(before.Attached, after.Attached, slices.Equal)
}

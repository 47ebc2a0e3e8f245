package loom

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/sync/errgroup"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// The sources of activity. What runs inside of a loom by itself is none: a background process may run for ever.
const (
	// SourceExec is a process put into a container with exec, until it ends. Healthchecks are none.
	SourceExec = "exec"
	// SourceAttach is a terminal attached to a container, until it detaches or the container ends.
	SourceAttach = "attach"
	// SourceConnection is a TCP connection to a published port, until a minute after its end.
	SourceConnection = "connection"
	// SourceCommand is a command of docker loom on the loom.
	SourceCommand = "command"
	// SourceStart is the start of its containers, by whatever: in Activity.Since alone.
	SourceStart = "start"
)

// Sources are those that can be active.
var Sources = []string{SourceExec, SourceAttach, SourceConnection, SourceCommand}

// Activity is what is known of the use of a loom.
type Activity struct {
	Last   time.Time // the last sign of use, zero where there was none
	Since  string    // the source of Last
	Active []string  // sources that are active now, sorted
	Unseen []string  // sources that cannot be seen here
}

// signs are what one look shows of a loom.
type signs struct {
	usage    []engine.Usage
	sessions []engine.Session // of the loom's containers or others, oldest first
	command  time.Time        // the last command of ours
	working  bool             // a command of ours works on it now
}

// observe adds what a look shows to what was recorded. The record that it returns differs from the one before, but for the
// moment of the look, only if something happened. Sources in ignore do not count for the Activity.
func observe(before registry.Activity, s signs, now time.Time, ignore []string) (registry.Activity, Activity) {
	after := registry.Activity{Looked: now, Last: maps.Clone(before.Last), Attached: map[string][]time.Time{}}
	if after.Last == nil {
		after.Last = map[string]time.Time{}
	}
	seen := func(source string, at time.Time) {
		if at.After(after.Last[source]) {
			after.Last[source] = at.UTC()
		}
	}
	probes := map[string]string{}
	running := map[string]engine.Usage{}
	for _, u := range s.usage {
		probes[u.ID], running[u.ID] = u.Probe, u
		// A container that ended and was started again has lost its terminals, whether the events tell or not.
		if terminals := before.Attached[u.ID]; len(terminals) > 0 && !u.Started.After(before.Looked) {
			after.Attached[u.ID] = slices.Clone(terminals)
		}
	}
	ofProbe := map[string]bool{} // execs that a healthcheck started
	mine := map[string]bool{}    // and that somebody did
	for _, id := range before.Execs {
		mine[id] = true
	}
	for _, e := range s.sessions {
		u, ok := running[e.Container]
		if !ok {
			continue
		}
		if e.Action == "exec_start" && u.Probe != "" && e.Command == u.Probe {
			ofProbe[e.Exec] = true
			continue
		}
		if !e.Time.After(before.Looked) {
			continue
		}
		switch e.Action {
		case "exec_start":
			mine[e.Exec] = true
			seen(SourceExec, e.Time)
		case "exec_die":
			if mine[e.Exec] {
				seen(SourceExec, e.Time)
			}
		case "attach":
			seen(SourceAttach, e.Time)
			after.Attached[e.Container] = append(after.Attached[e.Container], e.Time.UTC())
		case "detach":
			seen(SourceAttach, e.Time)
			after.Attached[e.Container] = rest(after.Attached[e.Container])
		case "die":
			if len(after.Attached[e.Container]) > 0 {
				seen(SourceAttach, e.Time)
			}
			delete(after.Attached, e.Container)
		}
	}
	maps.DeleteFunc(after.Attached, func(_ string, terminals []time.Time) bool { return len(terminals) == 0 })
	var a Activity
	active := map[string]bool{SourceAttach: len(after.Attached) > 0, SourceCommand: s.working}
	var started time.Time
	for _, u := range s.usage {
		for _, id := range u.Execs {
			if !ofProbe[id] {
				after.Execs = append(after.Execs, id)
				active[SourceExec] = true
			}
		}
		active[SourceConnection] = active[SourceConnection] || u.Connected
		if u.Unseen && !slices.Contains(a.Unseen, SourceConnection) {
			a.Unseen = append(a.Unseen, SourceConnection)
		}
		if started.IsZero() || u.Started.Before(started) {
			started = u.Started
		}
	}
	slices.Sort(after.Execs)
	seen(SourceCommand, s.command)
	for _, source := range Sources {
		if active[source] {
			seen(source, now)
		}
	}
	a.Last, a.Since = started, SourceStart
	for _, source := range Sources {
		if slices.Contains(ignore, source) {
			continue
		}
		if active[source] {
			a.Active = append(a.Active, source)
		}
		if at := after.Last[source]; at.After(a.Last) {
			a.Last, a.Since = at, source
		}
	}
	a.Unseen = slices.DeleteFunc(a.Unseen, func(source string) bool { return slices.Contains(ignore, source) })
	slices.Sort(a.Active)
	return after, a
}

func rest(list []time.Time) []time.Time {
	if len(list) == 0 {
		return nil
	}
	return list[1:]
}

// happened tells whether two records differ in more than the moment of the look.
func happened(before, after registry.Activity) bool {
	return !maps.Equal(before.Last, after.Last) || !slices.Equal(before.Execs, after.Execs) ||
		!maps.EqualFunc(before.Attached, after.Attached, slices.Equal)
}

// judge decides whether a loom that runs is idle: it is not held, every source can be seen, none is active, and nothing
// happened for a time. why says what decided.
func judgeIdle(k *registry.Loom, a Activity, now time.Time, after time.Duration) (idle bool, why string) {
	since := "idle for " + units.HumanDuration(now.Sub(a.Last)) + ", since its last " + a.Since
	switch {
	case k.Held(now) && k.Hold.Until.IsZero():
		return false, "held until it is released"
	case k.Held(now):
		return false, "held until " + k.Hold.Until.Local().Format(time.DateTime)
	case len(a.Active) > 0:
		return false, "in use: " + strings.Join(a.Active, ", ")
	case len(a.Unseen) > 0:
		return false, "its " + strings.Join(a.Unseen, ", ") + "s cannot be seen from here: --ignore " + strings.Join(a.Unseen, ",") + " decides without"
	case now.Sub(a.Last) < after:
		return false, since
	}
	return true, since
}

// attend notes that this process works on a loom, until it ends.
func (l *Looms) attend(ctx context.Context, t *Target) {
	name := t.Repository + "\x00" + t.ID
	l.attendance.Lock()
	defer l.attendance.Unlock()
	if l.Unnoticed || l.attending[name] != nil {
		return
	}
	leave, err := l.Registry.Attend(ctx, t.Repository, t.ID)
	if err != nil {
		// No reason not to do what was asked for.
		l.Teller.Debugf("%v", err)
		return
	}
	if l.attending == nil {
		l.attending = map[string]func(){}
	}
	l.attending[name] = leave
}

// unattend forgets all that was observed of a loom that ends.
func (l *Looms) unattend(t *Target) {
	name := t.Repository + "\x00" + t.ID
	l.attendance.Lock()
	defer l.attendance.Unlock()
	if leave := l.attending[name]; leave != nil {
		leave()
		delete(l.attending, name)
	}
	if err := l.Registry.ForgetActivity(t.Repository, t.ID); err != nil {
		l.Teller.Debugf("activity of %s: %v", t.Name(), err)
	}
}

// Leave ends the work on the looms that this process attended to.
func (l *Looms) Leave() {
	l.attendance.Lock()
	defer l.attendance.Unlock()
	for name, leave := range l.attending {
		leave()
		delete(l.attending, name)
	}
}

// view is what one look shows of all looms that are of interest.
type view struct {
	at       time.Time // before any of it was asked
	running  map[string]bool
	usage    map[string][]engine.Usage // by project
	sessions []engine.Session
}

// look looks at the projects. log, where there is one, has told what happened since it began.
func (l *Looms) look(ctx context.Context, projects []string, log []engine.Session) (*view, error) {
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
	// After the execs that run: what a healthcheck started is known by its event. The engine's memory is short, and the log
	// is young.
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

// activity is what a look tells of one loom. What is new is recorded if record says so.
func (l *Looms) activity(v *view, repository, id, project string, ignore []string, record bool) Activity {
	before := l.Registry.Activity(repository, id)
	s := signs{usage: v.usage[project], sessions: v.sessions}
	s.command, s.working = l.Registry.Attended(repository, id)
	after, a := observe(before, s, v.at, ignore)
	if record && happened(before, after) {
		if err := l.Registry.RecordActivity(repository, id, after); err != nil {
			// Only an older look is remembered then.
			l.Teller.Debugf("%v", err)
		}
	}
	return a
}

// Observe finds out who uses the looms of a list, and writes it into the list.
func (l *Looms) Observe(ctx context.Context, list []Listed) error {
	var projects []string
	for _, item := range list {
		projects = append(projects, item.Project)
	}
	v, err := l.look(ctx, projects, nil)
	if err != nil {
		return err
	}
	for i := range list {
		item := &list[i]
		a := l.activity(v, item.Repository, item.ID, item.Project, nil, item.known)
		if !a.Last.IsZero() {
			last := a.Last.UTC().Truncate(time.Second)
			item.LastActivity = &last
		}
		item.ActiveSources = append(item.ActiveSources, a.Active...)
	}
	return nil
}

// IdleRequest asks for looms to be stopped in which nothing happened.
type IdleRequest struct {
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

// Verdict is what became of one loom.
type Verdict struct {
	*Target
	// Idle says that the loom was stopped, or with DryRun would be.
	Idle bool
	Why  string
	Err  error // it could not be judged or stopped
}

// StopIdle stops those of the looms in which nothing happened for a time. Looms that do not run are left out.
func (l *Looms) StopIdle(ctx context.Context, targets []*Target, req IdleRequest) ([]Verdict, error) {
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
		projects = append(projects, t.Known.Project)
	}
	v, err := l.look(ctx, projects, log)
	if err != nil {
		return nil, err
	}
	var verdicts []Verdict
	for _, t := range targets {
		if !v.running[t.Known.Project] {
			continue
		}
		verdict := Verdict{Target: t}
		verdict.Idle, verdict.Why = l.idle(v, t, req)
		if verdict.Idle && !req.DryRun {
			verdict.Idle, verdict.Why, verdict.Err = l.stopIdle(ctx, t, req, log)
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts, nil
}

func (l *Looms) idle(v *view, t *Target, req IdleRequest) (bool, string) {
	a := l.activity(v, t.Repository, t.ID, t.Known.Project, req.Ignore, !t.recovered)
	return judgeIdle(t.Known, a, v.at, req.After)
}

// stopIdle stops a loom that looked idle, if it still does now that no other command works on it.
func (l *Looms) stopIdle(ctx context.Context, t *Target, req IdleRequest, log []engine.Session) (bool, string, error) {
	release, err := l.alone(ctx, t)
	if err != nil {
		return false, "", err
	}
	defer release()
	if t.Known == nil {
		return false, "ended meanwhile", nil
	}
	v, err := l.look(ctx, []string{t.Known.Project}, log)
	if err != nil {
		return false, "", err
	}
	idle, why := l.idle(v, t, req)
	if !idle {
		return false, why, nil
	}
	return true, why, l.Stop(ctx, t, req.Timeout)
}

// WatchIdle stops idle looms again and again, until ctx ends. tell is called after each look. A look that fails is told
// of with its error, and the next one tries again; the first one must work.
func (l *Looms) WatchIdle(ctx context.Context, interval time.Duration, targets func() ([]*Target, error), req IdleRequest, tell func([]Verdict, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req.Log = l.Engine.Listen(ctx)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for first := true; ; first = false {
		list, err := targets()
		var verdicts []Verdict
		if err == nil {
			verdicts, err = l.StopIdle(ctx, list, req)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if first {
				return err
			}
			if _, broken := req.Log.Take(); broken != nil {
				// Perhaps the engine was started anew: what it says from now on.
				req.Log = l.Engine.Listen(ctx)
			}
		}
		tell(verdicts, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

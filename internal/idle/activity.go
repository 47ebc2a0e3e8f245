package idle

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// The sources of activity. What runs inside of a loom by itself does not count: a background process may run for ever.
const (
	// SourceExec is a process put into a container with exec, until it ends. Healthchecks do not count.
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
	Last   time.Time // the last sign of use, zero without one
	Since  string    // the source of Last
	Active []string  // sources that are active now, sorted
	Unseen []string  // sources that cannot be seen here
}

// signs are what one look shows of a loom.
type signs struct {
	usage    []engine.Usage   // of all its projects
	started  time.Time        // when the last of its projects was started
	sessions []engine.Session // of the loom's containers or others, oldest first
	command  time.Time        // the last docker loom command on it
	working  bool             // a docker loom command works on it now
}

// lookNow adds what a look shows to what was recorded. Unless something happened, the record that it returns differs
// from the one before in the moment of the look only. Sources in ignore do not count for the Activity.
func lookNow(before registry.Activity, s signs, now time.Time, ignore []string) (registry.Activity, Activity) {
	r := newRecord(before, s.usage, now)
	for _, e := range s.sessions {
		r.addSession(e)
	}
	maps.DeleteFunc(r.after.Attached, func(_ string, terminals []time.Time) bool { return len(terminals) == 0 })
	active := r.activeSources(s)
	r.seen(SourceCommand, s.command)
	for _, source := range Sources {
		if active[source] {
			r.seen(source, now)
		}
	}
	a := summarise(r.after, s.usage, active, ignore)
	if s.started.After(a.Last) {
		a.Last, a.Since = s.started, SourceStart
	}
	return r.after, a
}

// record is what is recorded of a loom while a look is added.
type record struct {
	before, after registry.Activity
	running       map[string]engine.Usage
	// probeExecs are execs that a healthcheck started, userExecs those that somebody started.
	probeExecs, userExecs map[string]bool
}

func newRecord(before registry.Activity, usage []engine.Usage, now time.Time) *record {
	r := &record{
		before:  before,
		after:   registry.Activity{Looked: now, Last: maps.Clone(before.Last), Attached: map[string][]time.Time{}},
		running: map[string]engine.Usage{}, probeExecs: map[string]bool{}, userExecs: map[string]bool{},
	}
	if r.after.Last == nil {
		r.after.Last = map[string]time.Time{}
	}
	for _, u := range usage {
		r.running[u.ID] = u
		// A container that was started again has lost its terminals, whether the events tell or not.
		if terminals := before.Attached[u.ID]; len(terminals) > 0 && !u.Started.After(before.Looked) {
			r.after.Attached[u.ID] = slices.Clone(terminals)
		}
	}
	for _, id := range before.Execs {
		r.userExecs[id] = true
	}
	return r
}

// seen notes that a source was active.
func (r *record) seen(source string, at time.Time) {
	if at.After(r.after.Last[source]) {
		r.after.Last[source] = at.UTC()
	}
}

// addSession adds an event that is newer than the last look.
func (r *record) addSession(e engine.Session) {
	u, ok := r.running[e.Container]
	if !ok {
		return
	}
	if e.Action == "exec_start" && u.Probe != "" && e.Command == u.Probe {
		r.probeExecs[e.Exec] = true
		return
	}
	if !e.Time.After(r.before.Looked) {
		return
	}
	attached := r.after.Attached
	switch e.Action {
	case "exec_start":
		r.userExecs[e.Exec] = true
		r.seen(SourceExec, e.Time)
	case "exec_die":
		if r.userExecs[e.Exec] {
			r.seen(SourceExec, e.Time)
		}
	case "attach":
		r.seen(SourceAttach, e.Time)
		attached[e.Container] = append(attached[e.Container], e.Time.UTC())
	case "detach":
		r.seen(SourceAttach, e.Time)
		if terminals := attached[e.Container]; len(terminals) > 0 {
			attached[e.Container] = terminals[1:]
		}
	case "die":
		if len(attached[e.Container]) > 0 {
			r.seen(SourceAttach, e.Time)
		}
		delete(attached, e.Container)
	}
}

// activeSources are the sources that are active now. The execs that run are recorded.
func (r *record) activeSources(s signs) map[string]bool {
	active := map[string]bool{SourceAttach: len(r.after.Attached) > 0, SourceCommand: s.working}
	for _, u := range s.usage {
		for _, id := range u.Execs {
			if !r.probeExecs[id] {
				r.after.Execs = append(r.after.Execs, id)
				active[SourceExec] = true
			}
		}
		active[SourceConnection] = active[SourceConnection] || u.Connected
	}
	slices.Sort(r.after.Execs)
	return active
}

// summarise tells the use of a loom, without the sources in ignore.
func summarise(r registry.Activity, usage []engine.Usage, active map[string]bool, ignore []string) Activity {
	a := Activity{Since: SourceStart, Last: firstStart(usage)}
	for _, u := range usage {
		if u.Unseen && !slices.Contains(ignore, SourceConnection) {
			a.Unseen = []string{SourceConnection}
		}
	}
	for _, source := range Sources {
		if slices.Contains(ignore, source) {
			continue
		}
		if active[source] {
			a.Active = append(a.Active, source)
		}
		if at := r.Last[source]; at.After(a.Last) {
			a.Last, a.Since = at, source
		}
	}
	slices.Sort(a.Active)
	return a
}

// firstStart is when the first of the containers was started, zero without any.
func firstStart(usage []engine.Usage) time.Time {
	var first time.Time
	for _, u := range usage {
		if first.IsZero() || u.Started.Before(first) {
			first = u.Started
		}
	}
	return first
}

// judge decides whether a loom that runs is idle: it is not held, every source can be seen, none is active, and nothing
// happened for a time. why says what decided.
func judge(k *registry.Loom, a Activity, now time.Time, after time.Duration) (idle bool, why string) {
	since := "idle for " + units.HumanDuration(now.Sub(a.Last)) + ", since its last " + a.Since
	switch {
	case k.Held(now) && k.Hold.Until.IsZero():
		return false, "held until it is released"
	case k.Held(now):
		return false, "held until " + k.Hold.Until.Local().Format(time.DateTime)
	case len(a.Active) > 0:
		return false, "in use: " + strings.Join(a.Active, ", ")
	case len(a.Unseen) > 0:
		return false, "its " + strings.Join(a.Unseen, ", ") + "s cannot be seen from here: --ignore " +
			strings.Join(a.Unseen, ",") + " decides without"
	case now.Sub(a.Last) < after:
		return false, since
	}
	return true, since
}

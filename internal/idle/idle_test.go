package idle

import (
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestActivityIsWhatSomebodyDoesToALoom(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	web := engine.Usage{ID: "web", Started: start, Probe: "/bin/sh -c true"}
	with := func(change func(*engine.Usage)) []engine.Usage {
		u := web
		change(&u)
		return []engine.Usage{u}
	}
	event := func(minute int, action, exec, command string) engine.Session {
		return engine.Session{Container: "web", Action: action, Exec: exec, Command: command, Time: at(minute)}
	}
	now := at(60)
	for _, tc := range []struct {
		name   string
		before registry.Activity
		signs  signs
		ignore []string
		active []string
		since  string
		last   time.Time
	}{
		{name: "nothing was ever seen: since its start", signs: signs{usage: []engine.Usage{web}}, since: "start", last: start},
		{name: "the containers that started first count", signs: signs{usage: []engine.Usage{{ID: "x", Started: at(50)}, web}}, since: "start", last: start},
		{name: "the last project that was started counts", signs: signs{usage: []engine.Usage{web, {ID: "api", Started: at(50)}}, started: at(50)}, since: "start", last: at(50)},
		{
			name: "what was recorded before", before: registry.Activity{Looked: at(50), Last: map[string]time.Time{SourceConnection: at(40)}},
			signs: signs{usage: []engine.Usage{web}}, since: "connection", last: at(40),
		},
		{
			name: "a start after what was recorded", before: registry.Activity{Looked: at(-50), Last: map[string]time.Time{SourceConnection: at(-50)}},
			signs: signs{usage: []engine.Usage{web}}, since: "start", last: start,
		},
		{name: "an exec runs", signs: signs{usage: with(func(u *engine.Usage) { u.Execs = []string{"e"} })}, active: []string{"exec"}, since: "exec", last: now},
		{
			name: "a healthcheck runs",
			signs: signs{
				usage:    with(func(u *engine.Usage) { u.Execs = []string{"e"} }),
				sessions: []engine.Session{event(59, "exec_start", "e", "/bin/sh -c true")},
			},
			since: "start", last: start,
		},
		{
			name:  "an exec came and went",
			signs: signs{usage: []engine.Usage{web}, sessions: []engine.Session{event(20, "exec_start", "e", "ls"), event(21, "exec_die", "e", "")}},
			since: "exec", last: at(21),
		},
		{
			name: "an exec that ran at the last look ended", before: registry.Activity{Looked: at(10), Execs: []string{"e"}, Last: map[string]time.Time{SourceExec: at(10)}},
			signs: signs{usage: []engine.Usage{web}, sessions: []engine.Session{event(30, "exec_die", "e", "")}}, since: "exec", last: at(30),
		},
		{
			name:  "healthchecks come and go",
			signs: signs{usage: []engine.Usage{web}, sessions: []engine.Session{event(20, "exec_start", "e", "/bin/sh -c true"), event(21, "exec_die", "e", ""), event(22, "exec_die", "f", "")}},
			since: "start", last: start,
		},
		{
			name:   "a terminal is attached",
			signs:  signs{usage: []engine.Usage{web}, sessions: []engine.Session{event(20, "attach", "", "")}},
			active: []string{"attach"}, since: "attach", last: now,
		},
		{
			name:   "one of two terminals detached",
			signs:  signs{usage: []engine.Usage{web}, sessions: []engine.Session{event(20, "attach", "", ""), event(21, "attach", "", ""), event(22, "detach", "", "")}},
			active: []string{"attach"}, since: "attach", last: now,
		},
		{
			name: "a terminal detached", before: registry.Activity{Looked: at(10), Attached: map[string][]time.Time{"web": {at(5)}}},
			signs: signs{usage: []engine.Usage{web}, sessions: []engine.Session{event(5, "attach", "", ""), event(30, "detach", "", "")}}, since: "attach", last: at(30),
		},
		{
			name: "the container of an attached terminal was started again unseen", before: registry.Activity{Looked: at(-10), Attached: map[string][]time.Time{"web": {at(-20)}}},
			signs: signs{usage: []engine.Usage{web}}, since: "start", last: start,
		},
		{
			name:   "a connection is open",
			signs:  signs{usage: with(func(u *engine.Usage) { u.Connected = true })},
			active: []string{"connection"}, since: "connection", last: now,
		},
		{
			name: "a source that is ignored", ignore: []string{SourceConnection},
			signs: signs{usage: with(func(u *engine.Usage) { u.Connected = true })}, since: "start", last: start,
		},
		{name: "a command of ours ended", signs: signs{usage: []engine.Usage{web}, command: at(33)}, since: "command", last: at(33)},
		{name: "a command of ours works", signs: signs{usage: []engine.Usage{web}, command: at(33), working: true}, active: []string{"command"}, since: "command", last: now},
		{name: "what happens to another container", signs: signs{usage: []engine.Usage{web}, sessions: []engine.Session{{Container: "other", Action: "attach", Time: at(30)}}}, since: "start", last: start},
	} {
		after, a := lookNow(tc.before, tc.signs, now, tc.ignore)
		assert.Check(t, a.Last.Equal(tc.last), "%s: last at minute %v", tc.name, a.Last.Sub(start).Minutes())
		assert.Check(t, a.Since == tc.since, "%s: since %s", tc.name, a.Since)
		assert.DeepEqual(t, a.Active, tc.active)

		// To look again at once, with the same events in the engine's memory, changes nothing but the time of what is active.
		again, b := lookNow(after, tc.signs, now, tc.ignore)
		assert.Check(t, !happened(after, again), "%s: %+v, then %+v", tc.name, after, again)
		assert.DeepEqual(t, b, a)
	}
}

func TestIdleIsWhatNothingSpeaksAgainst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	long, short := Activity{Last: now.Add(-time.Hour), Since: "exec"}, Activity{Last: now.Add(-time.Minute), Since: "exec"}
	active, unseen := long, long
	active.Active, unseen.Unseen = []string{"attach", "exec"}, []string{"connection"}
	hold := func(d time.Duration) *registry.Loom { return &registry.Loom{Hold: &registry.Hold{Until: now.Add(d)}} }
	for _, tc := range []struct {
		loom     *registry.Loom
		activity Activity
		idle     bool
		why      string
	}{
		{&registry.Loom{}, long, true, "idle for About an hour, since its last exec"},
		{&registry.Loom{}, short, false, "idle for About a minute, since its last exec"},
		{&registry.Loom{}, active, false, "in use: attach, exec"},
		{&registry.Loom{}, unseen, false, "its connections cannot be seen from here: --ignore connection decides without"},
		{&registry.Loom{Hold: &registry.Hold{}}, long, false, "held until it is released"},
		{hold(time.Hour), long, false, "held until " + now.Add(time.Hour).Local().Format(time.DateTime)},
		{hold(-time.Second), long, true, "idle for About an hour, since its last exec"},
	} {
		idle, why := judge(tc.loom, tc.activity, now, 30*time.Minute)
		assert.Check(t, idle == tc.idle && why == tc.why, "%v, %s", idle, why)
	}
}

func TestMain(m *testing.M) { worldtest.Main(m) }

// newWorld makes a machine, and the looms on its engine.
func newWorld(t *testing.T) (*worldtest.World, *loom.Looms) {
	t.Helper()
	w := worldtest.New(t, worldtest.Remote)
	return w, &loom.Looms{
		Stack: w.Stack, Engine: w.Engine, Registry: w.Registry,
		UserSettings: w.UserSettings(), Version: "test", Teller: w.Teller(), Process: host.Current(),
	}
}

func TestHoldIsKeptUntilItIsReleased(t *testing.T) {
	t.Parallel()
	w, looms := newWorld(t)
	repo := w.Repo("shop")
	where := loom.Where{ID: "123", Source: stack.Source{Dir: repo}}
	resolved := func(purpose find.Purpose) *loom.Target {
		t.Helper()
		target, err := looms.Finder().Resolve(t.Context(), where, purpose)
		assert.NilError(t, err)
		return target
	}
	// plan leases ports, as up does.
	plan := func() {
		t.Helper()
		_, _, err := looms.Up(t.Context(), loom.UpRequest{Where: where, FilesOnly: true})
		assert.NilError(t, err)
	}
	plan()
	assert.NilError(t, Hold(t.Context(), looms, resolved(loom.Reading), time.Time{}))
	// Another up leases another port, from what it knew before.
	plan()
	assert.Check(t, w.State().Find(repo, "123").Held(time.Now()))
	list, err := inventory.List(t.Context(), looms, "")
	assert.NilError(t, err)
	assert.Check(t, list[0].Held && list[0].HeldUntil == nil)

	held, err := Release(t.Context(), looms, resolved(loom.Reading))
	assert.Check(t, held && err == nil)
	assert.Check(t, w.State().Find(repo, "123").Hold == nil)
}

func TestAHoldIsOfAllProjectsOfALoom(t *testing.T) {
	t.Parallel()
	w, looms := newWorld(t)
	repo := w.Repo("shop")
	w.Know(
		registry.Loom{ID: "7", Repository: repo, Project: "p7-web", WorkTree: repo, Dir: w.Path("shop", "web")},
		registry.Loom{ID: "7", Repository: repo, Project: "p7-api", WorkTree: repo, Dir: w.Path("shop", "api")},
	)
	target, err := looms.Finder().Resolve(t.Context(), loom.Where{ID: "7", Source: stack.Source{Dir: repo}, WholeLoom: true}, find.Reading)
	assert.NilError(t, err)
	assert.NilError(t, Hold(t.Context(), looms, target, time.Time{}))
	for _, k := range w.State().Projects(repo, "7") {
		assert.Check(t, k.Held(time.Now()), k.Project)
	}
}

func TestALoomIsOneVerdictOverItsProjects(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := worldtest.New(t, worldtest.Remote)
	looms := &loom.Looms{Engine: w.Engine, Registry: w.Registry, Teller: w.Teller(), Process: host.Current()}
	v := &view{at: start.Add(time.Hour), running: map[string]bool{"p7-api": true}, usage: map[string][]engine.Usage{
		"p7-web": {{ID: "web", Started: start}}, "p7-api": {{ID: "api", Started: start.Add(30 * time.Minute), Execs: []string{"e"}}},
	}}
	assert.Assert(t, v.runs([]string{"p7-web", "p7-api"}) && !v.runs([]string{"p7-web"}))
	used := usedLoom{repository: "/shop", id: "7", projects: []string{"p7-web", "p7-api"}}
	assert.DeepEqual(t, v.activity(looms, used).Active, []string{SourceExec})
	v.usage["p7-api"][0].Execs = nil
	a := v.activity(looms, used)
	assert.Equal(t, a.Last, start.Add(30*time.Minute), "the loom is not idle for longer than its last project")
}

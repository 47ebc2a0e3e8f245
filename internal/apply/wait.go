package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// Wait returns when every service is ready, with the containers as it saw them last and the ports that stayed silent.
// It looks again whenever the engine says that a container started, died or changed its health.
func (a *Applier) Wait(ctx context.Context, p *plan.Plan, o Options) ([]engine.Container, []Probe, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := a.Engine.Events(ctx, p.Entry.Project)
	w := &waiter{
		Applier: a, plan: p, limit: o.WaitTimeout, events: events,
		open: map[string]bool{}, answers: make(chan string), asked: map[string]bool{}, crashed: map[string]bool{},
	}
	if done, err := w.awaitFirstAnswers(ctx); done || err != nil {
		return w.own, nil, err
	}
	timeout := time.NewTimer(o.WaitTimeout)
	defer timeout.Stop()
	var silent []Probe
	err := a.Stack.Progress(ctx, "Waiting", func(ctx context.Context, step stack.Step) error {
		var err error
		silent, err = w.until(ctx, timeout.C, step)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if len(silent) > 0 && o.RequirePorts {
		return nil, nil, &SlowError{Timeout: o.WaitTimeout, Waiting: names(silent)}
	}
	return w.own, silent, nil
}

// waiter waits until the services are ready.
type waiter struct {
	*Applier
	plan    *plan.Plan
	limit   time.Duration
	events  <-chan engine.Event
	own     []engine.Container // as they were listed last
	open    map[string]bool    // ports that answered, by address
	asked   map[string]bool    // ports that somebody asks now
	answers chan string
	crashed map[string]bool // services that were seen restarting
	last    verdict
}

// list reads the containers again.
func (w *waiter) list(ctx context.Context) (err error) {
	w.own, err = w.Engine.Containers(ctx, engine.Filter{Project: w.plan.Entry.Project})
	return err
}

// look judges the containers and begins to ask the ports that are to be asked.
func (w *waiter) look(ctx context.Context) (done bool, err error) {
	w.last = judge(w.plan, w.own)
	if c := w.last.dead; c != nil {
		return false, w.Dead(ctx, *c, w.last.why)
	}
	for _, name := range w.last.waiting {
		if service, ok := strings.CutSuffix(name, " (restarting)"); ok {
			w.crashed[service] = true
		}
	}
	var silent []Probe
	for _, p := range w.last.probes {
		if w.open[w.dial(p)] {
			continue
		}
		silent = append(silent, p)
		w.ask(ctx, p)
	}
	w.last.probes = silent
	return len(w.last.waiting) == 0 && len(silent) == 0, nil
}

// awaitFirstAnswers gives the ports that are asked a moment, so that a loom that is ready already shows no progress.
func (w *waiter) awaitFirstAnswers(ctx context.Context) (bool, error) {
	if err := w.list(ctx); err != nil {
		return false, err
	}
	moment := time.NewTimer(50 * time.Millisecond)
	defer moment.Stop()
	for {
		done, err := w.look(ctx)
		if done || err != nil || len(w.last.waiting) > 0 {
			return done, err
		}
		select {
		case addr := <-w.answers:
			w.open[addr] = true
		case <-moment.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// ask asks a port until somebody answers.
func (w *waiter) ask(ctx context.Context, p Probe) {
	addr := w.dial(p)
	if w.asked[addr] {
		return
	}
	w.asked[addr] = true
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if host.Serves(ctx, addr, p.behind) {
				select {
				case w.answers <- addr:
				case <-ctx.Done():
				}
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// until looks until all is ready or the timeout is over. It returns the ports that nobody answers on then.
func (w *waiter) until(ctx context.Context, timeout <-chan time.Time, step stack.Step) ([]Probe, error) {
	shown := map[string]string{}
	// The engine tells of a death, then cleans up, and only then its list shows it: so look again by and by as well.
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		w.show(step, shown)
		over, err := w.next(ctx, again.C, timeout)
		if err != nil {
			return nil, err
		}
		if over {
			return w.giveUp(ctx)
		}
		if err := w.list(ctx); err != nil {
			return nil, err
		}
		done, err := w.look(ctx)
		if done || err != nil {
			w.show(step, shown)
			return nil, err
		}
	}
}

// next returns when it is worth to look again, or when the timeout is over.
func (w *waiter) next(ctx context.Context, again, timeout <-chan time.Time) (over bool, err error) {
	select {
	case <-again:
	case addr := <-w.answers:
		w.open[addr] = true
	case e, ok := <-w.events:
		switch {
		case ok:
			return false, e.Err
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
		return false, errors.New("the engine stopped telling what happens to the containers")
	case <-timeout:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, nil
}

// giveUp decides what the end of the timeout means: a port that nobody answers on is not an error by itself.
func (w *waiter) giveUp(ctx context.Context) ([]Probe, error) {
	for _, p := range w.last.probes {
		// The service may be up just now, between two crashes.
		if w.crashed[p.Service] {
			w.last.waiting = append(w.last.waiting, p.Service+" (restarting)")
		}
	}
	if len(w.last.waiting) > 0 {
		return nil, w.slow(ctx)
	}
	return w.last.probes, nil
}

// show keeps the lines of progress in step with what is waited for, a line a service.
func (w *waiter) show(step stack.Step, shown map[string]string) {
	now := map[string]string{}
	for _, name := range append(slices.Clone(w.last.waiting), names(w.last.probes)...) {
		service, what, _ := strings.Cut(name, " ")
		now[service] = strings.TrimPrefix(now[service]+", "+strings.Trim(what, "()"), ", ")
	}
	for _, service := range slices.Sorted(maps.Keys(now)) {
		if shown[service] != now[service] {
			step("Service "+service, "Waiting ("+now[service]+")", stack.Working)
		}
	}
	for _, service := range slices.Sorted(maps.Keys(shown)) {
		if _, waiting := now[service]; !waiting {
			step("Service "+service, "Ready", stack.Done)
			delete(shown, service)
		}
	}
	maps.Copy(shown, now)
}

func names(probes []Probe) []string {
	var names []string
	for _, p := range probes {
		names = append(names, fmt.Sprintf("%s (port %d)", p.Service, p.Host))
	}
	return names
}

// slow names what was waited for, with the last lines of the first such service.
func (w *waiter) slow(ctx context.Context) error {
	e := &SlowError{Timeout: w.limit, Waiting: w.last.waiting}
	if err := w.list(ctx); err != nil {
		return e
	}
	first, _, _ := strings.Cut(e.Waiting[0], " ")
	for _, c := range w.own {
		if c.Service == first {
			if tail, err := w.Engine.Tail(ctx, c.ID, tailLines); err == nil && len(tail) > 0 {
				return fmt.Errorf("%w; the last lines of %s:\n  %s", e, c.Name, strings.Join(tail, "\n  "))
			}
		}
	}
	return e
}

// dial is where a published port of the engine is reached from here.
func (a *Applier) dial(p Probe) string {
	return endpoint.Names{Host: a.Engine.HostName()}.Dial(p.HostIP, p.Host)
}

package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// waitingPhase is the wait as progress shows it. What was started runs on after Ctrl-C.
var waitingPhase = stack.Phase{
	Title: "Waiting", Hint: "Ctrl-C ends the wait, the loom stays up",
}

// Wait returns when every service is ready, with the containers as it saw them last and the ports that stayed silent.
// It looks again whenever the engine says that a container started, died or changed its health.
func (a *Applier) Wait(ctx context.Context, p *plan.Plan, o Options) ([]engine.Container, []Silent, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &waiter{
		Applier: a, plan: p, limit: o.WaitTimeout, requirePorts: o.RequirePorts, begun: time.Now(),
		events: a.Engine.Events(ctx, p.Entry.Project), answers: make(chan string),
		open: map[string]bool{}, asked: map[string]Probe{}, crashed: map[string]time.Time{},
		started: map[string]time.Time{}, answered: map[string]time.Time{},
	}
	over, err := w.awaitFirstAnswers(ctx)
	if err == nil && !over {
		err = a.Stack.Progress(ctx, waitingPhase, w.untilReady)
	}
	if err != nil {
		return nil, nil, err
	}
	var silent []Silent
	for _, probe := range w.last.probes {
		silent = append(silent, Silent{probe, w.patience(probe).why()})
	}
	return w.own, silent, nil
}

// waiter waits until the services are ready.
type waiter struct {
	*Applier
	plan         *plan.Plan
	limit        time.Duration
	requirePorts bool
	begun        time.Time
	events       <-chan engine.Event
	own          []engine.Container // as they were listed last
	open         map[string]bool    // ports that answered, by address
	asked        map[string]Probe   // ports that somebody asks or asked, by address
	answers      chan string
	crashed      map[string]time.Time // services that were seen restarting, and when last
	started      map[string]time.Time // containers with silent ports
	answered     map[string]time.Time // containers of which a port answered, and when first
	last         verdict
}

// list reads the containers again.
func (w *waiter) list(ctx context.Context) (err error) {
	w.own, err = w.Engine.Containers(ctx, engine.Filter{Project: w.plan.Entry.Project})
	return err
}

// look judges the containers and begins to ask the ports that are to be asked. The wait is over if nothing is left that
// is still waited for.
func (w *waiter) look(ctx context.Context) (over bool, err error) {
	w.last = judge(w.plan, w.own)
	if len(w.last.failures) > 0 {
		return false, w.failed(ctx)
	}
	for _, n := range w.last.waiting {
		if n.reason == restarting {
			w.noteCrash(n.service)
		}
	}
	w.awaitCrashed()
	var silent []Probe
	over = len(w.last.waiting) == 0
	for _, p := range w.last.probes {
		if w.open[w.dial(p)] {
			continue
		}
		silent = append(silent, p)
		w.ask(ctx, p)
		over = over && !w.isAwaited(p)
	}
	w.last.probes = silent
	return over, nil
}

// noteCrash notes that a service ended and is started again. What answered before says nothing any more.
func (w *waiter) noteCrash(service string) {
	w.crashed[service] = time.Now()
	for addr, p := range w.asked {
		if p.Service == service && w.open[addr] {
			delete(w.open, addr)
			delete(w.asked, addr)
			delete(w.answered, p.container)
		}
	}
}

// awaitCrashed keeps a service from being ready between two crashes, if neither a healthcheck nor a port says more.
func (w *waiter) awaitCrashed() {
	for _, c := range w.own {
		at, crashed := w.crashed[c.Service]
		hasPort := slices.ContainsFunc(w.last.probes, func(p Probe) bool { return p.container == c.ID })
		if !crashed || c.OneOff || c.State != "running" || c.Health != "" || hasPort ||
			time.Since(at) > siblingPatience || w.last.isWaiting(c.Service, restarting) {
			continue
		}
		w.last.waiting = append(w.last.waiting, notReady{c.Service, restarting})
	}
}

// failed is the error for the containers that failed. If several did, the one that the others depend on is to blame.
func (w *waiter) failed(ctx context.Context) error {
	var services []string
	for _, f := range w.last.failures {
		services = append(services, f.Service)
	}
	blamed := atFault(w.plan.Project.Services, services)
	i := slices.IndexFunc(w.last.failures, func(f failure) bool { return slices.Contains(blamed, f.Service) })
	f := w.last.failures[max(i, 0)] // the first one, if they wait for each other
	return w.Dead(ctx, f.Container, f.what)
}

// patience is how long a port is waited for.
func (w *waiter) patience(p Probe) patience {
	_, crashed := w.crashed[p.Service]
	return patience{
		begun: w.begun, limit: w.limit, whole: w.requirePorts || crashed,
		started: w.started[p.container], answered: w.answered[p.container],
	}
}

func (w *waiter) isAwaited(p Probe) bool { return time.Now().Before(w.patience(p).until()) }

// awaitFirstAnswers gives the ports that are asked a moment, so that a loom that is ready already shows no progress.
func (w *waiter) awaitFirstAnswers(ctx context.Context) (over bool, err error) {
	if err := w.list(ctx); err != nil {
		return false, err
	}
	moment := time.NewTimer(50 * time.Millisecond)
	defer moment.Stop()
	last := false
	for {
		over, err := w.look(ctx)
		if over || err != nil || len(w.last.waiting) > 0 {
			return over, err
		}
		select {
		case addr := <-w.answers:
			w.noteAnswer(addr)
		case <-moment.C:
			left := w.longestPatience(ctx)
			if last || left > shortMoment {
				return false, nil
			}
			last = true
			moment.Reset(left + 10*time.Millisecond)
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// longestPatience is how long the wait for silent ports can take at most.
func (w *waiter) longestPatience(ctx context.Context) time.Duration {
	w.readStarts(ctx)
	var longest time.Duration
	for _, p := range w.last.probes {
		longest = max(longest, time.Until(w.patience(p).until()))
	}
	return longest
}

// readStarts reads since when the containers run that have silent ports.
func (w *waiter) readStarts(ctx context.Context) {
	for _, p := range w.last.probes {
		if _, read := w.started[p.container]; read {
			continue
		}
		d, err := w.Engine.Inspect(ctx, p.container)
		if err != nil {
			w.Teller.Debugf("start of %.12s: %v", p.container, err)
		}
		w.started[p.container] = d.Started
	}
}

func (w *waiter) noteAnswer(addr string) {
	w.open[addr] = true
	container := w.asked[addr].container
	if w.answered[container].IsZero() {
		w.answered[container] = time.Now()
	}
}

// ask asks a port until somebody answers.
func (w *waiter) ask(ctx context.Context, p Probe) {
	addr := w.dial(p)
	if _, asked := w.asked[addr]; asked {
		return
	}
	w.asked[addr] = p
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

// untilReady looks until all is ready or the timeout is over.
func (w *waiter) untilReady(ctx context.Context, step stack.Step) error {
	lines := progressLines{step: step, shown: map[string]string{}}
	timeout := time.NewTimer(time.Until(w.begun.Add(w.limit)))
	defer timeout.Stop()
	// The engine tells of a death, then cleans up, and only then its list shows it: so look again by and by as well.
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		w.readStarts(ctx)
		lines.update(w.waits())
		timedOut, err := w.next(ctx, again.C, timeout.C)
		if err == nil && timedOut {
			return w.giveUp(ctx, lines)
		}
		if err == nil {
			err = w.list(ctx)
		}
		if err != nil {
			return err
		}
		over, err := w.look(ctx)
		if err != nil {
			lines.fail(w.last.failures)
			return err
		}
		if over {
			return w.giveUp(ctx, lines)
		}
	}
}

// next returns when it is worth to look again, or when the timeout is over.
func (w *waiter) next(ctx context.Context, again, timeout <-chan time.Time) (timedOut bool, err error) {
	select {
	case <-again:
	case addr := <-w.answers:
		w.noteAnswer(addr)
	case e, ok := <-w.events:
		switch {
		case ok:
			w.noteEvent(e)
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

// noteEvent notes the end of a container that is started again: the next look may come between two crashes.
func (w *waiter) noteEvent(e engine.Event) {
	if _, planned := w.plan.Project.Services[e.Service]; !planned || e.OneOff || e.Action != "die" {
		return
	}
	if e.ExitCode != 0 || !w.plan.MayFinish(e.Service) {
		w.noteCrash(e.Service)
	}
}

// giveUp decides what the end of the wait means: a port that nobody answers on is not an error by itself.
func (w *waiter) giveUp(ctx context.Context, lines progressLines) error {
	for _, p := range w.last.probes {
		// The service may be up just now, between two crashes.
		if _, crashed := w.crashed[p.Service]; crashed && !w.last.isWaiting(p.Service, restarting) {
			w.last.waiting = append(w.last.waiting, notReady{p.Service, restarting})
		}
	}
	waiting := w.last.waiting
	if w.requirePorts {
		for _, p := range w.last.probes {
			waiting = append(waiting, notReady{p.Service, portOf(p)})
		}
	}
	if len(waiting) == 0 {
		lines.end(w.last.probes)
		return nil
	}
	lines.notReady(waiting)
	return w.slow(ctx, waiting)
}

// slow names what was waited for, with what the containers say that the others wait for.
func (w *waiter) slow(ctx context.Context, waiting []notReady) error {
	e := &SlowError{Timeout: w.limit}
	reasons := map[string]string{}
	for _, n := range waiting {
		e.Waiting = append(e.Waiting, n.String())
		reasons[n.service] = n.reason
	}
	if err := w.list(ctx); err != nil {
		return e
	}
	blamed := atFault(w.plan.Project.Services, slices.Sorted(maps.Keys(reasons)))
	for _, c := range w.own {
		if slices.Contains(blamed, c.Service) && !c.OneOff {
			e.AtFault = append(e.AtFault, Speaker{c.Name, w.said(ctx, c)})
		}
	}
	return e
}

// dial is where a published port of the engine is reached from here.
func (a *Applier) dial(p Probe) string {
	return endpoint.Names{Host: a.Engine.HostName()}.Dial(p.HostIP, p.Host)
}

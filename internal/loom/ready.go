package loom

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// tailLines is how much of a dead container's log an error shows.
const tailLines = 10

// DeadError says that a service ended or is unhealthy instead of getting ready.
type DeadError struct {
	Service, Container string
	// What happened, as in "exited with code 1".
	What string
	// Tail are its last log lines.
	Tail []string
}

// Error names the service, what happened, and its last log lines.
func (e *DeadError) Error() string {
	s := fmt.Sprintf("service %s: container %s %s", e.Service, e.Container, e.What)
	if len(e.Tail) > 0 {
		s += "; its last lines:\n  " + strings.Join(e.Tail, "\n  ")
	}
	return s
}

// NextStep says what the user does next.
func (*DeadError) NextStep() string {
	return "correct what its last lines say, then run docker loom up again"
}

// SlowError says that services were not ready in time.
type SlowError struct {
	Timeout time.Duration
	Waiting []string
}

// Error lists what was waited for.
func (e *SlowError) Error() string {
	return fmt.Sprintf("not ready after %s: %s", e.Timeout, strings.Join(e.Waiting, ", "))
}

// NextStep says what the user does next.
func (*SlowError) NextStep() string {
	return "docker loom logs shows what they are doing; --wait-timeout gives them more time"
}

// verdict is what one look at the containers says.
type verdict struct {
	dead    *engine.Container // ended badly or unhealthy
	why     string
	waiting []string // services that are not ready, with what they wait for
	probe   []probe  // ports to be asked, of running services without a healthcheck
}

// probe is a published tcp port, with the container's own addresses of it.
type probe struct {
	Port
	behind []netip.AddrPort
}

// judge decides which services are ready: a healthcheck where there is one, an exit with 0 for one that may end, else
// the published tcp ports.
func (l *Looms) judge(plan *Plan, own []engine.Container) verdict {
	var v verdict
	missing := map[string]bool{}
	for name := range plan.Project.Services {
		missing[name] = scale(plan, name) > 0
	}
	for _, c := range own {
		if _, ours := plan.Project.Services[c.Service]; !ours || c.OneOff {
			continue
		}
		delete(missing, c.Service)
		switch {
		case c.State == "exited" && c.ExitCode == 0 && finishes(plan, c.Service):
		case c.State == "exited" && !finishes(plan, c.Service) && (plan.dev == nil || c.Service != plan.dev.service):
			v.waiting = append(v.waiting, c.Service+" (restarting)")
		case c.State == "exited" || c.State == "dead":
			v.dead, v.why = &c, fmt.Sprintf("exited with code %d", c.ExitCode)
		case c.Health == "unhealthy":
			v.dead, v.why = &c, "is unhealthy"
		case c.State == "restarting":
			v.waiting = append(v.waiting, c.Service+" (restarting)")
		case c.State != "running":
			v.waiting = append(v.waiting, c.Service+" ("+c.State+")")
		case c.Health == "starting":
			v.waiting = append(v.waiting, c.Service+" (healthcheck)")
		case c.Health == "":
			for i, p := range l.ports(plan.ID, []engine.Container{c}) {
				if p.Protocol != "tcp" || plan.dev.quiet(p.Service, p.Target) {
					continue
				}
				q := probe{Port: p}
				if c.Published[i].Via != "" {
					// The host is on none of its networks, and the forwarder ends a connection that the service does not take.
					c.Addresses = nil
				}
				for _, a := range c.Addresses {
					q.behind = append(q.behind, netip.AddrPortFrom(a, uint16(p.Target))) //nolint:gosec // a port
				}
				v.probe = append(v.probe, q)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if missing[name] {
			v.waiting = append(v.waiting, name+" (no container)")
		}
	}
	return v
}

// wait returns when every service is ready, or with the ports that stayed silent. It looks again whenever the engine
// says that a container started, died or changed its health.
func (l *Looms) wait(ctx context.Context, plan *Plan, req UpRequest) ([]probe, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := l.Engine.Events(ctx, plan.Entry.Project)
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project})
	if err != nil {
		return nil, err
	}
	w := &waiter{l: l, plan: plan, open: map[string]bool{}, answers: make(chan string), asked: map[string]bool{}, crashed: map[string]bool{}}
	if done, err := w.settle(ctx, own); done || err != nil {
		return nil, err
	}
	timeout := time.NewTimer(req.WaitTimeout)
	defer timeout.Stop()
	var silent []probe
	err = l.Stack.Progress(ctx, "Waiting", func(ctx context.Context, step stack.Step) error {
		silent, err = w.until(ctx, events, timeout.C, step, req.WaitTimeout)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(silent) > 0 && req.RequirePorts {
		return nil, &SlowError{Timeout: req.WaitTimeout, Waiting: w.names(silent)}
	}
	return silent, nil
}

type waiter struct {
	l       *Looms
	plan    *Plan
	open    map[string]bool // ports that answered, by address
	asked   map[string]bool // ports that somebody asks now
	answers chan string
	crashed map[string]bool // services that were seen restarting
	last    verdict
}

// look judges the containers and begins to ask the ports that are to be asked.
func (w *waiter) look(ctx context.Context, own []engine.Container) (done bool, err error) {
	w.last = w.l.judge(w.plan, own)
	if c := w.last.dead; c != nil {
		return false, w.l.dead(ctx, *c, w.last.why)
	}
	for _, name := range w.last.waiting {
		if service, ok := strings.CutSuffix(name, " (restarting)"); ok {
			w.crashed[service] = true
		}
	}
	var silent []probe
	for _, p := range w.last.probe {
		if w.open[w.l.dial(p.Port)] {
			continue
		}
		silent = append(silent, p)
		w.ask(ctx, p)
	}
	w.last.probe = silent
	return len(w.last.waiting) == 0 && len(silent) == 0, nil
}

// settle gives the ports that are asked a moment to answer, so that a loom that is ready already shows no progress.
func (w *waiter) settle(ctx context.Context, own []engine.Container) (bool, error) {
	moment := time.NewTimer(50 * time.Millisecond)
	defer moment.Stop()
	for {
		done, err := w.look(ctx, own)
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

func (w *waiter) ask(ctx context.Context, p probe) {
	addr := w.l.dial(p.Port)
	if w.asked[addr] {
		return
	}
	w.asked[addr] = true
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if engine.Serves(ctx, addr, p.behind) {
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

func (w *waiter) until(ctx context.Context, events <-chan engine.Event, timeout <-chan time.Time, step stack.Step, limit time.Duration) ([]probe, error) {
	shown := map[string]string{}
	// The engine tells of a death, then cleans up, and only then its list shows it: so look again by and by as well.
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		w.show(step, shown)
		select {
		case <-again.C:
		case addr := <-w.answers:
			w.open[addr] = true
		case e, ok := <-events:
			if !ok {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return nil, errors.New("the engine stopped telling what happens to the containers")
			}
			if e.Err != nil {
				return nil, e.Err
			}
		case <-timeout:
			for _, p := range w.last.probe {
				// It may be up just now, between two crashes.
				if w.crashed[p.Service] {
					w.last.waiting = append(w.last.waiting, p.Service+" (restarting)")
				}
			}
			if len(w.last.waiting) > 0 {
				return nil, w.slow(ctx, limit)
			}
			return w.last.probe, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		own, err := w.l.Engine.Containers(ctx, engine.Filter{Project: w.plan.Entry.Project})
		if err != nil {
			return nil, err
		}
		done, err := w.look(ctx, own)
		if done || err != nil {
			w.show(step, shown)
			return nil, err
		}
	}
}

// show keeps the lines of progress in step with what is waited for, a line a service.
func (w *waiter) show(step stack.Step, shown map[string]string) {
	now := map[string]string{}
	for _, name := range append(slices.Clone(w.last.waiting), w.names(w.last.probe)...) {
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

func (w *waiter) names(ports []probe) []string {
	var names []string
	for _, p := range ports {
		names = append(names, fmt.Sprintf("%s (port %d)", p.Service, p.Published))
	}
	return names
}

// slow names what was waited for, with the last lines of the first such service.
func (w *waiter) slow(ctx context.Context, limit time.Duration) error {
	e := &SlowError{Timeout: limit, Waiting: w.last.waiting}
	own, err := w.l.Engine.Containers(ctx, engine.Filter{Project: w.plan.Entry.Project})
	if err != nil {
		return e
	}
	first, _, _ := strings.Cut(e.Waiting[0], " ")
	for _, c := range own {
		if c.Service == first {
			if tail, err := w.l.Engine.Tail(ctx, c.ID, tailLines); err == nil && len(tail) > 0 {
				return fmt.Errorf("%w; the last lines of %s:\n  %s", e, c.Name, strings.Join(tail, "\n  "))
			}
		}
	}
	return e
}

func (l *Looms) dead(ctx context.Context, c engine.Container, why string) error {
	tail, err := l.Engine.Tail(ctx, c.ID, tailLines)
	if err != nil {
		l.Teller.Debugf("log of %s: %v", c.Name, err)
	}
	return &DeadError{Service: c.Service, Container: c.Name, What: why, Tail: tail}
}

// PausedError says that services of a loom are paused. Whoever paused them lets them go on.
type PausedError struct {
	Loom     string
	Services []string
	Err      error
}

// Error names the services.
func (e *PausedError) Error() string {
	return fmt.Sprintf("%s of loom %s cannot be started while paused: %v", strings.Join(e.Services, ", "), e.Loom, e.Err)
}

// NextStep says what the user does next.
func (e *PausedError) NextStep() string {
	return "docker loom unpause " + e.Loom + " lets them go on"
}

// Unwrap gives Compose's error.
func (e *PausedError) Unwrap() error { return e.Err }

// explain adds to Compose's error the services that are paused, or the one that ended, with its last lines: Compose names a
// container at best.
func (l *Looms) explain(ctx context.Context, plan *Plan, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	own, err := l.Engine.Containers(ctx, engine.Filter{Project: plan.Entry.Project})
	if err != nil {
		return cause
	}
	if v := l.judge(plan, own); v.dead != nil {
		return fmt.Errorf("%w", errors.Join(cause, l.dead(ctx, *v.dead, v.why)))
	}
	paused := &PausedError{Loom: plan.ID, Err: cause}
	for _, c := range own {
		if _, ok := plan.Project.Services[c.Service]; ok && c.State == "paused" && !slices.Contains(paused.Services, c.Service) {
			paused.Services = append(paused.Services, c.Service)
		}
	}
	if len(paused.Services) > 0 {
		slices.Sort(paused.Services)
		return paused
	}
	return cause
}

// dial is where a published port of the engine is reached from here.
func (l *Looms) dial(p Port) string {
	host := p.HostIP
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = l.Engine.HostName()
	}
	return net.JoinHostPort(host, strconv.Itoa(p.Published))
}

func scale(plan *Plan, name string) int {
	s := plan.Project.Services[name]
	return s.GetScale()
}

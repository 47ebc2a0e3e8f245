package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/stack"
)

// portOf names a port of a service.
func portOf(p Probe) string { return fmt.Sprintf("port %d", p.Host) }

// waits are what is waited for, by service: how long, and what it is.
func (w *waiter) waits() awaited {
	silent := map[string][]string{}
	reasons, until := map[string][]string{}, map[string]time.Time{}
	for _, n := range w.last.waiting {
		reasons[n.service] = append(reasons[n.service], n.reason)
		until[n.service] = w.begun.Add(w.limit)
	}
	for _, p := range w.last.probes {
		if !w.isAwaited(p) {
			silent[p.Service] = append(silent[p.Service], portOf(p))
			continue
		}
		reasons[p.Service] = append(reasons[p.Service], fmt.Sprintf("port %d → %d", p.Target, p.Host))
		if end := w.patience(p).until(); end.After(until[p.Service]) {
			until[p.Service] = end
		}
	}
	now := map[string]string{}
	for service, list := range reasons {
		now[service] = fmt.Sprintf("Waiting (%s until %s)",
			strings.Join(slices.Compact(list), ", "), until[service].Format(time.TimeOnly))
	}
	return awaited{now, silent}
}

// awaited are the services that are waited for with what they wait for, and ports that are not waited for any more.
type awaited struct {
	texts  map[string]string
	silent map[string][]string
}

// progressLines are the lines of progress, one a service that is or was waited for.
type progressLines struct {
	step  stack.Step
	shown map[string]string
}

func line(service string) string { return "Service " + service }

// update shows what is waited for now. A service that was shown before and is not waited for now is ready.
func (l progressLines) update(now awaited) {
	for _, service := range slices.Sorted(maps.Keys(now.texts)) {
		if l.shown[service] != now.texts[service] {
			l.step(line(service), now.texts[service], stack.Working)
		}
	}
	l.finish(now.texts, now.silent)
	maps.Copy(l.shown, now.texts)
}

// finish ends the lines of the services that are not in still.
func (l progressLines) finish(still map[string]string, silent map[string][]string) {
	for _, service := range slices.Sorted(maps.Keys(l.shown)) {
		if _, waits := still[service]; waits {
			continue
		}
		if list := silent[service]; len(list) > 0 {
			l.step(line(service), "Running ("+strings.Join(list, ", ")+" silent)", stack.Warned)
		} else {
			l.step(line(service), "Ready", stack.Done)
		}
		delete(l.shown, service)
	}
}

// end shows that the wait is over, with the ports that stayed silent.
func (l progressLines) end(probes []Probe) {
	silent := map[string][]string{}
	for _, p := range probes {
		silent[p.Service] = append(silent[p.Service], portOf(p))
	}
	l.finish(nil, silent)
}

// fail shows which services failed. Of the others nothing is known.
func (l progressLines) fail(failures []failure) {
	for _, f := range failures {
		l.step(line(f.Service), "Failed ("+strings.TrimPrefix(f.what, "is ")+")", stack.Failed)
	}
}

// notReady shows which services were not ready in time. The others are.
func (l progressLines) notReady(waiting []notReady) {
	still := map[string]string{}
	for _, n := range waiting {
		still[n.service] = n.reason
	}
	l.finish(still, nil)
	for _, service := range slices.Sorted(maps.Keys(still)) {
		l.step(line(service), "Not ready ("+still[service]+")", stack.Failed)
	}
}

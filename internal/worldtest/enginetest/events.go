package enginetest

import (
	"encoding/json"
	"maps"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// subscription is a request for events, with those that were not sent yet.
type subscription struct {
	args    filters.Args
	pending []events.Message
}

// tell tells who asked for events what happened to a container. The engine is locked.
func (e *Engine) tell(b *box, action events.Action) {
	attributes := map[string]string{"name": b.name, "image": b.request.Image}
	maps.Copy(attributes, b.request.Labels)
	now := time.Now()
	m := events.Message{
		Type: events.ContainerEventType, Action: action, Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano(),
		Actor: events.Actor{ID: b.id, Attributes: attributes},
	}
	for wake, s := range e.listeners {
		matches := func(field, value string) bool { return !s.args.Contains(field) || s.args.ExactMatch(field, value) }
		if !matches("type", string(m.Type)) || !matches("event", string(action)) || !s.args.MatchKVList("label", attributes) {
			continue
		}
		s.pending = append(s.pending, m)
		select {
		case wake <- struct{}{}:
		default: // it has been woken already
		}
	}
}

// events sends what happens from now on, until the client goes away.
func (e *Engine) events(w http.ResponseWriter, r *http.Request) {
	wake, s := make(chan struct{}, 1), &subscription{args: filtersOf(r)}
	e.mu.Lock()
	e.listeners[wake] = s
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.listeners, wake)
		e.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-wake:
		}
		e.mu.Lock()
		pending := s.pending
		s.pending = nil
		e.mu.Unlock()
		for _, m := range pending {
			_ = json.NewEncoder(w).Encode(m)
		}
		_ = flush.Flush()
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// Event is something that happened to a container.
type Event struct {
	Container string // its ID
	Name      string // its name
	Service   string // its Compose service
	OneOff    bool   // made by a run command
	Action    string // start, die or health_status
	Health    string // of health_status: starting, healthy or unhealthy
	ExitCode  int    // of die
	Time      time.Time
	Err       error // the stream broke; the last Event, with nothing else set
}

// Events tells when containers of a project start, die or change health. The
// engine listens once Events has returned, so: ask for events, then list, and
// nothing falls between. An event may be older than the list; take it as a reason
// to look again. The channel is closed when ctx ends, or after an Event with Err
// when the engine refuses or goes away. Whoever stops reading must end ctx.
func (e *Engine) Events(ctx context.Context, project string) <-chan Event {
	now := time.Now()
	messages, errs := e.api.Events(ctx, events.ListOptions{
		// The engine answers before it subscribes; what happens in between it
		// then replays.
		Since: fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
		Filters: filters.NewArgs(
			filters.Arg("type", "container"),
			filters.Arg("label", labelProject+"="+project),
			filters.Arg("event", "start"),
			filters.Arg("event", "die"),
			filters.Arg("event", "health_status"),
		),
	})
	out := make(chan Event)
	go func() {
		defer close(out)
		for {
			var ev Event
			select {
			case m := <-messages:
				var ok bool
				if ev, ok = fromMessage(m); !ok {
					continue
				}
			case err := <-errs:
				if ctx.Err() != nil {
					return
				}
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				ev.Err = fmt.Errorf("events of project %s: %w", project, err)
			}
			select {
			case out <- ev:
			case <-ctx.Done():
				return
			}
			if ev.Err != nil {
				return
			}
		}
	}()
	return out
}

func fromMessage(m events.Message) (Event, bool) {
	action, health, _ := strings.Cut(string(m.Action), ": ")
	ev := Event{
		Container: m.Actor.ID,
		Name:      m.Actor.Attributes["name"],
		Service:   m.Actor.Attributes[labelService],
		OneOff:    strings.EqualFold(m.Actor.Attributes[labelOneOff], "true"),
		Action:    action,
		Time:      time.Unix(0, m.TimeNano),
	}
	switch action {
	case "start":
	case "die":
		ev.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
	case "health_status":
		ev.Health = health
	default:
		return Event{}, false
	}
	return ev, true
}

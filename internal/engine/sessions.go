package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// Session is something that an exec or an attached terminal did.
type Session struct {
	Container string
	Action    string // exec_start, exec_die, attach, detach, or the container's own die
	Command   string // of exec_start
	Exec      string // the exec's ID
	Time      time.Time
}

var sessionActions = []string{"exec_start", "exec_die", "attach", "detach", "die"}

func sessionOptions(since, until string) events.ListOptions {
	args := filters.NewArgs(filters.Arg("type", "container"), filters.Arg("label", labelProject))
	for _, action := range sessionActions {
		args.Add("event", action)
	}
	return events.ListOptions{Since: since, Until: until, Filters: args}
}

// sessions is what the engine tells of execs and attached terminals.
type sessions struct{ api client.APIClient }

// Sessions tells what the engine remembers of the sessions in Compose's
// containers, oldest first. It remembers its last 256 events of any kind.
func (s sessions) Sessions(ctx context.Context) ([]Session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	now := time.Now()
	messages, errs := s.api.Events(ctx, sessionOptions("1", fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond())))
	var out []Session
	for {
		select {
		case m := <-messages:
			out = append(out, fromEvent(m)...)
		case err := <-errs:
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, fmt.Errorf("events: %w", err)
		}
	}
}

// SessionLog collects what happens to sessions from now on.
type SessionLog struct {
	mu   sync.Mutex
	list []Session
	err  error
}

// Listen collects sessions until ctx ends or the engine goes away.
func (s sessions) Listen(ctx context.Context) *SessionLog {
	log := &SessionLog{}
	messages, errs := s.api.Events(ctx, sessionOptions("", ""))
	go func() {
		for {
			select {
			case m := <-messages:
				log.mu.Lock()
				log.list = append(log.list, fromEvent(m)...)
				log.mu.Unlock()
			case err := <-errs:
				log.mu.Lock()
				log.err = fmt.Errorf("events: %w", err)
				log.mu.Unlock()
				return
			}
		}
	}()
	return log
}

// Take returns what was collected since the last time. The error says that
// nothing is collected any more.
func (s *SessionLog) Take() ([]Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list, s.err
}

func fromEvent(m events.Message) []Session {
	action, command, _ := strings.Cut(string(m.Action), ": ")
	if !slices.Contains(sessionActions, action) {
		return nil
	}
	return []Session{{
		Container: m.Actor.ID, Action: action, Command: command, Exec: m.Actor.Attributes["execID"],
		Time: time.Unix(0, m.TimeNano),
	}}
}

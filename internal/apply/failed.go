package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/internal/engine"
)

// tailLines is how much of a container's log an error shows.
const tailLines = 10

const isUnhealthy = "is unhealthy"

// Said is what a container says of its state: the last lines of its log, and the output of its last healthcheck.
type Said struct {
	Tail []string
	// Check is the last healthcheck that failed, nil if none did.
	Check *engine.HealthcheckResult
}

// String ends an error's text that names the container.
func (s Said) String() string {
	text, end := "", "; "
	if s.Check != nil {
		text = "; its healthcheck " + s.Check.Ended()
		if len(s.Check.Output) > 0 {
			text += " and says:" + indented(s.Check.Output)
			end = "\n"
		}
	}
	if len(s.Tail) > 0 {
		text += end + "its last lines:" + indented(s.Tail)
	}
	return text
}

func indented(lines []string) string {
	return "\n  " + strings.Join(lines, "\n  ")
}

// DeadError says that a service ended or is unhealthy instead of getting ready.
type DeadError struct {
	Service, Container string
	// What happened, as in "exited with code 1".
	What string
	// NeededBy are services that do not start without it.
	NeededBy []string
	Said
	// Err is Compose's error, nil if Compose had none.
	Err error
}

// Error names the service, what happened, and its last log lines.
func (e *DeadError) Error() string {
	s := fmt.Sprintf("service %s: container %s %s", e.Service, e.Container, e.What)
	switch len(e.NeededBy) {
	case 0:
	case 1:
		s += "; service " + e.NeededBy[0] + " waits for it"
	default:
		s += "; services " + strings.Join(e.NeededBy, ", ") + " wait for it"
	}
	return s + e.String()
}

// NextStep says what the user does next.
func (*DeadError) NextStep() string {
	return "correct what its last lines say, then run docker loom up again"
}

// Unwrap gives Compose's error.
func (e *DeadError) Unwrap() error { return e.Err }

// SlowError says that services were not ready in time.
type SlowError struct {
	Timeout time.Duration
	Waiting []string
	// AtFault are the containers that the others wait for, with what they say.
	AtFault []Speaker
}

// Speaker is a container with what it says.
type Speaker struct {
	Container string
	Said
}

// Error lists what was waited for.
func (e *SlowError) Error() string {
	s := fmt.Sprintf("not ready after %s: %s", e.Timeout, strings.Join(e.Waiting, ", "))
	for _, c := range e.AtFault {
		if said := c.String(); said != "" {
			s += "\ncontainer " + c.Container + strings.Replace(said, ";", ":", 1)
		}
	}
	return s
}

// NextStep says what the user does next.
func (*SlowError) NextStep() string {
	return "docker loom logs shows what they are doing; --wait-timeout gives them more time"
}

// Dead is the error for a container that failed; what happened, as in "exited with code 1".
func (a *Applier) Dead(ctx context.Context, c engine.Container, what string) *DeadError {
	return &DeadError{Service: c.Service, Container: c.Name, What: what, Said: a.said(ctx, c)}
}

// said reads what a container says. An error about it is not one more to show.
func (a *Applier) said(ctx context.Context, c engine.Container) Said {
	var s Said
	var err error
	if s.Tail, err = a.Engine.Tail(ctx, c.ID, tailLines); err != nil {
		a.Teller.Debugf("log of %s: %v", c.Name, err)
	}
	if c.Health == "unhealthy" || c.Health == "starting" {
		d, err := a.Engine.Inspect(ctx, c.ID)
		if err != nil {
			a.Teller.Debugf("healthcheck of %s: %v", c.Name, err)
		}
		if last := d.LastHealthcheck; last != nil && last.ExitCode != 0 {
			s.Check = last
		}
	}
	if s.Check != nil && len(s.Check.Output) > tailLines {
		s.Check.Output = slices.Clone(s.Check.Output[len(s.Check.Output)-tailLines:])
	}
	return s
}

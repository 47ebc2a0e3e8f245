package apply

import (
	"fmt"
	"time"
)

const (
	// siblingPatience is what the other ports of a container get once one of them has answered.
	siblingPatience = 10 * time.Second
	// shortMoment is what the ports of a container get that has run for as long as the whole wait may take.
	shortMoment = time.Second
)

// patience says until when the ports of one container are waited for.
type patience struct {
	// begun is when the wait began, limit how long it may take.
	begun time.Time
	limit time.Duration
	// started is when the container started, zero if that is not known.
	started time.Time
	// answered is when one of its ports answered first, zero if none has.
	answered time.Time
	// whole is set if nothing shortens the limit: every port is required, or the container crashed during the wait.
	whole bool
}

// until is when the wait for the ports that are silent ends.
func (p patience) until() time.Time {
	end := p.begun.Add(p.limit)
	if p.whole {
		return end
	}
	earlier := func(t time.Time) {
		if t.Before(end) {
			end = t
		}
	}
	if !p.started.IsZero() {
		// What answers nobody for so long will not do it now: a second up does not wait a second time.
		earlier(p.started.Add(p.limit))
	}
	if !p.answered.IsZero() {
		earlier(p.answered.Add(siblingPatience))
	}
	moment := p.begun.Add(min(shortMoment, p.limit))
	if p.answersAsBefore() || end.Before(moment) {
		return moment
	}
	return end
}

// answersAsBefore reports whether a port answers at once of a container that has run for a while: up was run again, and
// the other ports had their time.
func (p patience) answersAsBefore() bool {
	return !p.started.IsZero() && p.begun.Sub(p.started) >= siblingPatience &&
		!p.answered.IsZero() && p.answered.Sub(p.begun) <= shortMoment
}

// why says, for a finding, what the silence at the end of the wait means.
func (p patience) why() string {
	end := p.until()
	switch {
	case end.Equal(p.begun.Add(p.limit)), end.Equal(p.started.Add(p.limit)):
		return "after " + p.limit.String()
	case !p.answered.IsZero() && end.Equal(p.answered.Add(siblingPatience)):
		return fmt.Sprintf("%s after another port of the service answered", siblingPatience)
	}
	return fmt.Sprintf("though the container has run for %s", end.Sub(p.started).Round(time.Second))
}

// Silent is a port on which nobody answered while up waited.
type Silent struct {
	Probe
	// Why ends the sentence "nobody answers on port 8203 …".
	Why string
}

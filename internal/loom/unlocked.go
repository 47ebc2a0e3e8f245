package loom

import (
	"context"
	"errors"

	"github.com/docker-loom/docker-loom/internal/survey"
)

// given is what the user has accepted in this process, and whether the user may be kept waiting.
type given struct {
	// permitted is the access that was accepted.
	permitted []string
	// refused is access that was needed to read the files that were read last, and that nobody accepted.
	refused []string
	// locks is how many looms this process holds. While it holds one, nothing is asked and nothing is fetched: other
	// commands would wait for an answer, or for another machine.
	locks int
	// hasReadAhead says that what could be fetched was fetched.
	hasReadAhead bool
	// hasNarrowed says that the process has fewer variables than it was started with.
	hasNarrowed bool
	// begunLooms are those whose initializeCommand has run.
	begunLooms []string
}

// questionError says that something has to be asked for once no loom is held.
type questionError struct{ *AccessError }

// Unwrap gives what is asked for.
func (e *questionError) Unwrap() error { return e.AccessError }

// errFetchLater says that something has to be fetched once no loom is held.
var errFetchLater = errors.New("fetched before the loom is locked")

// Locked does what has to hold a loom. If something must be asked or fetched first, do returns, having released the
// loom; it is then called again, and reads everything once more: others may have changed it meanwhile.
func (l *Looms) Locked(ctx context.Context, t *Target, o Options, do func() error) error {
	for {
		err := do()
		question, asks := errors.AsType[*questionError](err)
		switch {
		case asks:
			if err := l.permission().put(question.AccessError); err != nil {
				return err
			}
		case errors.Is(err, errFetchLater):
			if _, err := l.planner().facts(ctx, t, o); err != nil {
				return err
			}
			l.granted.hasReadAhead = true
		default:
			return err
		}
		t.SettingsFiles = nil
	}
}

// untilGiven reads again for as long as the files are given more variables.
func untilGiven[T any](read func() (T, error)) (T, error) {
	for {
		v, err := read()
		if !errors.Is(err, survey.ErrGivenMore) {
			return v, err
		}
	}
}

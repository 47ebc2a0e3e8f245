package loom

import (
	"context"
	"errors"

	"github.com/docker-loom/docker-loom/internal/permit"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Locked does what has to hold a loom. If something must be asked or fetched first, do returns, having released the
// loom; it is then called again, and reads everything once more: others may have changed it meanwhile.
func (l *Looms) Locked(ctx context.Context, t *Target, o Options, do func() error) error {
	for {
		err := do()
		question, asks := errors.AsType[*permit.QuestionError](err)
		switch {
		case asks:
			if err := l.permission().Put(question.AccessError); err != nil {
				return err
			}
		case errors.Is(err, permit.ErrFetchLater):
			if _, err := l.planner().facts(ctx, t, o); err != nil {
				return err
			}
			l.granted.HasReadAhead = true
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

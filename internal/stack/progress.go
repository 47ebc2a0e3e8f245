package stack

import (
	"context"
	"os"
	"sync"

	"github.com/docker/compose/v2/pkg/progress"
)

// SetProgress chooses how progress is shown: auto, tty, plain, json or quiet.
func SetProgress(mode string) { progress.Mode = mode }

func buildProgress() string {
	if progress.Mode == progress.ModeJSON {
		return "rawjson"
	}
	return progress.Mode
}

var stdoutMu sync.Mutex

// withStdoutOnStderr keeps results and progress apart: a build inside this process writes its progress to os.Stdout,
// whatever writer it is given.
func withStdoutOnStderr(f func() error) error {
	stdoutMu.Lock()
	defer stdoutMu.Unlock()
	out := os.Stdout
	os.Stdout = os.Stderr
	defer func() { os.Stdout = out }()
	return f()
}

// Progress shows a phase of work of our own as Compose shows its phases. Inside f, events are reported with step.
func (s *Stack) Progress(ctx context.Context, title string, f func(ctx context.Context, step Step) error) error {
	return progress.RunWithTitle(ctx, func(ctx context.Context) error {
		w := progress.ContextWriter(ctx)
		return f(ctx, func(id, text string, state StepState) {
			w.Event(progress.NewEvent(id, progress.EventStatus(state), text))
		})
	}, s.docker.Err(), title)
}

// Step reports the state of one line of progress.
type Step func(id, text string, state StepState)

// StepState is the state of one line of progress.
type StepState progress.EventStatus

// States of a line of progress.
const (
	Working = StepState(progress.Working)
	Done    = StepState(progress.Done)
	Failed  = StepState(progress.Error)
)

package stack

import (
	"context"
	"os"
	"sync"
	"time"

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

// Phase is a phase of work as progress shows it.
type Phase struct {
	Title string
	// Hint says what the user can do while the phase lasts.
	Hint string
}

// hintAfter is how long a phase lasts before lines of progress, which stay, have its hint.
const hintAfter = 3 * time.Second

// Progress shows a phase of work of our own as Compose shows its phases. Inside f, events are reported with step.
func (s *Stack) Progress(ctx context.Context, phase Phase, f func(ctx context.Context, step Step) error) error {
	title, redraws := phase.Title, redraws(s.docker.Err().IsTerminal())
	if redraws {
		_, width := s.docker.Err().GetTtySize()
		title = phase.titleWithin(int(width))
	}
	return progress.RunWithTitle(ctx, func(ctx context.Context) error {
		w := progress.ContextWriter(ctx)
		var mu sync.Mutex
		step := func(id, text string, state StepState) {
			mu.Lock()
			defer mu.Unlock()
			w.Event(progress.NewEvent(id, progress.EventStatus(state), text))
		}
		if phase.Hint != "" && !redraws {
			hint := time.AfterFunc(hintAfter, func() { step(phase.Title, phase.Hint, Working) })
			defer hint.Stop()
		}
		return f(ctx, step)
	}, s.docker.Err(), title)
}

// titleWithin is the title with the hint, if a line of the terminal has room for it: Compose redraws no title of two
// lines. Progress also has a mark and the count of what is done there.
func (p Phase) titleWithin(width int) string {
	const around = len("[+]  100/100 ")
	long := p.Title + " (" + p.Hint + ")"
	if p.Hint == "" || len(long)+around > width {
		return p.Title
	}
	return long
}

// redraws reports whether Compose redraws progress in place, under its title.
func redraws(terminal bool) bool {
	switch progress.Mode {
	case progress.ModeTTY:
		return true
	case progress.ModeAuto, "":
		return terminal
	}
	return false
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
	Warned  = StepState(progress.Warning)
)

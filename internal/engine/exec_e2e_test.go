//go:build e2e

package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/cli/cli/streams"
	"github.com/docker/docker/api/types/versions"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/poll"
)

const idles = "while :; do sleep 1; done"

// started tells when something was written for the first time.
type started struct {
	once  sync.Once
	first chan struct{}
	mu    sync.Mutex
	text  strings.Builder
}

func newStarted() *started { return &started{first: make(chan struct{})} }

func (s *started) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	s.once.Do(func() { close(s.first) })
	return len(b), nil
}

func (s *started) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestExecPassesExitCodeStreamsUserFolderAndEnvironment(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", idles)
	notFound := 127
	if _, err := p.e.Capabilities(t.Context()); err == nil && versions.LessThan(api.ClientVersion(), "1.42") {
		notFound = 126 // as engine 20.10 has it
	}
	for _, c := range []struct {
		name        string
		process     Process
		out, err    string
		code        int
		containsOut string
	}{
		{name: "success", process: Process{Cmd: []string{"echo", "hi"}}, out: "hi\n"},
		{name: "both streams", process: Process{Cmd: []string{"sh", "-c", "echo a; echo b >&2; exit 7"}}, out: "a\n", err: "b\n", code: 7},
		{name: "folder", process: Process{Cmd: []string{"pwd"}, Dir: "/tmp"}, out: "/tmp\n"},
		{name: "user", process: Process{Cmd: []string{"id", "-u"}, User: "1234"}, out: "1234\n"},
		{name: "environment", process: Process{Cmd: []string{"sh", "-c", `echo "$A|$B"`}, Env: []string{"A=x y", "B="}}, out: "x y|\n"},
		{name: "not found", process: Process{Cmd: []string{"nosuch"}}, code: notFound, containsOut: "not found"},
		{name: "not executable", process: Process{Cmd: []string{"/tmp"}}, code: 126, containsOut: "/tmp"},
		// The engine's own client says 0 here: it looks once, when the streams have ended.
		{name: "streams closed before the end", process: Process{Cmd: []string{"sh", "-c", "exec >&- 2>&-; sleep 1; exit 5"}}, code: 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, code, err := p.e.ExecOutput(t.Context(), id, c.process)
			assert.NilError(t, err)
			assert.Equal(t, code, c.code, "%s%s", out, errs)
			if c.containsOut != "" {
				assert.Assert(t, strings.Contains(string(out), c.containsOut), "%s", out)
				return
			}
			assert.Equal(t, string(out), c.out)
			assert.Equal(t, string(errs), c.err)
		})
	}
	t.Run("input to its end", func(t *testing.T) {
		var out strings.Builder
		code, err := p.e.Exec(t.Context(), id, Process{Cmd: []string{"cat"}, Stdin: strings.NewReader("one\ntwo"), Stdout: &out})
		assert.NilError(t, err)
		assert.Equal(t, code, 0)
		assert.Equal(t, out.String(), "one\ntwo")
	})
	t.Run("no input", func(t *testing.T) {
		out, _, code, err := p.e.ExecOutput(t.Context(), id, Process{Cmd: []string{"cat"}})
		assert.NilError(t, err)
		assert.Equal(t, code, 0)
		assert.Equal(t, string(out), "")
	})
	t.Run("detached", func(t *testing.T) {
		code, err := p.e.Exec(t.Context(), id, Process{Cmd: []string{"touch", "/tmp/detached"}, Detach: true})
		assert.NilError(t, err)
		assert.Equal(t, code, 0)
		_, _, code, err = p.e.ExecOutput(t.Context(), id, Process{Cmd: []string{"sh", "-c", "until test -e /tmp/detached; do sleep 0.1; done"}})
		assert.NilError(t, err)
		assert.Equal(t, code, 0)
	})
}

func TestExecPassesSignalsToTheWholeGroupAsATerminalDoes(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", idles)
	out, signals := newStarted(), make(chan os.Signal, 1)
	go func() {
		<-out.first
		signals <- syscall.SIGWINCH // not for it
		signals <- os.Interrupt
	}()
	// The shell waits for its child, so that only a signal to both ends it at once.
	code, err := p.e.Exec(t.Context(), id, Process{
		Cmd: []string{"sh", "-c", "trap 'echo told; exit 9' INT; echo begun; sleep 1000"}, Stdout: out, Signals: signals, User: "1000",
	})
	assert.NilError(t, err)
	assert.Equal(t, code, 9)
	assert.Equal(t, out.String(), "begun\ntold\n")
	none(t, id, "sleep 1000")
}

func TestExecEndsWhatIgnoresTheEndOfItsContext(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", idles)
	out := newStarted()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-out.first
		cancel()
	}()
	_, err := p.e.Exec(ctx, id, Process{
		Cmd: []string{"sh", "-c", "trap '' INT; echo begun; while :; do sleep 1001; done"}, Stdout: out, Grace: time.Second,
	})
	assert.ErrorIs(t, err, context.Canceled)
	none(t, id, "sleep 1001")
}

// full is a writer that takes nothing.
type full struct{ told chan struct{} }

var errFull = errors.New("full")

func (f full) Write([]byte) (int, error) {
	close(f.told)
	return 0, errFull
}

func TestExecEndsWhatNobodyReads(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", idles)
	for name, process := range map[string]Process{
		"stdout": {Cmd: []string{"sh", "-c", "while :; do echo 1004; done"}, Stdout: full{make(chan struct{})}},
		"stderr": {Cmd: []string{"sh", "-c", "while :; do echo 1004 >&2; done"}, Stderr: full{make(chan struct{})}},
		"and that stays": {
			Cmd: []string{"sh", "-c", "trap '' TERM; while :; do echo 1004; done"}, Stdout: full{make(chan struct{})}, Grace: time.Second,
		},
		"and that had ended": {Cmd: []string{"echo", "1004"}, Stdout: full{make(chan struct{})}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.e.Exec(t.Context(), id, process)
			assert.ErrorIs(t, err, errFull)
			var lost *OutputError
			assert.Assert(t, errors.As(err, &lost))
			none(t, id, "echo 1004")
		})
	}
}

// A terminal that goes away takes no more output, perhaps before its signal is there.
func TestExecWaitsForTheSignalOfATerminalThatIsGone(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", idles)
	out, signals := full{make(chan struct{})}, make(chan os.Signal, 1)
	go func() {
		<-out.told
		_, _, _, _ = p.e.ExecOutput(context.Background(), id, Process{Cmd: []string{"true"}}) // takes a while
		signals <- syscall.SIGHUP
	}()
	in, typed := io.Pipe()
	defer typed.Close()
	code, err := p.e.Exec(t.Context(), id, Process{
		Cmd: []string{"sh", "-c", "while :; do echo 1005; done"}, Terminal: &Terminal{In: streams.NewIn(in), Out: streams.NewOut(out)}, Signals: signals,
	})
	assert.NilError(t, err)
	assert.Equal(t, code, 129)
	none(t, id, "echo 1005")
}

func TestExecLeavesASessionOfItsOwnAlone(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", idles)
	out, signals := newStarted(), make(chan os.Signal, 1)
	go func() {
		<-out.first
		signals <- os.Interrupt
	}()
	code, err := p.e.Exec(t.Context(), id, Process{
		Cmd:    []string{"sh", "-c", "/bin/busybox setsid sleep 1002 >/dev/null 2>&1 & sleep 0.2; echo begun; exec sleep 1003"},
		Stdout: out, Signals: signals,
	})
	assert.NilError(t, err)
	assert.Equal(t, code, 130)
	none(t, id, "sleep 1003")
	assert.Equal(t, processes(t, id, "sleep 1002"), 1)
}

func TestExecSaysThatItCouldNotTellACommandToEnd(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", "rm=1; "+idles)
	_, _, code, err := p.e.ExecOutput(t.Context(), id, Process{Cmd: []string{"/bin/busybox", "rm", "/bin/sh"}})
	assert.NilError(t, err)
	assert.Equal(t, code, 0)
	out, signals := newStarted(), make(chan os.Signal, 1)
	go func() {
		<-out.first
		signals <- os.Interrupt
	}()
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = io.WriteString(w, "begun\n") }()
	_, err = p.e.Exec(t.Context(), id, Process{Cmd: []string{"cat"}, Stdin: r, Stdout: out, Signals: signals})
	var failed *SignalError
	assert.Assert(t, errors.As(err, &failed), "%v", err)
	assert.Equal(t, failed.Container, id)
}

func TestExecInAContainerThatDoesNotRun(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.create("web", "")
	_, err := p.e.Exec(t.Context(), id, Process{Cmd: []string{"echo"}})
	assert.ErrorContains(t, err, "is not running")
}

// none waits until no process of the container has the text in its command line.
func none(t *testing.T, id, text string) {
	t.Helper()
	poll.WaitOn(t, func(poll.LogT) poll.Result {
		if processes(t, id, text) > 0 {
			return poll.Continue("%s still runs", text)
		}
		return poll.Success()
	}, poll.WithTimeout(20*time.Second), poll.WithDelay(20*time.Millisecond))
}

// processes counts those of the container that have the text in their command line.
func processes(t *testing.T, id, text string) int {
	t.Helper()
	top, err := api.ContainerTop(t.Context(), id, nil)
	assert.NilError(t, err)
	n := 0
	for _, row := range top.Processes {
		if strings.Contains(row[len(row)-1], text) {
			n++
		}
	}
	return n
}

// Package exec runs a command in a running container, joined to streams or a terminal and to signals.
package exec

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/docker/cli/cli/streams"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/moby/term"
)

// Process is a command to run in a running container.
type Process struct {
	Cmd []string
	// User is a name or number, with a group after a colon; "" is the container's own.
	User string
	// Dir is the working directory; "" is the container's own.
	Dir string
	// Env are NAME=value, on top of the container's environment.
	Env []string

	// Detach starts the command and does not wait for it; its streams lead nowhere.
	Detach bool
	// Terminal gives the command a terminal and joins it to this one; Stdin, Stdout and Stderr are then not used.
	Terminal *Terminal
	// Stdin is read to its end; nil gives the command none. Stdout and Stderr may be nil.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Signals are passed on to the command, as a terminal would: to its process group. Those that the engine's system
	// does not have are ignored.
	Signals <-chan os.Signal
	// Grace is how long a command that was told to end may take, 10 s unless given.
	Grace time.Duration
}

// Terminal is the user's.
type Terminal struct {
	In  *streams.In
	Out *streams.Out
	// DetachKeys end the connection and leave the command running, as in "ctrl-p,ctrl-q", which "" stands for.
	DetachKeys string
}

// ErrDetached says that the user typed the keys that leave a command running.
var ErrDetached = errors.New("detached; the command goes on")

// SignalError says that a command was to end and that nobody could tell it: it may go on in its container.
type SignalError struct {
	Container string
	Signal    os.Signal
	Err       error
}

func (e *SignalError) Error() string {
	return fmt.Sprintf("container %.12s: the command may go on: signal %s: %v", e.Container, e.Signal, e.Err)
}

// NextStep says what the user does next.
func (*SignalError) NextStep() string {
	return "docker loom restart ID ends what still runs in it"
}

func (e *SignalError) Unwrap() error { return e.Err }

// OutputError says that what a command wrote could not be written on. The command was told to end.
type OutputError struct{ Err error }

func (e *OutputError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (*OutputError) NextStep() string {
	return "" // whoever read the output has left
}

func (e *OutputError) Unwrap() error { return e.Err }

// outlet passes on what a command writes, and takes all the rest when that fails: a command whose output nobody reads
// could not end.
type outlet struct {
	w    io.Writer
	err  error           // an [*OutputError], once it failed
	lost chan<- struct{} // is told of that once, and has room for it
}

func (o *outlet) Write(b []byte) (int, error) {
	if o.w == nil || o.err != nil {
		return len(b), nil
	}
	if _, err := o.w.Write(b); err != nil {
		o.err = &OutputError{err}
		o.lost <- struct{}{}
	}
	return len(b), nil
}

// Marker is the variable by which a command is found again inside its container: the engine has no way to send a signal
// to anything but a container's first process.
const Marker = "ILOOM_EXEC"

// Run runs a command in a running container and returns its exit code: 126 if it cannot be run, 127 if it is not
// found; the engine then writes why to the command's stdout.
//
// When ctx ends the command is interrupted, and killed when it has not ended within its grace; the error is then ctx's
// own, or a [*SignalError]. A command whose output cannot be written on is told to end in the same way, by SIGTERM, and
// the error is an [*OutputError]; not so with a terminal, which says by SIGHUP that it is gone.
func Run(ctx context.Context, api client.APIClient, id string, p Process) (int, error) {
	if p.Grace == 0 {
		p.Grace = 10 * time.Second
	}
	x := &execution{api: api, container: id, process: p, mark: Marker + "=" + rand.Text()}
	created, err := api.ContainerExecCreate(ctx, id, x.options())
	if err != nil {
		return 0, fmt.Errorf("container %.12s: %w", id, err)
	}
	x.id = created.ID
	if p.Detach {
		if err := api.ContainerExecStart(ctx, x.id, container.ExecStartOptions{Detach: true}); err != nil {
			return 0, fmt.Errorf("container %.12s: %w", id, err)
		}
		return 0, nil
	}
	// What is begun is ended in order, so that ctx must not cut the connection.
	lasting := context.WithoutCancel(ctx)
	attach := container.ExecAttachOptions{Tty: p.Terminal != nil, ConsoleSize: x.size()}
	conn, err := api.ContainerExecAttach(lasting, x.id, attach)
	if err != nil {
		return 0, fmt.Errorf("container %.12s: %w", id, err)
	}
	defer conn.Close()
	if err := x.stream(ctx, conn); err != nil {
		return 0, err
	}
	return x.exitCode(ctx)
}

// Output runs a command without input and returns what it wrote to stdout and stderr, for commands whose output is
// small.
func Output(
	ctx context.Context, api client.APIClient, id string, p Process,
) (stdout, stderr []byte, code int, err error) {
	var out, errs bytes.Buffer
	p.Stdin, p.Stdout, p.Stderr = nil, &out, &errs
	code, err = Run(ctx, api, id, p)
	return out.Bytes(), errs.Bytes(), code, err
}

// execution is one command that runs.
type execution struct {
	api           client.APIClient
	container, id string
	process       Process
	mark          string
}

func (x *execution) options() container.ExecOptions {
	p := x.process
	o := container.ExecOptions{
		User: p.User, WorkingDir: p.Dir, Cmd: p.Cmd, Env: append(slices.Clone(p.Env), x.mark),
		AttachStdin: p.Stdin != nil && !p.Detach, AttachStdout: !p.Detach, AttachStderr: !p.Detach,
	}
	if p.Terminal != nil && !p.Detach {
		o.Tty, o.AttachStdin, o.DetachKeys, o.ConsoleSize = true, true, p.Terminal.DetachKeys, x.size()
	}
	return o
}

// stream copies until the command has closed its streams.
func (x *execution) stream(ctx context.Context, conn types.HijackedResponse) error {
	input, output, lost := x.process.Stdin, make(chan error, 1), make(chan struct{}, 2)
	if t := x.process.Terminal; t != nil {
		restore, err := raw(t)
		if err != nil {
			return err
		}
		defer restore()
		defer x.resize(t)()
		input = term.NewEscapeProxy(t.In, detachKeys(t.DetachKeys))
		go func() {
			// A terminal that is gone says so by SIGHUP, perhaps a little later.
			_, err := io.Copy(&outlet{w: t.Out, lost: make(chan struct{}, 1)}, conn.Reader)
			output <- err
		}()
	} else {
		go func() {
			out, errs := &outlet{w: x.process.Stdout, lost: lost}, &outlet{w: x.process.Stderr, lost: lost}
			_, err := stdcopy.StdCopy(out, errs, conn.Reader)
			output <- cmp.Or(out.err, errs.err, err)
		}()
	}
	detached := make(chan struct{})
	go func() {
		if input != nil {
			if _, err := io.Copy(conn.Conn, input); errors.As(err, new(term.EscapeError)) {
				close(detached)
				return
			}
		}
		// A command that reads to the end must see it. A command that never read has closed its side.
		_ = conn.CloseWrite()
	}()
	return x.watch(ctx, conn, output, lost, detached)
}

// watch waits for the end of the output and meanwhile passes signals on.
func (x *execution) watch(
	ctx context.Context, conn types.HijackedResponse, output <-chan error, lost, detached <-chan struct{},
) error {
	lasting := context.WithoutCancel(ctx)
	ended := ctx.Done()
	var deadline <-chan time.Time
	var last os.Signal
	for {
		select {
		case err := <-output:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil && !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("container %.12s: %w", x.container, err)
			}
			return nil
		case <-lost:
			if err := x.signal(lasting, syscall.SIGTERM); err != nil {
				return err
			}
			last, deadline = syscall.SIGTERM, time.After(x.process.Grace)
		case <-detached:
			return ErrDetached
		case s := <-x.process.Signals:
			if signalNames[s] == "" {
				continue
			}
			if err := x.signal(lasting, s); err != nil {
				return err
			}
			if last = s; s == syscall.SIGHUP || s == syscall.SIGTERM {
				deadline = time.After(x.process.Grace)
			}
		case <-ended:
			ended, last, deadline = nil, os.Interrupt, time.After(x.process.Grace)
			if err := x.signal(lasting, os.Interrupt); err != nil {
				return err
			}
		case <-deadline:
			if last == syscall.SIGHUP {
				// The terminal is gone, and the command was made to outlive it.
				return ErrDetached
			}
			if err := x.signal(lasting, os.Kill); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// What the command left behind may hold its output open.
			deadline = nil
			conn.Close()
		}
	}
}

// signalNames are the signals that can be passed on, as kill takes them.
var signalNames = map[os.Signal]string{
	syscall.SIGHUP: "HUP", os.Interrupt: "INT", syscall.SIGQUIT: "QUIT", syscall.SIGTERM: "TERM", os.Kill: "KILL",
}

// killScript finds the command that carries the marker in $1 and sends signal $2 to its process group: what Ctrl-C
// does at a terminal. Like this script the command was started by the engine, so that it has the same parent and
// leads a session; a server that the command has put into a session of its own is left alone.
const killScript = `for f in /proc/[0-9]*/stat; do
p=${f#/proc/} p=${p%/stat}
{ IFS= read -r s <"$f" || continue; } 2>/dev/null
set -- "$1" "$2" ${s##*) }
[ "$4" = "$PPID" ] && [ "$6" = "$p" ] && { tr '\0' '\n' <"/proc/$p/environ"; } 2>/dev/null | grep -qxF "$1" &&
	kill "-$2" "-$p" && found=1
done
[ -n "$found" ]`

// signal sends a signal to the command, as the command's user: root could be fooled by programs in the container.
func (x *execution) signal(ctx context.Context, s os.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, why, code, err := Output(ctx, x.api, x.container, Process{
		Cmd: []string{"/bin/sh", "-c", killScript, "sh", x.mark, signalNames[s]}, User: x.process.User, Dir: "/",
	})
	if err == nil && code != 0 {
		// It may have ended on its own meanwhile.
		if state, failed := x.api.ContainerExecInspect(ctx, x.id); failed == nil && !state.Running {
			return nil
		}
		err = fmt.Errorf("it was not found (exit code %d) %s", code, bytes.TrimSpace(why))
	}
	if err != nil {
		return &SignalError{Container: x.container, Signal: s, Err: err}
	}
	return nil
}

// exitCode waits until the command has ended: it may have closed its streams before.
func (x *execution) exitCode(ctx context.Context) (int, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		state, err := x.api.ContainerExecInspect(context.WithoutCancel(ctx), x.id)
		if err != nil {
			return 0, fmt.Errorf("container %.12s: %w", x.container, err)
		}
		if !state.Running {
			return state.ExitCode, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if err := x.signal(context.WithoutCancel(ctx), os.Interrupt); err != nil {
				return 0, err
			}
			return 0, context.Cause(ctx)
		case s := <-x.process.Signals:
			if signalNames[s] != "" {
				if err := x.signal(context.WithoutCancel(ctx), s); err != nil {
					return 0, err
				}
			}
		}
	}
}

package loom

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
)

// HookRequest asks for the lifecycle hooks of a dev container that runs.
type HookRequest struct {
	// Container is its ID.
	Container string
	// Merged is what image, features and devcontainer.json say, variables replaced but for those of the container.
	Merged *devcontainer.Merged
	// RemoteUser runs the hooks, in WorkspaceFolder, or at home where that does not exist.
	RemoteUser, WorkspaceFolder string
	// Secrets are variables for hooks only; their values are masked in the output.
	Secrets map[string]string
	// NoWait leaves the hooks after waitFor for the next time.
	NoWait bool
	// SkipAttach leaves out postAttachCommand.
	SkipAttach bool
	// Output takes what hooks print, a line at a time; nil for nowhere.
	Output io.Writer
}

// HookError says that a lifecycle hook failed. It left no marker, so that it runs again the next time.
type HookError struct {
	// Hook is its name, From who asks for it, Command what was run.
	Hook, From, Command string
	ExitCode            int
	// Tail are the last lines that it printed.
	Tail []string
}

// Error tells all of it.
func (e *HookError) Error() string {
	s := fmt.Sprintf("%s of %s: %s: exit code %d", e.Hook, e.From, e.Command, e.ExitCode)
	if len(e.Tail) > 0 {
		s += "\n    " + strings.Join(e.Tail, "\n    ")
	}
	return s
}

// NextStep says what the user does next.
func (*HookError) NextStep() string {
	return "the container runs: docker loom shell looks into it, docker loom up runs the hook again"
}

// RunHooks runs the hooks that are due: those without a marker, which each one that succeeds leaves behind. The files
// /etc/environment and /etc/profile are prepared once, as other tools do it. Where all has run already it asks the engine for
// little more than the container's times. Errors are a [*HookError], the context's, or the engine's.
func (l *Looms) RunHooks(ctx context.Context, req HookRequest) error {
	rt, err := l.Engine.Runtime(ctx, req.Container)
	if err != nil {
		return err
	}
	if req.Merged, err = req.Merged.SubstituteContainerEnv(rt.Env); err != nil {
		return err
	}
	probe := req.Merged.UserEnvProbe
	if probe == "" {
		probe = devcontainer.DefaultProbe
	}
	known := l.remembered(req.Container, rt, req.RemoteUser, probe, req.WorkspaceFolder)
	if known != nil && known.Hooked && (req.SkipAttach || req.NoWait || len(req.Merged.PostAttachCommands) == 0) {
		return nil
	}
	r, state, err := l.remoteState(ctx, req.Container, req.RemoteUser, req.WorkspaceFolder, rt)
	if err != nil {
		return err
	}
	if known == nil {
		if err := l.patch(ctx, req.Container, rt); err != nil {
			return err
		}
	}
	due := slices.DeleteFunc(devcontainer.Lifecycle(req.Merged, state, rt.Created, rt.StartedAt), func(h devcontainer.Hook) bool {
		return req.NoWait && h.Late || req.SkipAttach && h.Marker == ""
	})
	ran := false
	h := &hooks{looms: l, req: req, remote: &r, container: rt.Env}
	for _, hook := range due {
		if len(hook.Commands) > 0 && !ran {
			ran = true
			if err := l.probe(ctx, req.Container, &r, probe, state["shell"]); err != nil {
				return err
			}
		}
		if err := h.run(ctx, hook); err != nil {
			if marked := h.mark(ctx); marked != nil {
				l.Teller.Debugf("%v", marked)
			}
			return err
		}
	}
	if err := h.mark(ctx); err != nil {
		return err
	}
	if ran {
		// A hook may have changed what a login shell reads.
		r.Env, r.Probed = nil, false
	}
	r.Hooked = !req.NoWait
	l.remember(req.Container, r)
	return nil
}

// patchScript prepares the system's files for login shells, once: $1 goes to the end of /etc/environment, and a PATH that
// /etc/profile sets without looking gives way to the container's.
const patchScript = `d=/var/devcontainer
mkdir -p $d || exit
( set -C; : >$d/.patchEtcEnvironmentMarker ) 2>/dev/null && printf '%s\n' "$1" >>/etc/environment
( set -C; : >$d/.patchEtcProfileMarker ) 2>/dev/null && [ -f /etc/profile ] &&
	sed -i -E 's/((^|[[:space:]])PATH=)([^$]*)$/\1${PATH:-\3}/' /etc/profile
:`

// patch runs it as root. A container in which that cannot be, has its own reasons: login shells there go without.
func (l *Looms) patch(ctx context.Context, id string, rt engine.Runtime) error {
	_, why, code, err := l.Engine.ExecOutput(ctx, id, engine.Process{
		Cmd: []string{"/bin/sh", "-c", patchScript, "sh", devcontainer.EtcEnvironment(rt.Env)}, User: "root", Dir: "/",
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || code != 0 {
		l.Teller.Debugf("/etc/environment and /etc/profile of container %.12s: exit code %d, %v, %s", id, code, err, why)
	}
	return nil
}

// hooks runs hooks in one container.
type hooks struct {
	looms     *Looms
	req       HookRequest
	remote    *session
	container map[string]string
	// marks are marker files and contents that are to be written.
	marks []string
}

// run runs one hook, and leaves its marker.
func (h *hooks) run(ctx context.Context, hook devcontainer.Hook) error {
	for _, c := range hook.Commands {
		if err := h.command(ctx, hook.Name, c); err != nil {
			return err
		}
	}
	if hook.Marker == "" {
		return nil
	}
	h.marks = append(h.marks, hook.Marker, hook.Content)
	if len(hook.Commands) == 0 {
		// Written with the next one.
		return nil
	}
	return h.mark(ctx)
}

// markScript writes the files named in $2, $4 … with what follows each into the folder .devcontainer of $1.
const markScript = `d=$1/.devcontainer
mkdir -p "$d" || exit
shift
while [ $# -gt 1 ]; do printf '%s\n' "$2" >"$d/$1" || exit; shift 2; done`

// mark writes the markers that are due. They count for what has run: Ctrl-C comes too late for them.
func (h *hooks) mark(ctx context.Context) error {
	if len(h.marks) == 0 {
		return nil
	}
	cmd := append([]string{"/bin/sh", "-c", markScript, "sh", h.remote.Home}, h.marks...)
	h.marks = nil
	_, why, code, err := h.looms.Engine.ExecOutput(context.WithoutCancel(ctx), h.req.Container, engine.Process{Cmd: cmd, User: h.remote.User, Dir: "/"})
	if err == nil && code != 0 {
		err = fmt.Errorf("container %.12s: markers of lifecycle hooks in %s/.devcontainer: %s", h.req.Container, h.remote.Home, strings.TrimSpace(string(why)))
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// command runs one command of a hook. Those that run at once are all waited for; of several that fail the first in the file is
// told.
func (h *hooks) command(ctx context.Context, hook string, c devcontainer.Origin) error {
	all := c.Parallel
	if len(all) == 0 {
		all = []devcontainer.NamedCommand{{Command: c.Command}}
	}
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	var lock sync.Mutex
	for i, each := range all {
		wait.Go(func() {
			name := hook
			if each.Name != "" {
				name += " " + each.Name
			}
			out := &lineWriter{to: h.req.Output, lock: &lock, prefix: name + " | ", mask: devcontainer.Mask(h.req.Secrets), tail: new(tail)}
			shown := out.mask.Replace(each.Text())
			out.line(fmt.Sprintf("%s: %s", c.From, shown))
			errs[i] = h.exec(ctx, each, out)
			var failed *HookError
			if errors.As(errs[i], &failed) {
				failed.Hook, failed.From, failed.Command = name, c.From, shown
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// exec runs one program of a hook.
func (h *hooks) exec(ctx context.Context, c devcontainer.NamedCommand, out *lineWriter) error {
	r, errs := h.remote, out.forErrors()
	code, err := h.looms.Engine.Exec(ctx, h.req.Container, engine.Process{
		Cmd: c.Argv(), User: r.User, Dir: r.Dir, Stdout: out, Stderr: errs,
		Env: devcontainer.Environment(r.Env, h.container, h.req.Merged.RemoteEnv, r.Root, h.req.Secrets),
	})
	out.flush()
	errs.flush()
	if err != nil {
		return err
	}
	if code != 0 {
		return &HookError{ExitCode: code, Tail: out.tail.lines()}
	}
	return nil
}

// lineWriter writes whole lines of one stream, each with a prefix and without secrets, and keeps the last ones. Several may
// write to one writer at once, with one lock.
type lineWriter struct {
	to     io.Writer
	lock   *sync.Mutex
	prefix string
	mask   *strings.Replacer
	begun  []byte
	errors bool // the stream is stderr
	tail   *tail
}

// forErrors is the writer for stderr beside that for stdout.
func (w *lineWriter) forErrors() *lineWriter {
	return &lineWriter{to: w.to, lock: w.lock, prefix: w.prefix, mask: w.mask, errors: true, tail: w.tail}
}

// tail are the last lines that a program wrote to its two streams. The engine hands the streams over in no certain order, so
// that what it wrote much of could push out the one line that says why it ended: half of the room is stderr's.
type tail []tailLine

type tailLine struct {
	text   string
	errors bool
}

// kept are the last lines that an error tells.
const kept = 10

func (t *tail) add(line tailLine) {
	if *t = append(*t, line); len(*t) <= kept {
		return
	}
	ofErrors := 0
	for _, l := range *t {
		if l.errors {
			ofErrors++
		}
	}
	oldest := slices.IndexFunc(*t, func(l tailLine) bool { return l.errors == (ofErrors > kept/2) })
	*t = slices.Delete(*t, oldest, oldest+1)
}

func (t *tail) lines() []string {
	var list []string
	for _, l := range *t {
		list = append(list, l.text)
	}
	return list
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.begun = append(w.begun, b...)
	for {
		n, line, err := bufio.ScanLines(w.begun, false)
		if err != nil || n == 0 {
			return len(b), nil
		}
		w.keep(string(line))
		w.begun = w.begun[n:]
	}
}

func (w *lineWriter) flush() {
	if len(w.begun) > 0 {
		w.keep(string(w.begun))
		w.begun = nil
	}
}

func (w *lineWriter) keep(line string) {
	// Of a line that a progress bar has written over, the last state.
	line = strings.TrimSuffix(line, "\r")
	line = w.mask.Replace(line[strings.LastIndexByte(line, '\r')+1:])
	w.tail.add(tailLine{line, w.errors})
	w.line(line)
}

func (w *lineWriter) line(text string) {
	if w.to == nil {
		return
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	fmt.Fprintln(w.to, w.prefix+text)
}

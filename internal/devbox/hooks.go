package devbox

import (
	"cmp"
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

// HookOptions say how hooks run.
type HookOptions struct {
	// Skip runs none.
	Skip bool
	// Secrets are variables for hooks only; their values are masked in the output. RemoteEnv are further variables, over
	// those of remoteEnv.
	Secrets, RemoteEnv map[string]string
	// Dotfiles are the user's; those of the settings are installed if these have no repository.
	Dotfiles Dotfiles
	// Output receives the output of hooks, line by line; nil discards it.
	Output io.Writer
}

// HookRequest asks for the lifecycle hooks of a running dev container.
type HookRequest struct {
	HookOptions
	// Merged is what image, features and devcontainer.json say. All variables but the container's are replaced.
	Merged *devcontainer.Merged
	// RemoteUser runs the hooks in WorkspaceFolder, or in its home folder if that does not exist.
	RemoteUser, WorkspaceFolder string
	// GitUser says with which name and address git commits; "" for none. nil leaves git as it is.
	GitUser func(context.Context) (name, email string)
	// NoWait leaves the hooks after waitFor for the next time.
	NoWait bool
	// SkipAttach leaves out postAttachCommand.
	SkipAttach bool
	// StartOnly runs postStartCommand alone.
	StartOnly bool
}

// HookError says that a lifecycle hook failed. The hook left no marker, so it runs again the next time.
type HookError struct {
	// Hook is the hook's name, From the file or feature that asks for it, Command what was run.
	Hook, From, Command string
	ExitCode            int
	// Tail has the last lines of output.
	Tail []string
}

// Error has the hook, its exit code and its last lines.
func (e *HookError) Error() string {
	s := fmt.Sprintf("%s of %s: %s: exit code %d", e.Hook, e.From, e.Command, e.ExitCode)
	if len(e.Tail) > 0 {
		s += "\n    " + strings.Join(e.Tail, "\n    ")
	}
	return s
}

// NextStep says what the user does next.
func (*HookError) NextStep() string {
	return "the container runs: docker loom shell ID looks into it, docker loom up ID runs the hook again"
}

// RunHooks runs the hooks that are due: those without a marker. Each hook that succeeds leaves its marker. The files
// /etc/environment and /etc/profile are prepared once, as other tools do it. If all hooks have run, RunHooks asks the
// engine only for the container's times. Errors are a [*HookError], the context's, or the engine's.
func (b *Box) RunHooks(ctx context.Context, req HookRequest) error {
	rt, err := b.Engine.Inspect(ctx, b.ID)
	if err != nil {
		return err
	}
	if req.Merged, err = req.Merged.SubstituteContainerEnv(rt.Env); err != nil {
		return err
	}
	probe := cmp.Or(req.Merged.UserEnvProbe, devcontainer.DefaultProbe)
	known := b.recall(rt, req.RemoteUser, probe, req.WorkspaceFolder)
	if req.haveRun(known) {
		return nil
	}
	s, user, err := b.askUser(ctx, rt, req.RemoteUser, req.WorkspaceFolder)
	if err != nil {
		return err
	}
	r := &hookRun{box: b, req: req, session: &s, keeper: user.keeper, containerEnv: rt.Env}
	if err := r.begin(ctx, rt, known); err != nil {
		return err
	}
	due := r.due(devcontainer.Lifecycle(req.Merged, user.markers, rt.CreatedAt, rt.StartedAt))
	if r.needsDotfiles || slices.ContainsFunc(due, func(h devcontainer.Hook) bool { return len(h.Commands) > 0 }) {
		if err := b.probe(ctx, &s, probe, user.shell); err != nil {
			return err
		}
	}
	if err := r.runAll(ctx, due); err != nil {
		return err
	}
	// A hook may have changed what a login shell reads.
	s.Env, s.Probed = nil, false
	s.Done.Hooked = !req.NoWait && !req.StartOnly
	b.remember(s)
	return nil
}

// haveRun reports whether nothing of the request is left to do. known is what is remembered of this start, or nil.
func (req HookRequest) haveRun(known *session) bool {
	if known == nil || !known.Done.Hooked || req.NoWait || req.StartOnly {
		return known != nil && known.Done.Hooked
	}
	return (req.SkipAttach || len(req.Merged.PostAttachCommands) == 0) && known.Done.Dotfiles == req.Dotfiles.Repository
}

// begin prepares the container, once in each start.
func (r *hookRun) begin(ctx context.Context, rt engine.Detail, known *session) error {
	done := &r.session.Done
	if known != nil {
		*done = known.Done
	}
	wanted := r.req.Dotfiles.Repository
	r.needsDotfiles = wanted != "" && wanted != done.Dotfiles && !r.req.NoWait && !r.req.StartOnly
	if done.Prepared {
		return nil
	}
	done.Prepared = true
	if err := r.box.patchLoginFiles(ctx, rt); err != nil {
		return err
	}
	return r.setGitUser(ctx)
}

// RunStartHooks runs the postStartCommand of the dev containers among these, which something else than up has started.
// open gives the box of a container by its id.
func RunStartHooks(ctx context.Context, open func(id string) *Box, started []engine.Container, output io.Writer) error {
	for _, c := range started {
		if c.OneOff || !IsDevContainer(c) {
			continue
		}
		if err := open(c.ID).runStartHook(ctx, output); err != nil {
			return err
		}
	}
	return nil
}

// runStartHook runs the postStartCommand as the container's labels have it. A container that does not run, and one in
// which it ran since the start, is left alone.
func (b *Box) runStartHook(ctx context.Context, output io.Writer) error {
	rt, err := b.Engine.Inspect(ctx, b.ID)
	if err != nil || rt.State != "running" {
		return err
	}
	l, err := readLabels(ctx, rt.Labels, b.Process.LookupEnv)
	if err != nil {
		return err
	}
	merged := devcontainer.MergeLabel(l.entries)
	if len(merged.PostStartCommands) == 0 {
		return nil
	}
	return b.RunHooks(ctx, HookRequest{
		Merged: merged, RemoteUser: cmp.Or(l.remote.User, rt.User), WorkspaceFolder: l.remote.WorkspaceFolder,
		StartOnly: true, HookOptions: HookOptions{Output: output},
	})
}

// patchScript prepares the system's files for login shells, once. $1 is appended to /etc/environment. If /etc/profile
// sets PATH unconditionally, the container's PATH takes precedence.
const patchScript = `d=/var/devcontainer
mkdir -p $d || exit
( set -C; : >$d/.patchEtcEnvironmentMarker ) 2>/dev/null && printf '%s\n' "$1" >>/etc/environment
( set -C; : >$d/.patchEtcProfileMarker ) 2>/dev/null && [ -f /etc/profile ] &&
	sed -i -E 's/((^|[[:space:]])PATH=)([^$]*)$/\1${PATH:-\3}/' /etc/profile
:`

// patchLoginFiles runs patchScript as root. If the container does not allow that, login shells keep their own
// environment.
func (b *Box) patchLoginFiles(ctx context.Context, rt engine.Detail) error {
	_, why, code, err := b.Engine.ExecOutput(ctx, b.ID, engine.Process{
		Cmd: []string{"/bin/sh", "-c", patchScript, "sh", devcontainer.EtcEnvironment(rt.Env)}, User: "root", Dir: "/",
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || code != 0 {
		b.Teller.Debugf("/etc/environment and /etc/profile of container %.12s: exit code %d, %v, %s", b.ID, code, err, why)
	}
	return nil
}

// hookRun runs hooks in one container.
type hookRun struct {
	box          *Box
	req          HookRequest
	session      *session
	keeper       keeper
	containerEnv map[string]string
	// needsDotfiles says that the user's dotfiles are still to be installed.
	needsDotfiles bool
	// markers are names and contents of marker files that must still be written.
	markers []string
}

// due leaves of the hooks without a marker those that the request asks for.
func (r *hookRun) due(hooks []devcontainer.Hook) []devcontainer.Hook {
	return slices.DeleteFunc(hooks, func(h devcontainer.Hook) bool {
		return r.req.NoWait && h.Late || r.req.SkipAttach && h.Marker == "" ||
			r.req.StartOnly && h.Name != devcontainer.PostStart
	})
}

// runAll runs the hooks in order until one fails. The user's dotfiles come when the container is made, before what runs
// at each start.
func (r *hookRun) runAll(ctx context.Context, due []devcontainer.Hook) error {
	made := slices.IndexFunc(due, func(h devcontainer.Hook) bool {
		return h.Name == devcontainer.PostStart || h.Name == devcontainer.PostAttach
	})
	if made < 0 {
		made = len(due)
	}
	if err := r.runEach(ctx, due[:made]); err != nil {
		return err
	}
	if err := r.installDotfiles(ctx); err != nil {
		return err
	}
	if err := r.runEach(ctx, due[made:]); err != nil {
		return err
	}
	return r.writeMarkers(ctx)
}

// runEach runs the hooks in order until one fails.
func (r *hookRun) runEach(ctx context.Context, due []devcontainer.Hook) error {
	for _, hook := range due {
		if err := r.run(ctx, hook); err != nil {
			if markErr := r.writeMarkers(ctx); markErr != nil {
				r.box.Teller.Debugf("%v", markErr)
			}
			return err
		}
	}
	return nil
}

// run runs one hook, and leaves its marker.
func (r *hookRun) run(ctx context.Context, hook devcontainer.Hook) error {
	for _, c := range hook.Commands {
		if err := r.runParallel(ctx, hook.Name, c); err != nil {
			return err
		}
	}
	if hook.Marker == "" {
		return nil
	}
	r.markers = append(r.markers, hook.Marker, hook.Content)
	if len(hook.Commands) == 0 {
		// The marker is written with the next one.
		return nil
	}
	return r.writeMarkers(ctx)
}

// markScript writes the files named in $2, $4 and so on into the folder $1, each with the next argument as its content.
const markScript = `d=$1
mkdir -p "$d" || exit
shift
while [ $# -gt 1 ]; do printf '%s\n' "$2" >"$d/$1" || exit; shift 2; done`

// writeMarkers writes the pending markers. Their hooks have run, so an interruption does not keep them from being
// written. A container that has no place for them works all the same; the user is told what follows.
func (r *hookRun) writeMarkers(ctx context.Context) error {
	if len(r.markers) == 0 {
		return nil
	}
	cmd := append([]string{"/bin/sh", "-c", markScript, "sh", r.keeper.folder}, r.markers...)
	r.markers = nil
	p := engine.Process{Cmd: cmd, User: r.keeper.user, Dir: "/"}
	_, why, code, err := r.box.Engine.ExecOutput(context.WithoutCancel(ctx), r.box.ID, p)
	if err == nil && code != 0 {
		r.box.Teller.Warnf("warning: lifecycle hooks that have run will run again: container %.12s cannot note them: %s",
			r.box.ID, strings.TrimSpace(string(why)))
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// runParallel runs the commands of a hook that belong together at once and waits for all of them. If several fail, the
// error is that of the first in the file.
func (r *hookRun) runParallel(ctx context.Context, hook string, c devcontainer.Origin) error {
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
			out := r.lines(name, &lock)
			shown := out.mask.Replace(each.Text())
			out.print(fmt.Sprintf("%s: %s", c.From, shown))
			errs[i] = r.exec(ctx, each, out)
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

// lines takes the output of one program; the programs that run at once share the lock.
func (r *hookRun) lines(name string, lock *sync.Mutex) *lineWriter {
	return &lineWriter{
		to: r.req.Output, lock: lock, prefix: name + " | ", mask: devcontainer.Mask(r.req.Secrets), tail: new(tail),
	}
}

// exec runs one program of a hook.
func (r *hookRun) exec(ctx context.Context, c devcontainer.NamedCommand, out *lineWriter) error {
	s, errs := r.session, out.stderr()
	code, err := r.box.Engine.Exec(ctx, r.box.ID, engine.Process{
		Cmd: c.Argv(), User: s.User, Dir: s.Dir, Stdout: out, Stderr: errs,
		Env: devcontainer.Variables{
			Probed: s.Env, Container: r.containerEnv, Remote: r.req.Merged.RemoteEnv, Root: s.Root,
		}.Environment(r.req.RemoteEnv, r.req.Secrets),
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

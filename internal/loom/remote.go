package loom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
)

// session is what a command in one start of a dev container's container runs with. It is kept in a file of the user's cache,
// since it takes a login shell to learn it: exec would be twice as slow. A new start, and whatever ran as a hook or in a shell, may
// have changed it.
type session struct {
	// StartedAt, User, Probe and Folder are what the rest holds for.
	StartedAt, User, Probe, Folder string
	// Home is the user's; Dir is where commands run: Folder, or Home where that does not exist.
	Home, Dir string
	Root      bool
	// Env is the probed environment; Probed says that it was asked for.
	Env    map[string]string
	Probed bool
	// Hooked says that all hooks of this start have run.
	Hooked bool
}

// probePatience bounds the start of the user's shell, as in the reference CLI.
const probePatience = 10 * time.Second

// stateScript tells of the user who runs it: $1 is the container's HOME, $2 the workspace folder. The home is the container's
// where the user may write there, else that of the passwd file.
const stateScript = `u=$(id -u)
p=$(getent passwd "$u" 2>/dev/null || grep "^[^:]*:[^:]*:$u:" /etc/passwd 2>/dev/null)
p=${p%%
*}
ph=$(echo "$p" | cut -d: -f6) h=$1
if [ -z "$h" ] || { [ "$h" != "$ph" ] && [ "$u" != 0 ] && [ -e "$h" ] && [ ! -w "$h" ]; }; then h=${ph:-/root}; fi
echo "uid=$u"
echo "shell=${p##*:}"
echo "home=$h"
[ -d "$2" ] && echo "dir=$2"
shift 2
for m; do echo "$m=$(cat "$h/.devcontainer/$m" 2>/dev/null)"; done`

// remoteState asks the container about the user. The map also has the markers, by their names.
func (l *Looms) remoteState(ctx context.Context, id, user, folder string, rt engine.Runtime) (session, map[string]string, error) {
	cmd := append([]string{"/bin/sh", "-c", stateScript, "sh", rt.Env["HOME"], folder}, devcontainer.MarkerFiles...)
	out, why, code, err := l.Engine.ExecOutput(ctx, id, engine.Process{Cmd: cmd, User: user, Dir: "/"})
	if err == nil && code != 0 {
		err = fmt.Errorf("container %.12s: its user %s cannot be asked about: exit code %d %s%s", id, user, code, out, why)
	}
	if err != nil {
		return session{}, nil, err
	}
	state := map[string]string{}
	for _, line := range strings.Split(string(out), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			state[k] = v
		}
	}
	r := session{StartedAt: rt.StartedAt, User: user, Folder: folder, Home: state["home"], Dir: state["dir"], Root: state["uid"] == "0"}
	if r.Dir == "" {
		r.Dir = r.Home
	}
	if shell := rt.Env["SHELL"]; shell != "" {
		state["shell"] = shell
	}
	if state["shell"] == "" {
		state["shell"] = "/bin/sh"
	}
	return r, state, nil
}

// probe asks the user's shell for its environment. A shell that cannot be asked leaves the container's own.
func (l *Looms) probe(ctx context.Context, id string, r *session, probe, shell string) error {
	const mark = "docker-loom-environment"
	r.Probe, r.Probed = probe, true
	cmd := devcontainer.ProbeCommand(probe, shell, mark)
	if cmd == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	out, why, code, err := l.Engine.ExecOutput(limited, id, engine.Process{Cmd: cmd, User: r.User, Dir: r.Dir, Grace: time.Second})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Env = devcontainer.ParseProbe(string(out), mark, engine.Marker)
	if r.Env == nil {
		l.Teller.Debugf("environment of %s from %q: exit code %d, %v, %s", r.User, cmd, code, err, why)
	}
	return nil
}

// remembered is what the cache has of this start of a container for this user, probe and folder, nil where it has nothing.
func (l *Looms) remembered(id string, rt engine.Runtime, user, probe, folder string) *session {
	data, err := os.ReadFile(l.cached(id))
	if err != nil {
		return nil
	}
	var r session
	if json.Unmarshal(data, &r) != nil || r.StartedAt != rt.StartedAt || r.User != user || r.Folder != folder || r.Probed && r.Probe != probe {
		return nil
	}
	return &r
}

// remember keeps what was learnt, readable by the user alone: an environment may hold secrets. A cache that cannot be written costs
// time, not more.
func (l *Looms) remember(id string, r session) {
	path := l.cached(id)
	if path == "" {
		return
	}
	data, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicwriter.WriteFile(path, data, 0o600)
	}
	if err != nil {
		l.Teller.Debugf("cache of container %.12s: %v", id, err)
		return
	}
	l.sweepCache(filepath.Dir(path))
}

// sweepCache removes what was kept of containers that nobody has used for a month.
func (l *Looms) sweepCache(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > 30*24*time.Hour {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				l.Teller.Debugf("cache: %v", err)
			}
		}
	}
}

// reprobe forgets the environment: what ran may have changed the files that it comes from.
func (l *Looms) reprobe(id string) {
	path := l.cached(id)
	data, err := os.ReadFile(path)
	var r session
	if err != nil || json.Unmarshal(data, &r) != nil {
		return
	}
	r.Env, r.Probed = nil, false
	l.remember(id, r)
}

// cached is the file that is kept for a container, "" where there is no cache.
func (l *Looms) cached(id string) string {
	if l.Cache == "" {
		return ""
	}
	return filepath.Join(l.Cache, "containers", id+".json")
}

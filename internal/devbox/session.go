package devbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
)

// session is what commands of one user run with, in one start of the container. It is remembered in a file, because a
// login shell takes as long as a whole exec. A new start makes it outdated; hooks and shells make its environment
// outdated.
type session struct {
	// StartedAt, User, Probe and Folder are what the rest was read for.
	StartedAt, User, Probe, Folder string
	// Home is the user's home folder. Dir is where commands run: Folder, or Home if Folder does not exist.
	Home, Dir string
	Root      bool
	// Env is the probed environment. Probed reports that the shell was asked for it.
	Env    map[string]string
	Probed bool
	Done   done
}

// done is what up has done in this start of the container.
type done struct {
	// Prepared reports that login files and git's user are as they are to be, Hooked that all hooks have run.
	Prepared, Hooked bool
	// Dotfiles is the repository whose dotfiles are installed.
	Dotfiles string
}

// userState is what the container says of a user beside the session.
type userState struct {
	shell   string
	markers devcontainer.Markers
	keeper  keeper
}

// keeper is who writes the markers of lifecycle hooks, and into which folder: other tools look into the home of
// remoteUser. If that cannot be written, root keeps them elsewhere.
type keeper struct{ user, folder string }

// probeTimeout bounds the start of the user's shell, as in the reference CLI.
const probeTimeout = 10 * time.Second

// userScript describes the user that runs it: $1 is the container's HOME, $2 the workspace folder. The user's home is
// the container's HOME if the user can write there, otherwise the one in the passwd file; a number without an entry
// there has /, as for docker exec. Markers that the user cannot write at home are kept by root.
const userScript = `u=$(id -u)
p=$(getent passwd "$u" 2>/dev/null || grep "^[^:]*:[^:]*:$u:" /etc/passwd 2>/dev/null)
p=${p%%
*}
ph=$(echo "$p" | cut -d: -f6) h=$1
[ "$u" = 0 ] && d=/root || d=/
if [ -z "$h" ] || { [ "$h" != "$ph" ] && [ "$u" != 0 ] && [ -e "$h" ] && [ ! -w "$h" ]; }; then h=${ph:-$d}; fi
k=$h/.devcontainer
if [ "$u" != 0 ] && [ ! -w "$k" ] && { [ -e "$k" ] || [ ! -w "$h" ]; }; then k=/var/devcontainer/$u; echo "kept=$k"; fi
echo "uid=$u"
echo "shell=${p##*:}"
echo "home=$h"
[ -d "$2" ] && echo "dir=$2"
shift 2
for m; do echo "$m=$(cat "$k/$m" 2>/dev/null)"; done`

// askUser asks the container about a user.
func (b *Box) askUser(ctx context.Context, rt engine.Detail, user, folder string) (session, userState, error) {
	cmd := append([]string{"/bin/sh", "-c", userScript, "sh", rt.Env["HOME"], folder}, devcontainer.MarkerFiles...)
	out, why, code, err := b.Engine.ExecOutput(ctx, b.ID, engine.Process{Cmd: cmd, User: user, Dir: "/"})
	if err == nil && code != 0 {
		err = fmt.Errorf("container %.12s: cannot ask about its user %s: exit code %d %s%s", b.ID, user, code, out, why)
	}
	if err != nil {
		return session{}, userState{}, err
	}
	said := map[string]string{}
	for _, line := range strings.Split(string(out), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			said[k] = v
		}
	}
	s := session{
		StartedAt: rt.StartedAt, User: user, Folder: folder,
		Home: said["home"], Dir: said["dir"], Root: said["uid"] == "0",
	}
	if s.Dir == "" {
		s.Dir = s.Home
	}
	u := userState{shell: said["shell"], markers: said, keeper: keeper{user, said["home"] + "/.devcontainer"}}
	if said["kept"] != "" {
		u.keeper = keeper{"root", said["kept"]}
	}
	if shell := rt.Env["SHELL"]; shell != "" {
		u.shell = shell
	}
	if u.shell == "" {
		u.shell = "/bin/sh"
	}
	return s, u, nil
}

// probe asks the user's shell for its environment. If the shell does not answer, the container's own environment
// counts.
func (b *Box) probe(ctx context.Context, s *session, probe, shell string) error {
	const mark = "docker-loom-environment"
	s.Probe, s.Probed = probe, true
	cmd := devcontainer.ProbeCommand(probe, shell, mark)
	if cmd == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	p := engine.Process{Cmd: cmd, User: s.User, Dir: s.Dir, Grace: time.Second}
	out, why, code, err := b.Engine.ExecOutput(limited, b.ID, p)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.Env = devcontainer.ParseProbe(string(out), mark, engine.Marker)
	if s.Env == nil {
		b.Teller.Debugf("environment of %s from %q: exit code %d, %v, %s", s.User, cmd, code, err, why)
	}
	return nil
}

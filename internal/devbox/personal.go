package devbox

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/gitfile"
)

// Dotfiles is a repository of files for the user's home folder, as the reference CLI installs them.
type Dotfiles struct {
	// Repository is a URL, or OWNER/NAME of one on GitHub; "" for none.
	Repository string
	// InstallCommand is a program of the repository; "" is the first that it has of [installers]. Without one its dotfiles
	// are linked into the home folder.
	InstallCommand string
	// TargetPath is the folder in the container, "" for ~/dotfiles.
	TargetPath string
}

// installers are the programs that install dotfiles, as in the reference CLI.
var installers = []string{
	"install.sh", "install", "bootstrap.sh", "bootstrap", "script/bootstrap", "setup.sh", "setup", "script/setup",
}

// dotfilesMarker says to other tools too that the dotfiles are installed.
const dotfilesMarker = ".dotfilesMarker"

// onGitHub is OWNER/NAME.
var onGitHub = regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$`)

// url is the repository as git takes it.
func (d Dotfiles) url() string {
	if onGitHub.MatchString(d.Repository) {
		return "https://github.com/" + d.Repository + ".git"
	}
	return d.Repository
}

// dotfilesScript clones $2 to $3 and installs it with $4, or with the first of the further arguments that there is. $1
// is the folder of the markers.
const dotfilesScript = `[ -e "$1/` + dotfilesMarker + `" ] && exit 0
echo "$2"
command -v git >/dev/null || { echo "git is not in the container" >&2; exit 127; }
case $3 in "~"|"~/"*) t=$HOME${3#"~"};; *) t=$3;; esac
[ -e "$t" ] || git clone --quiet --depth 1 -- "$2" "$t" || exit
cd "$t" || exit
c=$4
shift 4
if [ -n "$c" ] && [ ! -f "$c" ]; then exec /bin/sh -c "$c"; fi
for f in "$c" "$@"; do
	if [ -f "$f" ]; then chmod +x "$f"; exec "./$f"; fi
done
for f in .[!.]* ..?*; do
	case $f in .git|.gitmodules) continue;; esac
	if [ -e "$f" ]; then ln -sfn "$PWD/$f" "$HOME/$f" || exit; fi
done`

// installDotfiles installs the user's dotfiles, once for each container. If they cannot be had, the dev container works
// all the same, and they are tried again the next time.
func (r *hookRun) installDotfiles(ctx context.Context) error {
	if !r.needsDotfiles {
		return nil
	}
	d := r.req.Dotfiles
	target := d.TargetPath
	if target == "" {
		target = "~/dotfiles"
	}
	command := []string{"/bin/sh", "-c", dotfilesScript, "sh", r.keeper.folder, d.url(), target, d.InstallCommand}
	command = append(command, installers...)
	out := r.lines("dotfiles", new(sync.Mutex))
	err := r.exec(ctx, devcontainer.NamedCommand{Command: devcontainer.Command{Exec: command}}, out)
	var failed *HookError
	if errors.As(err, &failed) {
		why := slices.DeleteFunc(failed.Tail, func(line string) bool { return line == d.url() })
		r.box.Teller.Warnf("warning: dotfiles of %s are not installed: exit code %d: %s",
			d.Repository, failed.ExitCode, strings.Join(why, "; "))
		return nil
	}
	if err == nil {
		r.session.Done.Dotfiles = d.Repository
		r.markers = append(r.markers, dotfilesMarker, d.Repository)
	}
	return err
}

// gitUserScript gives git in the home folder $1 the name $2 and the address $3, where it has none. Without git it
// writes the file $4, unless there is one: git may be installed later.
const gitUserScript = `export HOME=$1
if command -v git >/dev/null; then
	for k in name email; do
		[ -z "$2" ] || git config --get user.$k >/dev/null || git config --global user.$k "$2" || exit
		shift
	done
elif [ ! -e "$HOME/.gitconfig" ]; then printf %s "$4" >"$HOME/.gitconfig"; fi`

// setGitUser lets the user commit in the dev container. Where that cannot be, git says so itself.
func (r *hookRun) setGitUser(ctx context.Context) error {
	if r.req.GitUser == nil {
		return nil
	}
	name, email := r.req.GitUser(ctx)
	file := gitfile.UserSection(name, email)
	if file == "" {
		return nil
	}
	_, why, code, err := r.box.Engine.ExecOutput(ctx, r.box.ID, engine.Process{
		Cmd:  []string{"/bin/sh", "-c", gitUserScript, "sh", r.session.Home, name, email, file},
		User: r.session.User, Dir: "/",
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || code != 0 {
		r.box.Teller.Debugf("git's user in container %.12s: exit code %d, %v, %s", r.box.ID, code, err, why)
	}
	return nil
}

// Package git runs the git binary in a repository that others may have configured: it starts none of the repository's
// programs, and never asks for a password.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// hidden are the variables that would make git use another repository, index or pathspec rules than those of the
// folder. A git hook, for example, runs with GIT_DIR set.
//
// GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS stay, though git counts them among its local variables: containers and CI
// set safe.directory there, and without it git refuses a repository of another owner. GIT_CEILING_DIRECTORIES is the
// user's choice and stays too. PWD is hidden because git would spell paths by it.
var hidden = map[string]bool{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES": true,
	"GIT_COMMON_DIR":                   true,
	"GIT_CONFIG":                       true,
	"GIT_DIR":                          true,
	"GIT_GLOB_PATHSPECS":               true,
	"GIT_GRAFT_FILE":                   true,
	"GIT_ICASE_PATHSPECS":              true,
	"GIT_IMPLICIT_WORK_TREE":           true,
	"GIT_INDEX_FILE":                   true,
	"GIT_INTERNAL_SUPER_PREFIX":        true,
	"GIT_LITERAL_PATHSPECS":            true,
	"GIT_NAMESPACE":                    true,
	"GIT_NOGLOB_PATHSPECS":             true,
	"GIT_NO_REPLACE_OBJECTS":           true,
	"GIT_OBJECT_DIRECTORY":             true,
	"GIT_PREFIX":                       true,
	"GIT_REPLACE_REF_BASE":             true,
	"GIT_SHALLOW_FILE":                 true,
	"GIT_WORK_TREE":                    true,

	"GIT_OPTIONAL_LOCKS":  true,
	"GIT_TERMINAL_PROMPT": true,
	"LC_ALL":              true,
	"PWD":                 true,
}

// failure says that a git command ran and failed.
type failure struct {
	command string // its name, as in "rev-parse"
	dir     string
	stderr  string // without the last line end
	err     error
}

func (e *failure) Error() string {
	if e.stderr == "" {
		return fmt.Sprintf("git %s in %s: %v", e.command, e.dir, e.err)
	}
	return fmt.Sprintf("git %s in %s: %s", e.command, e.dir, e.stderr)
}

func (e *failure) Unwrap() error { return e.err }

// Said returns what a git command that ran and failed wrote to its standard error. ok is false for any other error.
func Said(err error) (text string, ok bool) {
	failed, ok := errors.AsType[*failure](err)
	if !ok {
		return "", false
	}
	return failed.stderr, true
}

// locking are the commands that briefly lock a whole file of the repository. If such a command is killed, its lock
// stays for ever: git never removes it, and nobody can tell that its process is dead. So these commands run in a
// process group of their own, where a Ctrl-C does not reach them, and finish. They never read the terminal, which that
// group could not.
var locking = map[string]bool{"branch": true, "config": true, "update-ref": true}

// lastWords is the time that a git command has to remove its locks after it was told to end.
const lastWords = 5 * time.Second

// Run runs one git command in dir and returns its standard output, also together with an error. A repository's
// configuration can make git run programs; those that run without being asked for (hooks, the fsmonitor) are switched
// off. Messages are in English, optional locks are not taken, and git never asks for a password.
func Run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return Invocation{Dir: dir}.Run(ctx, args...)
}

// Invocation is one call of git: where, with which variables more, and with what on its standard input.
type Invocation struct {
	Dir   string
	Env   []string
	Stdin []byte
}

// Run is like the function Run. It is the only place where docker loom starts git.
func (v Invocation) Run(ctx context.Context, args ...string) ([]byte, error) {
	all := append([]string{
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull,
		// In ms: how long git waits for locks of refs that another process holds.
		"-c", "core.filesRefLockTimeout=5000", "-c", "core.packedRefsTimeout=5000",
	}, args...)
	dir := v.Dir
	cmd := exec.CommandContext(ctx, "git", all...)
	if locking[name(args)] {
		apart(cmd)
		cmd.Cancel, cmd.WaitDelay = func() error { return terminate(cmd) }, lastWords
	} else {
		// A command that writes a work tree must end with this process: the next docker loom command finishes or removes
		// the same tree.
		defer attach(cmd)()
	}
	cmd.Dir = dir
	cmd.Env = append(environ(os.Environ()), v.Env...)
	if v.Stdin != nil {
		cmd.Stdin = bytes.NewReader(v.Stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err == nil {
		return stdout.Bytes(), nil
	}
	if ctx.Err() != nil {
		// Otherwise the user who pressed Ctrl-C reads "signal: killed".
		return nil, fmt.Errorf("git %s in %s: %w", name(args), dir, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return nil, fmt.Errorf("git %s in %s: %w", name(args), dir, err)
	}
	text := strings.TrimRight(stderr.String(), "\r\n")
	return stdout.Bytes(), &failure{command: name(args), dir: dir, stderr: text, err: err}
}

// name returns the first argument that is not an option: git's own options come before the command.
func name(args []string) string {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			return a
		}
	}
	return ""
}

// environ returns env as git will see it.
func environ(env []string) []string {
	out := make([]string, 0, len(env)+3)
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		if runtime.GOOS == "windows" {
			k = strings.ToUpper(k)
		}
		if !hidden[k] {
			out = append(out, kv)
		}
	}
	return append(out, "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
}

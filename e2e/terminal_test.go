//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

// screen is a terminal of 80 columns in which the test's user types: tmux, with a server of its own.
type screen struct {
	*field
	socket string
}

// newScreen opens a terminal in the repository's main checkout, with these variables beside the user's own.
func (f *field) newScreen(env ...string) *screen {
	f.Helper()
	s := &screen{field: f, socket: filepath.Join(f.work, "tmux")}
	// The server outlives this command, and ends with the test.
	f.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	cmd := f.command(f.repoDir, "tmux", "-S", s.socket, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "40", "sh")
	cmd.Env = append(append(cmd.Env, "PS1=$ ", "TERM=xterm-256color"), env...)
	o := run(cmd)
	assert.NilError(f, o.err, "tmux: %s", o)
	return s
}

// keys types; names such as Enter and C-c are keys.
func (s *screen) keys(keys ...string) {
	s.Helper()
	o := run(s.command(s.repoDir, "tmux", append([]string{"-S", s.socket, "send-keys"}, keys...)...))
	assert.NilError(s, o.err, "tmux: %s", o)
}

// shows waits until the screen has the text, and returns it.
func (s *screen) shows(want string) string {
	s.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		o := run(s.command(s.repoDir, "tmux", "-S", s.socket, "capture-pane", "-p"))
		assert.NilError(s, o.err, "tmux: %s", o)
		if strings.Contains(o.stdout.String(), want) {
			return o.stdout.String()
		}
		if time.Now().After(deadline) {
			s.Fatalf("the screen does not show %q:\n%s", want, &o.stdout)
		}
	}
}

// TestInitOnATerminal: init asks for what is new, with the defaults filled in, and Ctrl-C ends it without a trace.
func TestInitOnATerminal(t *testing.T) {
	notCore(t)
	const place = 8
	f := newField(t, "init", place, map[string]string{
		"compose.yaml": `services:
  web:
    image: ` + image + `
    ports: ["${ILOOM_PORT_WEB:-3000}:80"]
  db:
    image: ` + image + `
    ports: ["${ILOOM_PORT_DB}:5432"]
`,
		".iloom/settings.json": "{\n  // ours\n  \"mainBranch\": \"main\"\n}\n",
	})
	s := f.newScreen()
	settings := filepath.Join(f.repoDir, ".iloom", "settings.json")

	s.keys("docker loom init", "Enter")
	s.shows("DB (db, container port 5432) [5432]:")
	s.keys("C-c")
	s.shows("interrupted")
	s.keys("clear; echo all' 'gone", "Enter") // otherwise the question is still on the screen, and its answer goes to the shell
	s.shows("all gone")
	b, err := os.ReadFile(settings)
	assert.NilError(t, err)
	assert.Equal(t, string(b), "{\n  // ours\n  \"mainBranch\": \"main\"\n}\n")

	s.keys("clear; docker loom init", "Enter")
	s.shows("DB (db, container port 5432) [5432]:")
	s.keys("0", "Enter")
	s.shows("DB: 0 is not a port")
	s.keys("5555", "Enter")
	s.shows("WEB (web, container port 80) [3000]:")
	s.keys("Enter")
	s.shows("wrote .iloom/settings.json")
	b, err = os.ReadFile(settings)
	assert.NilError(t, err)
	assert.Equal(t, string(b), `{
  // ours
  "mainBranch": "main",
  "container": {
    "ports": {
      "DB": 5555,
      "WEB": 3000
    }
  }
}
`)
	for _, line := range strings.Split(s.shows("wrote"), "\n") {
		assert.Assert(t, len(line) <= 80, "%q", line)
	}

	s.keys("clear; docker loom init", "Enter")
	s.shows("nothing new")
}

// TestHintsOnATerminal: after up the next commands are told, on a terminal, unless DOCKER_CLI_HINTS says no.
func TestHintsOnATerminal(t *testing.T) {
	notCore(t)
	const place = 9
	f := newField(t, "hints", place, pair(basePort(place)))
	s := f.newScreen()
	s.keys("docker loom up 123; echo the' 'end", "Enter")
	shown := s.shows("the end")
	assert.Assert(t, strings.Contains(shown, "docker loom down 123"), shown)
	assert.Assert(t, strings.Contains(shown, "What's next:\n    Open http://123.localhost:"), shown)
	assert.Assert(t, strings.Contains(shown, "→ docker loom open 123"), shown)
	for i, quiet := range []string{"docker loom up 123 --quiet", "DOCKER_CLI_HINTS=false docker loom up 123", "DOCKER_CLI_HINTS=0 docker loom up 123"} {
		// Each with an end of its own: that of the one before may still be on the screen.
		end := "the end " + strconv.Itoa(i)
		s.keys("clear; "+quiet+"; echo the' 'end "+strconv.Itoa(i), "Enter")
		shown := s.shows(end)
		assert.Assert(t, strings.Contains(shown, "http://123.localhost:") && !strings.Contains(shown, "What's next"), "%s:\n%s", quiet, shown)
	}
	f.must("down", "123", "--volumes")
}

// TestProgressOnATerminal: up redraws its progress in place and leaves the table; Ctrl-C ends logs that are followed, and an
// up that waits, with 130 and a word on what is left.
func TestProgressOnATerminal(t *testing.T) {
	notCore(t)
	const place = 9
	f := newField(t, "progress", place, map[string]string{"compose.yaml": `services:
  web:
    image: ` + image + `
    command: sh -c 'echo hello from web; exec httpd -f -p 80'
    stop_signal: SIGKILL
    ports: ["` + strconv.Itoa(basePort(place)) + `:80"]
  slow:
    image: ` + image + `
    command: sleep 1000
    stop_signal: SIGKILL
    profiles: [slow]
    healthcheck: {test: "false", interval: 1s, retries: 1000}
`})
	s := f.newScreen()
	s.keys("clear; docker loom up 123", "Enter")
	shown := s.shows("http://123.localhost:")
	assert.Assert(t, strings.Contains(shown, "[+] Running"), shown)
	// A plain log would have a line for each step of a container.
	assert.Equal(t, strings.Count(shown, "-123-web-1"), 1, shown)
	s.keys("clear; docker loom logs -f 123; echo the end: $?", "Enter")
	s.shows("hello from web")
	s.keys("C-c")
	s.shows("the end: 130")
	s.keys("clear; docker loom --profile slow up 123; echo the end: $?", "Enter")
	s.shows("slow-1")
	s.keys("C-c")
	shown = s.shows("the end: 130")
	assert.Assert(t, strings.Contains(shown, "interrupted"), shown)
	f.must("down", "123", "--volumes")
}

// TestListWatched: ls --watch follows the looms in one place of a terminal of 80 columns, until Ctrl-C.
func TestListWatched(t *testing.T) {
	notCore(t)
	const place = 9
	f := newField(t, "watched", place, pair(basePort(place)))
	f.must("up", "123")
	s := f.newScreen()
	s.keys("clear; docker loom ls --watch; echo the end: $?", "Enter")
	shown := s.shows("iB ")
	assert.Assert(t, strings.Contains(shown, "LOOM ") && strings.Contains(shown, "WORK TREE"), shown)
	assert.Assert(t, strings.Contains(shown, "running"), shown)
	f.must("stop", "123")
	shown = s.shows("stopped")
	assert.Equal(t, strings.Count(shown, "WORK TREE"), 1, shown)
	assert.Assert(t, !strings.Contains(shown, "iB "), shown)
	f.must("down", "123", "--volumes")
	s.keys("C-c")
	shown = s.shows("the end: 130")
	for line := range strings.Lines(shown) {
		assert.Assert(t, len([]rune(strings.TrimRight(line, " \n"))) <= 80, "%q", line)
	}
}

// TestQuestionsOnATerminal: Ctrl-C ends a question at once, Ctrl-D is a no, and without a terminal nothing goes that was not
// named.
func TestQuestionsOnATerminal(t *testing.T) {
	notCore(t)
	const place = 9
	f := newField(t, "asked", place, pair(basePort(place)))
	f.must("up", "1", "-q")
	s := f.newScreen()
	for i, tc := range []struct{ command, key, end string }{
		{"down --all --volumes", "C-c", "rc=130"}, {"down --all --volumes", "C-d", "rc=1"}, {"down --all-repositories", "C-c", "rc=130"},
	} {
		s.keys(fmt.Sprintf("clear; docker loom %s; echo rc=$? %d", tc.command, i), "Enter")
		assert.Check(t, strings.Contains(s.shows("[y/N]"), f.repo+"/1"))
		s.keys(tc.key)
		s.shows(fmt.Sprintf("%s %d", tc.end, i))
	}
	s.keys("clear; stty -a | grep -o ' icanon'; echo the' 'end", "Enter")
	assert.Check(t, strings.Contains(s.shows("the end"), "icanon"))
	o := f.loom("down", "--all", "--volumes")
	var code *exec.ExitError
	assert.Assert(t, errors.As(o.err, &code) && code.ExitCode() == 2 && strings.Contains(o.stderr.String(), "hint: --force"), "%s", o)
	assert.Equal(t, len(f.looms()), 1)
	f.must("down", "--all", "--volumes", "--force")
	o = f.loom("down", "1", "--volumes")
	assert.Assert(t, o.err == nil && strings.Contains(o.stderr.String(), "no loom "+f.repo+"/1: nothing to end"), "%s", o)
	o = f.loom("down", "1", "--volumes", "-q")
	assert.Equal(t, o.stdout.String()+o.stderr.String(), "")
}

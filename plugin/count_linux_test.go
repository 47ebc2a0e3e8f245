package plugin

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/worldtest/enginetest"
)

// TestWhatCommandsAskAndRead counts what commands ask the engine, which files they read, which git processes they start
// and how often they parse and compile. The numbers are in testdata/count: one request more fails the test, and
// go test ./plugin -run TestWhatCommandsAskAndRead -update writes them again.
func TestWhatCommandsAskAndRead(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds docker-loom")
	}
	program := buildCounting(t)
	for name, steps := range map[string][]step{
		"compose": {
			{"up, cold", "up 123"}, {"up, warm", "up 123"}, {"exec", "exec 123 web -- true"}, {"ps", "ps 123"},
			{"down", "down 123"}, {"down --volumes", "down 123 --volumes"},
		},
		"variable":     {{"up, cold", "up 123"}, {"up, warm", "up 123"}},
		"devcontainer": {{"up, cold", "up 123"}, {"up, warm", "up 123"}, {"exec", "exec 123 -- true"}, {"ps", "ps 123"}, {"down", "down 123"}},
		"initialize":   {{"up, cold", "up 123"}, {"up, warm", "up 123"}},
		"main":         {{"up, cold", "up"}, {"up, warm", "up"}, {"exec", "exec web -- true"}, {"ps", "ps"}, {"down", "down"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounted(t, program, filepath.Join("testdata", "count", name))
			var tables []string
			for _, s := range steps {
				tables = append(tables, c.count(s))
			}
			golden.Assert(t, strings.Join(tables, "\n"), filepath.Join("count", name+".golden"))
		})
	}
}

// step is a command whose table has a title.
type step struct{ title, command string }

// functions are those whose calls are counted, by the folder of their package.
var functions = map[string]map[string]string{
	"internal/settings":    {"ReadFiles": "settings read"},
	"internal/plan":        {"Make": "plan made"},
	"internal/registry":    {"Registry.Read": "registry read", "Registry.Peek": "registry read in passing", "Registry.Update": "registry transaction"},
	"internal/stack":       {"loadFiles": "project loaded from its files", "Model.Recompile": "project compiled again from memory"},
	"devcontainer":         {"Read": "devcontainer.json parsed"},
	"devcontainer/compile": {"Compile": "devcontainer.json compiled"},
}

// program is a docker-loom that counts the calls of its functions.
type program struct {
	path string
	// blocks is what is counted, by the file and line.column at which a function's body begins.
	blocks map[string]string
}

// buildCounting builds docker-loom with coverage counters in the packages of the functions.
func buildCounting(t *testing.T) *program {
	t.Helper()
	p := &program{path: filepath.Join(t.TempDir(), "docker-loom"), blocks: map[string]string{}}
	// Only a main package with counters writes them when the process ends.
	packages := []string{"./cmd/docker-loom"}
	for dir, names := range functions {
		packages = append(packages, "./"+dir)
		found := p.find(t, dir, names)
		assert.Equal(t, found, len(names), "functions of %s", dir)
	}
	slices.Sort(packages)
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-cover", "-covermode=atomic",
		"-coverpkg="+strings.Join(packages, ","), "-o", p.path, "./cmd/docker-loom")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	assert.NilError(t, err, "%s", out)
	return p
}

// find notes where the functions of a package begin, and returns how many it has.
func (p *program) find(t *testing.T, dir string, names map[string]string) (found int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*.go"))
	assert.NilError(t, err)
	for _, path := range paths {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		assert.NilError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(path, "_test.go") || names[functionName(f)] == "" {
				continue
			}
			at := set.Position(f.Body.Lbrace)
			key := fmt.Sprintf("%s/%s:%d.%d", dir, filepath.Base(path), at.Line, at.Column)
			p.blocks[key] = names[functionName(f)]
			found++
		}
	}
	return found
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	return receiver.(*ast.Ident).Name + "." + f.Name.Name
}

// counted is a machine with a repository, on which everything that a command asks and reads is counted.
type counted struct {
	*testing.T
	*program
	engine        *enginetest.Engine
	dir           string // of all below
	repo, home    string
	gitLog, calls string
	watch         int            // inotify's
	watched       map[int]string // folders by watch, as the tables call them
}

func newCounted(t *testing.T, p *program, files string) *counted {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	c := &counted{
		T: t, program: p, engine: enginetest.Start(t), dir: dir,
		repo: filepath.Join(dir, "shop"), home: filepath.Join(dir, "home"),
		gitLog: filepath.Join(dir, "git.log"), calls: filepath.Join(dir, "calls"),
		watched: map[int]string{},
	}
	for _, ref := range []string{"web:1", "db:1", "box:1"} {
		c.engine.AddImage(ref)
	}
	c.engine.Answer = func(command []string) string {
		if slices.ContainsFunc(command, func(part string) bool { return strings.Contains(part, "shell=") }) {
			// What a dev container says of its user.
			return "uid=0\nshell=/bin/sh\nhome=/root\ndir=/workspaces/shop\n"
		}
		return ""
	}
	assert.NilError(t, os.CopyFS(c.repo, os.DirFS(files)))
	c.write("[user]\nname = t\nemail = t@example.com\n[init]\ndefaultBranch = main\n", c.home, ".gitconfig")
	c.write("{}\n", c.home, ".config", "iloom-ai", "settings.json")
	// A registry that is not empty: without looms one looks for leases that were lost.
	c.write(`{"looms": [], "version": 1}`+"\n", c.home, ".docker", "loom", "registry.json")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "first"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir, cmd.Env = c.repo, c.environment()
		out, err := cmd.CombinedOutput()
		assert.NilError(t, err, "%s", out)
	}
	git, err := exec.LookPath("git")
	assert.NilError(t, err)
	c.write(fmt.Sprintf("#!/bin/sh\necho \"$*\" >>'%s'\nexec '%s' \"$@\"\n", c.gitLog, git), dir, "bin", "git")
	c.watchFolders()
	return c
}

func (c *counted) write(text string, parts ...string) {
	c.Helper()
	path := filepath.Join(parts...)
	assert.NilError(c, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(c, os.WriteFile(path, []byte(text), 0o755))
}

func (c *counted) environment() []string {
	return []string{
		"PATH=" + filepath.Join(c.dir, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + c.home, "DOCKER_HOST=" + c.engine.Host(), "DOCKER_CONFIG=" + filepath.Join(c.home, ".docker"),
		"GIT_CONFIG_NOSYSTEM=1", "GOCOVERDIR=" + c.calls,
	}
}

// watchFolders makes the kernel tell which files in these folders are opened.
func (c *counted) watchFolders() {
	c.Helper()
	var err error
	c.watch, err = unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	assert.NilError(c, err)
	c.Cleanup(func() { _ = unix.Close(c.watch) })
	for name, dir := range map[string]string{
		"": c.repo, ".iloom/": filepath.Join(c.repo, ".iloom"), ".devcontainer/": filepath.Join(c.repo, ".devcontainer"),
		"~/.config/iloom-ai/": filepath.Join(c.home, ".config", "iloom-ai"),
		"~/.docker/loom/":     filepath.Join(c.home, ".docker", "loom"),
	} {
		assert.NilError(c, os.MkdirAll(dir, 0o755))
		// Without the closing between them, two openings of one file would be one event.
		w, err := unix.InotifyAddWatch(c.watch, dir, unix.IN_OPEN|unix.IN_CLOSE)
		assert.NilError(c, err)
		c.watched[w] = name
	}
}

// count runs a command and writes the table of what it did.
func (c *counted) count(s step) string {
	c.Helper()
	assert.NilError(c, os.RemoveAll(c.calls))
	assert.NilError(c, os.Mkdir(c.calls, 0o755))
	assert.NilError(c, os.RemoveAll(c.gitLog))
	c.opened()
	c.engine.Requests()
	cmd := exec.CommandContext(c.Context(), c.path, strings.Fields(s.command)...)
	cmd.Dir, cmd.Env = c.repo, c.environment()
	out, err := cmd.CombinedOutput()
	c.Logf("%s\n%s", s.command, out)
	assert.NilError(c, err)
	var table strings.Builder
	fmt.Fprintf(&table, "%s: docker loom %s\n", s.title, s.command)
	for _, part := range []struct {
		title string
		times map[string]int
	}{
		{"asks the engine", c.requests()}, {"opens", c.opened()}, {"starts git", c.gitCommands()}, {"calls", c.called()},
	} {
		fmt.Fprintf(&table, "  %s\n", part.title)
		for _, what := range slices.Sorted(maps.Keys(part.times)) {
			fmt.Fprintf(&table, "    %2d  %s\n", part.times[what], what)
		}
		if len(part.times) == 0 {
			fmt.Fprint(&table, "    nothing\n")
		}
	}
	return table.String()
}

// requests are those that the engine got. Compose's own lists of containers are told by their filters: those of docker
// loom have neither of these labels.
func (c *counted) requests() map[string]int {
	const prefix = "com.docker.compose."
	times := map[string]int{}
	for _, r := range c.engine.Requests() {
		kind := r.Kind
		switch {
		case strings.HasSuffix(kind, " /_ping"):
			kind = "ping"
		case kind != "GET /containers/json":
			if len(r.Filters) > 0 {
				kind += " by " + strings.ReplaceAll(strings.Join(r.Filters, ", "), prefix, "")
			}
		case len(r.Filters) == 0:
			kind += ", all"
		case slices.Contains(r.Filters, prefix+"config-hash"), slices.Contains(r.Filters, prefix+"oneoff"):
			kind += ", Compose's"
		default:
			others := slices.DeleteFunc(r.Filters, func(label string) bool { return label == prefix+"project" })
			kind += ", of the project"
			if len(others) > 0 {
				kind += " by " + strings.Join(others, ", ")
			}
		}
		times[kind]++
	}
	return times
}

// opened are the files in the watched folders that were opened since the last call.
func (c *counted) opened() map[string]int {
	c.Helper()
	times, buffer := map[string]int{}, make([]byte, 1<<16)
	for {
		n, err := unix.Read(c.watch, buffer)
		if err == unix.EAGAIN {
			return times
		}
		assert.NilError(c, err)
		for rest := buffer[:n]; len(rest) > 0; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&rest[0]))
			end := unix.SizeofInotifyEvent + int(event.Len)
			name := string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00"))
			rest = rest[end:]
			assert.Assert(c, event.Mask&unix.IN_Q_OVERFLOW == 0)
			if event.Mask&unix.IN_OPEN != 0 && event.Mask&unix.IN_ISDIR == 0 && !isTemporary(name) {
				times[c.watched[int(event.Wd)]+name]++
			}
		}
	}
}

// isTemporary reports whether a file is one that is written and renamed.
func isTemporary(name string) bool { return strings.HasPrefix(name, ".tmp-") }

// gitCommands are the git processes that were started.
func (c *counted) gitCommands() map[string]int {
	c.Helper()
	times := map[string]int{}
	log, err := os.ReadFile(c.gitLog)
	if !os.IsNotExist(err) {
		assert.NilError(c, err)
	}
	for line := range strings.Lines(string(log)) {
		words := strings.Fields(line)
		for len(words) > 1 && strings.HasPrefix(words[0], "-") {
			if words[0] == "-C" || words[0] == "-c" {
				words = words[1:]
			}
			words = words[1:]
		}
		times["git "+words[0]]++
	}
	return times
}

// called are the calls of the functions.
func (c *counted) called() map[string]int {
	c.Helper()
	profile := filepath.Join(c.dir, "profile")
	out, err := exec.CommandContext(c.Context(), "go", "tool", "covdata", "textfmt", "-i="+c.calls, "-o="+profile).CombinedOutput()
	assert.NilError(c, err, "%s", out)
	text, err := os.ReadFile(profile)
	assert.NilError(c, err)
	times, seen := map[string]int{}, 0
	for line := range strings.Lines(string(text)) {
		// FILE:LINE.COLUMN,LINE.COLUMN STATEMENTS COUNT
		block, _, _ := strings.Cut(strings.TrimPrefix(line, "github.com/docker-loom/docker-loom/"), ",")
		what, ok := c.blocks[block]
		if !ok {
			continue
		}
		seen++
		fields := strings.Fields(line)
		n, err := strconv.Atoi(fields[len(fields)-1])
		assert.NilError(c, err)
		if n > 0 {
			times[what] += n
		}
	}
	assert.Equal(c, seen, len(c.blocks), "functions with a counter")
	return times
}

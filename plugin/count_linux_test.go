package plugin

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/worldtest/counting"
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
			{"up, cold", "up 123"},
			{"up, warm", "up 123"},
			{"exec", "exec 123 web -- true"},
			{"ps", "ps 123"},
			{"down", "down 123"},
			{"down --volumes", "down 123 --volumes"},
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
	"devcontainer":         {"ReadText": "devcontainer.json parsed"},
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
	counter           *counting.Counter
	engine            *enginetest.Engine
	dir               string // of all below
	repo, home, calls string
}

func newCounted(t *testing.T, p *program, files string) *counted {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	c := &counted{
		T: t, program: p, engine: enginetest.Start(t), dir: dir,
		repo: filepath.Join(dir, "shop"), home: filepath.Join(dir, "home"),
		calls: filepath.Join(dir, "calls"),
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
	c.counter, err = counting.New(dir, c.engine.Requests)
	assert.NilError(t, err)
	t.Cleanup(c.counter.Close)
	for prefix, dir := range map[string]string{
		"": c.repo, ".iloom/": filepath.Join(c.repo, ".iloom"), ".devcontainer/": filepath.Join(c.repo, ".devcontainer"),
		"~/.config/iloom-ai/": filepath.Join(c.home, ".config", "iloom-ai"),
		"~/.docker/loom/":     filepath.Join(c.home, ".docker", "loom"),
	} {
		assert.NilError(t, c.counter.Watch(prefix, dir))
	}
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
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + c.home, "DOCKER_HOST=" + c.engine.Host(), "DOCKER_CONFIG=" + filepath.Join(c.home, ".docker"),
		"GIT_CONFIG_NOSYSTEM=1", "GOCOVERDIR=" + c.calls,
	}
}

// count runs a command and writes the table of what it did.
func (c *counted) count(s step) string {
	c.Helper()
	assert.NilError(c, os.RemoveAll(c.calls))
	assert.NilError(c, os.Mkdir(c.calls, 0o755))
	_, err := c.counter.Parts()
	assert.NilError(c, err)
	cmd := exec.CommandContext(c.Context(), c.path, strings.Fields(s.command)...)
	cmd.Dir, cmd.Env = c.repo, append(c.environment(), "PATH="+c.counter.Path(os.Getenv("PATH")))
	out, err := cmd.CombinedOutput()
	c.Logf("%s\n%s", s.command, out)
	assert.NilError(c, err)
	parts, err := c.counter.Parts()
	assert.NilError(c, err)
	parts = append(parts, counting.Part{Title: "calls", Times: c.called()})
	return counting.Table(s.title+": docker loom "+s.command, parts)
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

// Package house_test holds the shape of the house that no linter knows: who may import whom, and what is taken from the
// process where.
package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

const module = "github.com/docker-loom/docker-loom"

// floors are the rooms from the top down. A room may import those of the floors below it; siblings only where the floor
// allows it.
var floors = []struct {
	siblings bool
	rooms    []string
}{
	{true, []string{"cmd"}},
	{true, []string{"plugin"}},
	{true, []string{"internal/agent", "internal/idle", "internal/doctor", "internal/inside", "internal/setup", "internal/inventory"}},
	{false, []string{"internal/loom"}},
	{true, []string{
		"internal/survey", "internal/plan", "internal/apply", "internal/devbox", "internal/image", "internal/data",
		"internal/trust", "internal/find", "internal/tree", "internal/report", "internal/belongings", "internal/permit",
	}},
	{false, []string{
		"internal/registry", "internal/settings", "internal/worktree", "internal/stack", "internal/engine",
		"internal/sandbox", "internal/identity", "internal/dotenv", "devcontainer", "overrides",
	}},
	{false, []string{
		"internal/jsonc", "internal/gitfile", "internal/finding", "internal/tell", "internal/ports", "internal/host",
		"internal/endpoint", "internal/rooted",
	}},
}

// file is a Go file of the program, without tests.
type file struct {
	path string // below the root
	*ast.File
	*token.FileSet
}

func programFiles(t *testing.T) []file {
	t.Helper()
	var files []file
	assert.NilError(t, filepath.WalkDir(".", func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (at != "." && strings.HasPrefix(name, ".") || name == "testdata" || at == "e2e" || at == "scripts") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, at, nil, parser.SkipObjectResolution|parser.ParseComments)
		files = append(files, file{filepath.ToSlash(at), parsed, set})
		return err
	}))
	assert.Assert(t, len(files) > 100)
	return files
}

// roomOf returns the floor and the room of a folder, -1 for one of no room.
func roomOf(dir string) (floor int, room string) {
	for i, f := range floors {
		for _, room := range f.rooms {
			if dir == room || strings.HasPrefix(dir, room+"/") {
				return i, room
			}
		}
	}
	return -1, dir
}

func TestImportsGoDownOnly(t *testing.T) {
	t.Parallel()
	for _, f := range programFiles(t) {
		dir := path.Dir(f.path)
		if dir == "internal/worldtest" || strings.HasPrefix(dir, "internal/worldtest/") {
			continue // a machine for tests
		}
		floor, room := roomOf(dir)
		assert.Check(t, floor >= 0, "%s has no floor", dir)
		for _, spec := range f.Imports {
			to, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if !ours {
				continue
			}
			below, other := roomOf(to)
			sibling := below == floor && (room == other || floors[floor].siblings)
			assert.Check(t, below > floor || sibling, "%s imports %s", f.path, to)
		}
	}
}

// TestTheProcessIsAskedAtTheTopOnly: below the command line everything that belongs to the process comes with the
// request, so that a server can serve several users.
func TestTheProcessIsAskedAtTheTopOnly(t *testing.T) {
	t.Parallel()
	taken := []string{"Getenv", "LookupEnv", "Environ", "Getuid", "Getgid", "Getwd", "Args", "Stdin", "Stderr", "Stdout", "UserHomeDir"}
	allowed := map[string]bool{
		"internal/host/process.go":     true, // where it is made a value
		"internal/stack/progress.go":   true, // Compose builds write to the process's own output
		"internal/worktree/git/git.go": true, // git's environment is the process's
		"internal/worldtest/world.go":  true,
	}
	for _, f := range programFiles(t) {
		if strings.HasPrefix(f.path, "cmd/") || strings.HasPrefix(f.path, "plugin/") || allowed[f.path] {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := s.X.(*ast.Ident)
			if ok && pkg.Name == "os" && slices.Contains(taken, s.Sel.Name) {
				t.Errorf("%s: os.%s", f.Position(s.Pos()), s.Sel.Name)
			}
			return true
		})
	}
}

// TestNoExportedFunctionTakesABool: a call with true in it says nothing.
func TestNoExportedFunctionTakesABool(t *testing.T) {
	t.Parallel()
	for _, f := range programFiles(t) {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			for _, p := range fn.Type.Params.List {
				if id, ok := p.Type.(*ast.Ident); ok && id.Name == "bool" {
					t.Errorf("%s: %s", f.Position(fn.Pos()), fn.Name.Name)
				}
			}
		}
	}
}

// TestNamesDifferByMoreThanCase looks at the names that a package declares.
func TestNamesDifferByMoreThanCase(t *testing.T) {
	t.Parallel()
	type key struct{ dir, receiver, lower string }
	seen := map[key]string{}
	for _, f := range programFiles(t) {
		declare := func(receiver string, id *ast.Ident) {
			k := key{path.Dir(f.path), receiver, strings.ToLower(id.Name)}
			if other, ok := seen[k]; ok && other != id.Name && id.Name != "_" {
				t.Errorf("%s: %s, beside %s", f.Position(id.Pos()), id.Name, other)
			}
			seen[k] = id.Name
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				receiver := ""
				if d.Recv != nil {
					receiver = typeName(d.Recv.List[0].Type)
				}
				declare(receiver, d.Name)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						declare("", s.Name)
					case *ast.ValueSpec:
						for _, id := range s.Names {
							declare("", id)
						}
					}
				}
			}
		}
	}
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestAPackageHasOneIdea: a limit that is hit is a sign that something wants to be its own thing.
func TestAPackageHasOneIdea(t *testing.T) {
	t.Parallel()
	const most = 3000
	lines := map[string]int{}
	for _, f := range programFiles(t) {
		if !ast.IsGenerated(f.File) {
			lines[path.Dir(f.path)] += f.FileSet.File(f.FileStart).LineCount()
		}
	}
	for dir, n := range lines {
		assert.Check(t, n <= most, "%s has %d lines, more than %d", dir, n, most)
	}
}

// TestATypeHasOneIdea counts the methods that are declared on a type, with pointer and value receivers.
func TestATypeHasOneIdea(t *testing.T) {
	t.Parallel()
	const most = 40
	type key struct{ dir, receiver string }
	methods := map[key]int{}
	for _, f := range programFiles(t) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
				methods[key{path.Dir(f.path), typeName(fn.Recv.List[0].Type)}]++
			}
		}
	}
	for k, n := range methods {
		assert.Check(t, n <= most, "%s: %s has %d methods, more than %d", k.dir, k.receiver, n, most)
	}
}

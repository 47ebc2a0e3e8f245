package trust

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
)

// devContainerProperties are those of the specification's schema.
func devContainerProperties(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "devcontainer.properties"))
	assert.NilError(t, err)
	var list []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	assert.Assert(t, len(list) > 70)
	return list
}

// isClassified reports whether a table has a field, or one that it is part of.
func isClassified(table fieldTable, field string) bool {
	for at := field; at != ""; at = at[:max(strings.LastIndex(at, "."), strings.LastIndex(at, "[]"), 0)] {
		if _, known := table[at]; known {
			return true
		}
	}
	return false
}

func TestEveryPropertyOfADevContainerIsClassified(t *testing.T) {
	t.Parallel()
	properties := devContainerProperties(t)
	for _, field := range properties {
		assert.Check(t, isClassified(devContainerFields, field), "%s is not in the table", field)
	}
	for field := range devContainerFields {
		assert.Check(t, slices.ContainsFunc(properties, func(p string) bool { return strings.HasPrefix(p, field) }),
			"%s is not a property", field)
	}
}

// TestWhatIsReadOfADevContainerIsClassified looks into the decoder: a property that docker loom learns to read must be
// judged from then on.
func TestWhatIsReadOfADevContainerIsClassified(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../devcontainer/*.go")
	assert.NilError(t, err)
	names := map[string]bool{}
	for _, path := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		assert.NilError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			literal, isText := call.Args[0].(*ast.BasicLit)
			if ok && isText && slices.Contains([]string{"Get", "Lookup"}, method.Sel.Name) {
				name, err := strconv.Unquote(literal.Value)
				assert.NilError(t, err)
				names[name] = true
			}
			return true
		})
	}
	assert.Assert(t, names["initializeCommand"] && names["options"])
	// Of the metadata of images and features alone, of what stands under a free name, and a tag of Go.
	elsewhere := []string{"id", "entrypoint", "vscode", "type", "source", "target", "cores", "json"}
	for name := range names {
		part := regexp.MustCompile(`(?:^|\.)` + regexp.QuoteMeta(name) + `(?:$|\.|\[)`)
		known := slices.Contains(elsewhere, name)
		for field := range devContainerFields {
			known = known || part.MatchString(field)
		}
		assert.Check(t, known, "%s is read, but not in the table", name)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[devcontainer.Metadata]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known := name == "" || slices.Contains(elsewhere, name)
		assert.Check(t, known || devContainerFields.has(name), "%s of the metadata is not in the table", name)
	}
}

func TestAnUnknownPropertyOfADevContainerIsHostAccess(t *testing.T) {
	t.Parallel()
	const known = `"image": "x", "containerEnv": {"A": "1"}, "build": {}, "portsAttributes": {"3000": {"label": "web"}}`
	tests := map[string]string{
		`"invented": "x"`:                             "invented: x",
		`"invented": {"a": [1]}`:                      `invented: {"a":[1]}`,
		`"invented": {}`:                              "invented: {}",
		`"invented": false`:                           "invented: false",
		`"invented": null`:                            "invented: null",
		`"Privileged": true`:                          "Privileged: true",
		`"build": {"invented": ["x"]}`:                `build.invented: ["x"]`,
		`"build": "x"`:                                "build: x",
		`"portsAttributes": {"1": {"invented": 1}}`:   "portsAttributes.1.invented: 1",
		`"hostRequirements": {"invented": 1}`:         "hostRequirements.invented: 1",
		`"runArgs": ["-v", "/:/host", "-e", "A=$B"]`:  `runArgs: ["-v","/:/host","-e","A=$B"]`,
		`"build": {"options": ["--network", "host"]}`: `build.options: ["--network","host"]`,
	}
	list, err := DevContainer(json.RawMessage("{" + known + "}"))
	assert.NilError(t, err)
	assert.DeepEqual(t, list, []string(nil))
	for property, want := range tests {
		list, err := DevContainer(json.RawMessage("{" + known + ", " + property + "}"))
		assert.NilError(t, err)
		assert.DeepEqual(t, list, []string{"devcontainer.json has " + want})
	}
}

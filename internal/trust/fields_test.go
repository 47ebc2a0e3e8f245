package trust

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"
)

// schemaFields lists the fields of a JSON schema: what has no fields of its own.
func schemaFields(t *testing.T, text string) []string {
	t.Helper()
	var root map[string]any
	assert.NilError(t, json.Unmarshal([]byte(text), &root))
	found := map[string]bool{}
	var walk func(node map[string]any, field string, within []string)
	walk = func(node map[string]any, field string, within []string) {
		if ref, ok := node["$ref"].(string); ok {
			if slices.Contains(within, ref) {
				return
			}
			at := any(root)
			for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				at = at.(map[string]any)[name]
			}
			walk(at.(map[string]any), field, append(slices.Clip(within), ref))
			return
		}
		inner := false
		below := func(node any, name string) {
			if m, ok := node.(map[string]any); ok {
				walk(m, strings.TrimPrefix(name, "."), within)
				inner = true
			}
		}
		for _, kind := range []string{"oneOf", "anyOf", "allOf"} {
			list, _ := node[kind].([]any)
			for _, one := range list {
				below(one, field)
			}
		}
		properties, _ := node["properties"].(map[string]any)
		for name, one := range properties {
			below(one, field+"."+name)
		}
		patterns, _ := node["patternProperties"].(map[string]any)
		for pattern, one := range patterns {
			if pattern != "^x-" {
				below(one, field+".*")
			}
		}
		below(node["additionalProperties"], field+".*")
		below(node["items"], field+"[]")
		if !inner {
			found[field] = true
		}
	}
	walk(root, "", nil)
	return slices.Sorted(maps.Keys(found))
}

// shortForms are what Compose's loader writes out: a list or a scalar in the place of a structure.
func shortForm(field string, fields []string) bool {
	base := strings.TrimSuffix(field, "[]")
	return slices.ContainsFunc(fields, func(other string) bool {
		rest, ok := strings.CutPrefix(other, base)
		return ok && rest != "" && other != field && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "[]"))
	})
}

func TestEveryPropertyOfComposesSchemaIsClassified(t *testing.T) {
	t.Parallel()
	fields := schemaFields(t, schema.Schema)
	assert.Assert(t, len(fields) > 300)
	var unknown []string
	for _, field := range fields {
		known := false
		for at := field; at != "" && !known; {
			_, known = composeFields[at]
			if list, ok := strings.CutSuffix(at, ".*"); ok && !known {
				_, known = composeFields[list+"[]"] // the loader makes a list of a map
			}
			i := max(strings.LastIndex(at, "."), 0)
			if j := strings.LastIndex(at, "[]"); j > i {
				i = j
			}
			at = at[:i]
		}
		if !known && !shortForm(field, fields) {
			unknown = append(unknown, field)
		}
	}
	assert.DeepEqual(t, unknown, []string(nil))
}

func TestEveryFieldOfTheTableIsOfComposesModel(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	var walk func(of reflect.Type, field string)
	walk = func(of reflect.Type, field string) {
		there[field] = true
		switch of.Kind() {
		case reflect.Pointer:
			walk(of.Elem(), field)
		case reflect.Slice:
			walk(of.Elem(), field+"[]")
		case reflect.Map:
			walk(of.Elem(), field+".*")
		case reflect.Struct:
			for i := range of.NumField() {
				f := of.Field(i)
				name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
				if !f.IsExported() || name == "-" || strings.Contains(options, "inline") {
					continue
				}
				if name == "" {
					name = strings.ToLower(f.Name)
				}
				walk(f.Type, strings.TrimPrefix(field+"."+name, "."))
			}
		}
	}
	walk(reflect.TypeFor[types.Project](), "")
	// The schema has them, the loader takes them out.
	gone := []string{
		"version", "include[].path", "include[].env_file", "include[].project_directory", "networks.*.ipam.options",
		"services.*.pull_refresh_after",
	}
	for field := range composeFields {
		if !there[field] && !slices.Contains(gone, field) {
			t.Errorf("%s: the model has no such field", field)
		}
	}
}

// A later Compose has more properties: its loader fills fields that no table names.
func TestAnUnknownFieldOfComposesModelIsHostAccess(t *testing.T) {
	t.Parallel()
	type part struct {
		Name     string `yaml:"name"`
		Invented any    `yaml:"invented"`
	}
	type service struct {
		types.ServiceConfig `yaml:",inline"`
		Invented            any `yaml:"invented"`
		Untagged            string
		Parts               []part            `yaml:"configs"`
		Extensions          types.Extensions  `yaml:"#extensions,inline"`
		Hidden              map[string]string `yaml:"-"`
	}
	type project struct {
		Services map[string]service `yaml:"services"`
		Volumes  map[string]part    `yaml:"volumes"`
		Invented *part              `yaml:"invented"`
	}
	var told []string
	fieldWalk{table: composeFields, tell: func(at place, says, value string) {
		told = append(told, strings.Join(at.path, ".")+" "+says+value)
	}}.walk(reflect.ValueOf(project{
		Services: map[string]service{"web": {
			ServiceConfig: types.ServiceConfig{Image: "x", Privileged: true}, Invented: []string{"a"}, Untagged: "b",
			Parts: []part{{Invented: 3}}, Extensions: types.Extensions{"x-a": "b"}, Hidden: map[string]string{"a": "b"},
		}},
		Volumes: map[string]part{"data": {Name: "x", Invented: map[string]string{"a": "b"}}}, Invented: &part{Name: "c"},
	}), place{})
	slices.Sort(told)
	assert.DeepEqual(t, told, []string{
		"invented.name c", "services.web.configs.invented 3", "services.web.invented a",
		"services.web.privileged is privilegedtrue", "services.web.untagged b", "volumes.data.invented.a b",
	})
}

package trust

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// A field is a place in a model, as its schema names it: services.*.ports[].target. A * stands for a name that the
// files choose, [] for an element of a list.

// fieldGroup are fields that are judged alike.
type fieldGroup struct {
	// below is what the names of the fields begin with, fields are the rest of them, separated by blanks.
	below, fields string
	// harmless reports whether a value may change without a question; nil for none.
	harmless func(value string) bool
	// says is how host access of the fields is told, with the value for %s; "" for the name of the field and its value.
	says string
	// why is the reason.
	why string
}

// fieldTable says of each field of a model whether a change of it is host access. What it does not name is.
type fieldTable map[string]fieldGroup

func tableOf(groups ...fieldGroup) fieldTable {
	table := fieldTable{}
	for _, g := range groups {
		for name := range strings.FieldsSeq(g.fields) {
			table[g.below+name] = g
		}
	}
	return table
}

// place is a value's place in a model.
type place struct {
	// field is as the table names it, path as the files do, without the numbers of list elements.
	field string
	path  []string
}

func (p place) child(name, path string) place {
	field := name
	if p.field != "" {
		field = p.field + "." + name
	}
	return place{field, append(slices.Clip(p.path), path)}
}

func (p place) element() place { return place{p.field + "[]", p.path} }

// fieldWalk tells of each field that is host access.
type fieldWalk struct {
	table fieldTable
	// isNamed says that fields are the keys of maps, as in JSON. Without it all keys are names that the files choose.
	isNamed bool
	tell    func(at place, says, value string)
}

// walk goes through a model: structures with yaml names, maps whose keys the files choose, lists and scalars.
func (w fieldWalk) walk(v reflect.Value, at place) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.IsZero() {
		return
	}
	if g, known := w.table[at.field]; known {
		w.judge(g, v, at)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		w.structure(v, at)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			w.walk(v.MapIndex(key), w.under(at, key.String()))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.walk(v.Index(i), at.element())
		}
	default:
		w.tell(at, "", textOf(v))
	}
}

// under is the place of a map's key.
func (w fieldWalk) under(at place, key string) place {
	if named := at.child(key, key); w.isNamed && w.table.has(named.field) {
		return named
	}
	return at.child("*", key)
}

// has reports whether the table names a field, or one below it.
func (t fieldTable) has(field string) bool {
	for name := range t {
		if rest, ok := strings.CutPrefix(name, field); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

func (w fieldWalk) structure(v reflect.Value, at place) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.HasSuffix(options, "inline") || strings.Contains(options, "inline,"):
			// Extensions, whose names begin with x-: Compose leaves them alone.
		default:
			name = cmp.Or(name, strings.ToLower(f.Name))
			w.walk(v.Field(i), at.child(name, name))
		}
	}
}

// judge tells of a value of a known field, unless it is harmless. A value under a name that the files choose is judged
// as NAME=VALUE.
func (w fieldWalk) judge(g fieldGroup, v reflect.Value, at place) {
	if v.Kind() == reflect.Struct && g.harmless != nil {
		// The table speaks of a value, not of what a later schema may put in its place.
		w.structure(v, at)
		return
	}
	text := textOf(v)
	if strings.HasSuffix(at.field, ".*") {
		last := len(at.path) - 1
		text, at.path = at.path[last]+"="+text, at.path[:last]
	}
	if g.harmless == nil || !g.harmless(text) {
		w.tell(at, g.says, text)
	}
}

// textOf is a value as a user reads it.
func textOf(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		text, err := json.Marshal(v.Interface())
		if err != nil {
			return fmt.Sprintf("%v", v.Interface())
		}
		return string(text)
	default:
		return fmt.Sprintf("%v", v.Interface())
	}
}

func always(string) bool { return true }

// oneOf reports whether a value is one of these. One that ends with a star stands for all that begin so.
func oneOf(values ...string) func(string) bool {
	return func(value string) bool {
		return slices.ContainsFunc(values, func(v string) bool {
			prefix, more := strings.CutSuffix(v, "*")
			return value == v || more && strings.HasPrefix(value, prefix)
		})
	}
}

// subjects are what the parts of a Compose project are called in messages.
var subjects = map[string]string{
	"services": "service", "networks": "network", "volumes": "volume", "secrets": "secret", "configs": "config",
	"models": "model",
}

// fields adds the fields of a project that are host access whatever stands in them.
func (a *access) fields(p *types.Project) {
	all := *p
	all.Services = p.AllServices()
	fieldWalk{table: composeFields, tell: func(at place, says, value string) {
		subject, rest := "the project", at.path
		if kind := subjects[at.path[0]]; kind != "" && len(at.path) > 1 {
			subject, rest = kind+" "+at.path[1], at.path[2:]
		}
		if says == "" {
			a.add("%s has %s: %s", subject, strings.Join(rest, "."), value)
			return
		}
		a.add("%s %s", subject, strings.Replace(says, "%s", value, 1))
	}}.walk(reflect.ValueOf(all), place{})
}

// isOwnLabel reports whether a label is Compose's, or docker loom's: what the files may have of those is judged by
// [Reserved].
func isOwnLabel(label string) bool {
	return strings.HasPrefix(label, "com.docker.compose.") || strings.HasPrefix(label, "ai.iloom.")
}

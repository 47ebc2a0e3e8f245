package trust

import (
	"cmp"
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
	mask    Mask
	tell    func(at place, says, value string)
}

// walk goes through a model: structures with yaml names, maps whose keys the files choose, lists and scalars.
func (w fieldWalk) walk(v reflect.Value, at place) {
	v = indirect(v)
	if isEmpty(v) {
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
			inner, known := w.under(at, key.String())
			value := indirect(v.MapIndex(key))
			switch g, judged := w.table[inner.field]; {
			case judged && strings.HasSuffix(inner.field, ".*"):
				// The name counts without a value too, as that of a label does.
				w.judge(g, value, inner)
			case known:
				w.walk(value, inner)
			default:
				// What an unknown name means by false or nothing is unknown too.
				w.tell(inner, "", w.mask.value(value))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.walk(v.Index(i), at.element())
		}
	default:
		w.tell(at, "", w.mask.value(v))
	}
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// indirect returns what pointers and interfaces lead to. It is not valid if one leads nowhere.
func indirect(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// under is the place of a map's key. It reports false for a key that no field has as its name.
func (w fieldWalk) under(at place, key string) (place, bool) {
	named, free := at.child(key, key), at.child("*", key)
	switch {
	case !w.isNamed:
		return free, true
	case w.table.has(named.field):
		return named, true
	default:
		return free, w.table.has(free.field)
	}
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
		case f.Type == reflect.TypeFor[types.Extensions]():
			// Their names begin with x-: Compose leaves them alone.
		case slices.Contains(strings.Split(options, ","), "inline"):
			w.walk(v.Field(i), at)
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
	text, shown := Mask{}.value(v), w.mask.value(v)
	if strings.HasSuffix(at.field, ".*") {
		last := len(at.path) - 1
		text, shown = at.path[last]+"="+text, w.mask.Text(at.path[last])+"="+shown
		at.path = at.path[:last]
	}
	if g.harmless == nil || !g.harmless(text) {
		w.tell(at, g.says, shown)
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
	fieldWalk{table: composeFields, mask: a.mask, tell: func(at place, says, value string) {
		subject, rest := "the project", at.path
		if kind := subjects[at.path[0]]; kind != "" && len(at.path) > 1 {
			subject, rest = kind+" "+at.path[1], at.path[2:]
		}
		if says == "" {
			says = "has " + strings.Join(rest, ".") + ": %s"
		}
		a.set[subject+" "+strings.Replace(says, "%s", value, 1)] = true
	}}.walk(reflect.ValueOf(all), place{})
}

// isOwnLabel reports whether a label is Compose's, or docker loom's: what the files may have of those is judged by
// [Reserved].
func isOwnLabel(label string) bool {
	return strings.HasPrefix(label, "com.docker.compose.") || strings.HasPrefix(label, "ai.iloom.")
}

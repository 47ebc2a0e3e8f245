package trust

import (
	"reflect"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Value is a value of a project, at a place of its model.
type Value struct{ Field, Path, Text string }

// ValuesOf lists all values of a project that are set.
func ValuesOf(p *types.Project) map[Value]bool {
	values := map[Value]bool{}
	all := *p
	all.Services = p.AllServices()
	fieldWalk{tell: func(at place, _, value string) {
		values[Value{at.field, strings.Join(at.path, "."), value}] = true
	}}.walk(reflect.ValueOf(all), place{})
	return values
}

// IsHarmless reports whether the table lets a value change without a question.
func (v Value) IsHarmless() bool {
	for at := v.Field; at != ""; at = at[:max(strings.LastIndex(at, "."), strings.LastIndex(at, "[]"), 0)] {
		g, known := composeFields[at]
		if !known {
			continue
		}
		text := v.Text
		if strings.HasSuffix(at, ".*") {
			_, name, _ := strings.Cut(v.Path, ".labels.")
			text = name + "=" + text
		}
		return g.harmless != nil && g.harmless(text)
	}
	return false
}

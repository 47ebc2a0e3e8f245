package trust

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// minMasked is the length from which a value is masked. A shorter one hides nothing that a guess would not find, and
// would be found in the middle of other words.
const minMasked = 4

// Mask puts the names of the user's variables in the place of their values: a line of access is stored and shown, and
// a variable may hold a password.
//
// What is masked must stay exact: two different values must not become one text, otherwise the second would be accepted
// with the first. So a dollar sign in a value is doubled, and every masked text can be read back, as long as the
// variables stay as they are. If the user gives a variable another value, the line stays the same: the user decided
// that. For this the value must be the user's. The caller leaves out what a file of the work tree also sets.
type Mask struct{ replacer *strings.Replacer }

// NewMask makes a mask of variables by their names.
func NewMask(variables map[string]string) Mask {
	type variable struct{ name, value string }
	var list []variable
	for name, value := range variables {
		if len(value) >= minMasked && !IsHarmlessVariable(name) {
			list = append(list, variable{name, value})
		}
	}
	// A value may be the beginning of another.
	slices.SortFunc(list, func(a, b variable) int {
		return cmp.Or(cmp.Compare(len(b.value), len(a.value)), cmp.Compare(a.name, b.name))
	})
	var pairs []string
	for _, v := range list {
		pairs = append(pairs, v.value, "${"+v.name+"}")
	}
	return Mask{strings.NewReplacer(append(pairs, "$", "$$")...)}
}

// Text masks a text.
func (m Mask) Text(s string) string {
	if m.replacer == nil {
		return s
	}
	return m.replacer.Replace(s)
}

// value is a value as a user reads it, masked. Texts are masked before JSON escapes them.
func (m Mask) value(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Invalid:
		return "null"
	case reflect.String:
		return m.Text(v.String())
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		var model any
		text, err := json.Marshal(v.Interface())
		if err == nil {
			err = json.Unmarshal(text, &model)
		}
		if err == nil {
			text, err = json.Marshal(m.model(model))
		}
		if err != nil {
			return m.Text(fmt.Sprintf("%v", v.Interface()))
		}
		return string(text)
	default:
		return m.Text(fmt.Sprintf("%v", v.Interface()))
	}
}

func (m Mask) model(of any) any {
	switch v := of.(type) {
	case string:
		return m.Text(v)
	case []any:
		masked := make([]any, 0, len(v))
		for _, one := range v {
			masked = append(masked, m.model(one))
		}
		return masked
	case map[string]any:
		masked := make(map[string]any, len(v))
		for key, one := range v {
			masked[m.Text(key)] = m.model(one)
		}
		return masked
	default:
		return of
	}
}

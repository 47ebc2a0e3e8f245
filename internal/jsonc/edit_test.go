package jsonc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tailscale/hujson"
	"gotest.tools/v3/assert"
	"pgregory.net/rapid"
)

func port(name string, base int) Change {
	return Change{Path: []string{"container", "ports", name}, Value: base}
}

func TestEditKeepsTheLooksOfTheFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"no members", "{}\n", "{\n  \"container\": {\n    \"ports\": {\n      \"WEB\": 3000\n    }\n  }\n}\n"},
		{"beside others", "{\n    \"a\": 1\n}\n", "{\n    \"a\": 1,\n    \"container\": {\n        \"ports\": {\n            \"WEB\": 3000\n        }\n    }\n}\n"},
		{"tabs", "{\n\t\"a\": 1\n}", "{\n\t\"a\": 1,\n\t\"container\": {\n\t\t\"ports\": {\n\t\t\t\"WEB\": 3000\n\t\t}\n\t}\n}"},
		{"trailing comma", "{\n  \"container\": {\n    \"ports\": {\n      \"API\": 1, // the api\n    },\n  },\n}", "{\n  \"container\": {\n    \"ports\": {\n      \"API\": 1, // the api\n      \"WEB\": 3000,\n    },\n  },\n}"},
		{"comment on the last line", "{\n  \"container\": {\n    \"ports\": {\n      \"API\": 1 // the api\n      // the end\n    }\n  }\n}", "{\n  \"container\": {\n    \"ports\": {\n      \"API\": 1, // the api\n      \"WEB\": 3000\n      // the end\n    }\n  }\n}"},
		{"one line", `{"container": {"ports": {"API": 1}}}`, `{"container": {"ports": {"API": 1, "WEB": 3000}}}`},
		{"one line, no members", `{"a": 1, "container": {}}`, `{"a": 1, "container": {"ports": {"WEB": 3000}}}`},
		{"one line with a comment", "{\"container\": {\"ports\": {\"API\": 1}}} // end\n", "{\"container\": {\"ports\": {\"API\": 1, \"WEB\": 3000}}} // end\n"},
		{"one line, trailing comma", `{"container": {"ports": {"API": 1,}}}`, `{"container": {"ports": {"API": 1, "WEB": 3000,}}}`},
		{"only a comment inside", "{\n  // nothing yet\n}\n", "{\n  // nothing yet\n  \"container\": {\n    \"ports\": {\n      \"WEB\": 3000\n    }\n  }\n}\n"},
		{"only a block comment inside", `{"container": {"ports": { /* none */ }}}`, `{"container": {"ports": { /* none */ "WEB": 3000 }}}`},
		{"block comment over lines", "{\n  \"a\": 1 /* of\n  this */\n}", "{\n  \"a\": 1, /* of\n  this */\n  \"container\": {\n    \"ports\": {\n      \"WEB\": 3000\n    }\n  }\n}"},
		{"CRLF and a mark", "\ufeff{\r\n  \"a\": 1 // x\r\n}\r\n", "\ufeff{\r\n  \"a\": 1, // x\r\n  \"container\": {\r\n    \"ports\": {\r\n      \"WEB\": 3000\r\n    }\r\n  }\r\n}\r\n"},
		{"replaced", "{\"container\": {\"ports\": {\"WEB\": /* was */ 4000 /* is */}}}", "{\"container\": {\"ports\": {\"WEB\": /* was */ 3000 /* is */}}}"},
		{"the last of two", `{"container": {"ports": {"WEB": 1, "WEB": 2}}}`, `{"container": {"ports": {"WEB": 1, "WEB": 3000}}}`},
		{"the same number", `{"container": {"ports": {"WEB": 3e3}}}`, `{"container": {"ports": {"WEB": 3e3}}}`},
		{"comment at the end without a line end", "{} // x", "{\n  \"container\": {\n    \"ports\": {\n      \"WEB\": 3000\n    }\n  }\n} // x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			given := []byte(tc.text)
			got, err := Edit("settings.json", given, port("WEB", 3000))
			assert.NilError(t, err)
			assert.Equal(t, string(got), tc.want)
			assert.Equal(t, string(given), tc.text, "the bytes given were written to")
		})
	}
}

func TestEditMakesAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	got, err := Edit("settings.json", nil, port("WEB", 3000), port("API", 4000), Change{Path: []string{"container", "configPath"}, Value: ".devcontainer/a/devcontainer.json"})
	assert.NilError(t, err)
	assert.Equal(t, string(got), `{
  "container": {
    "ports": {
      "WEB": 3000,
      "API": 4000
    },
    "configPath": ".devcontainer/a/devcontainer.json"
  }
}
`)
}

func TestEditErrorsNameTheirPlace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{`{"container": "yes"}`, `s.json:1:15: container: "yes" is not an object`},
		{`{"container": {"ports": [1]}}`, `s.json:1:25: container.ports: an array is not an object`},
		{`[]`, `s.json:1:1: an array is not an object`},
		{`{"a" 1}`, `s.json:1:6: invalid character '1' after object name`},
		{" \n", `s.json: empty, not even {}`},
		{strings.Repeat("[", 1<<19), `s.json: more than 10000 objects and arrays`},
		{strings.Repeat(" ", 1<<20) + "{}", `s.json: more than 1048576 bytes`},
	} {
		_, err := Edit("s.json", []byte(tc.text), port("WEB", 3000))
		assert.Error(t, err, tc.want)
	}
	_, err := Edit("s.json", nil, port("\xff", 1))
	assert.ErrorContains(t, err, "not UTF-8")
}

func TestEditNeverGivesAFileThatReadRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"a":[` + strings.Repeat("[],", MaxBrackets-3) + `]}`,
		`{"a":1` + strings.Repeat(" ", MaxBytes-8) + "}",
	} {
		_, err := Edit("s.json", []byte(text), port("WEB", 3000))
		assert.ErrorContains(t, err, "more than")
	}
}

// FuzzEdit holds for any document: the result parses, has the value, has every other value as it was, has every byte of
// the document in its order but for the value that was replaced, and a second edit changes nothing.
func FuzzEdit(f *testing.F) {
	for _, text := range []string{
		"{}", "{\n  // c\n}\n", `{"container": {"ports": {"WEB": 1}}}`, "\ufeff{\r\n\"a\": [1, {},], // x\r\n}", `{"container": null}`,
		"{\n\t\"container\": {\n\t\t\"ports\": {\n\t\t\t\"A\": 1, /* b */ // c\n\t\t},\n\t},\n}", `{"a": 1, "a": {"b": 1e9}} // end`, `{"container":{}/**/,}`,
	} {
		f.Add([]byte(text), "WEB", 3000, true)
		f.Add([]byte(text), "a", 1, false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, name string, value int, deep bool) {
		checkEdit(t, doc, name, value, deep)
	})
}

func TestEditOfAnyDocument(t *testing.T) {
	t.Parallel()
	space := rapid.SampledFrom([]string{"", "", " ", "\n", "\n  ", "\r\n\t", "/* c */", "// c\n", " /* {\n */ ", " // \"x\": 1,\r\n    "})
	names := rapid.SampledFrom([]string{"container", "ports", "WEB", "a", "", `x"y`, "ä"})
	var value func(t *rapid.T, depth int) string
	value = func(t *rapid.T, depth int) string {
		kinds := 4
		if depth > 0 {
			kinds = 6
		}
		list := func(shut string, element func() string) string {
			n := rapid.IntRange(0, 3).Draw(t, "n")
			var parts []string
			for range n {
				parts = append(parts, space.Draw(t, "s")+element()+space.Draw(t, "s"))
			}
			s := strings.Join(parts, ",")
			if n > 0 && rapid.Bool().Draw(t, "comma") {
				s += "," + space.Draw(t, "s")
			} else if n == 0 {
				s = space.Draw(t, "s")
			}
			return s + shut
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return "3000"
		case 1:
			return `"{text, // no comment"`
		case 2:
			return "null"
		case 3:
			return "1e1"
		case 4:
			return "[" + list("]", func() string { return value(t, depth-1) })
		}
		return "{" + list("}", func() string {
			name, _ := json.Marshal(names.Draw(t, "name"))
			return string(name) + space.Draw(t, "s") + ":" + space.Draw(t, "s") + value(t, depth-1)
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := space.Draw(t, "s") + value(t, 4) + space.Draw(t, "s")
		checkEdit(t, []byte(doc), names.Draw(t, "name"), rapid.SampledFrom([]int{10, 3000, -1}).Draw(t, "value"), rapid.Bool().Draw(t, "deep"))
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func checkEdit(t fataler, doc []byte, name string, value int, deep bool) {
	c := Change{Path: []string{name}, Value: value}
	if deep {
		c = port(name, value)
	}
	before, err := hujson.Parse(append(bytes.TrimPrefix(bytes.Clone(doc), []byte("\ufeff")), '\n'))
	if bytes.Count(doc, []byte("{"))+bytes.Count(doc, []byte("[")) > 1000 || !utf8.Valid(doc) {
		return
	}
	given := bytes.Clone(doc)
	got, editErr := Edit("s.json", doc, c)
	if !bytes.Equal(doc, given) {
		t.Fatalf("the bytes given were written to")
	}
	if doc == nil || err != nil || editErr != nil {
		if (doc != nil && err != nil) != (editErr != nil) && editErr == nil {
			t.Fatalf("%q is not JSON, and became %q", doc, got)
		}
		return
	}
	after, err := hujson.Parse(append(bytes.TrimPrefix(bytes.Clone(got), []byte("\ufeff")), '\n'))
	if err != nil {
		t.Fatalf("%q became %q: %v", doc, got, err)
	}
	old, had := lookUp(before, c.Path)
	now, has := lookUp(after, c.Path)
	if !has || decoded(t, now) != float64(value) {
		t.Fatalf("%q became %q, which has no %v", doc, got, c)
	}
	if had {
		mark := len(doc) - len(bytes.TrimPrefix(doc, []byte("\ufeff")))
		tail := doc[mark+old.EndOffset:]
		if !bytes.HasPrefix(got, doc[:mark+old.StartOffset]) || !bytes.HasSuffix(got, tail) {
			t.Fatalf("%q became %q: more changed than the value", doc, got)
		}
	} else if !within(bytes.Join(bytes.Fields(doc), nil), bytes.Join(bytes.Fields(got), nil)) {
		t.Fatalf("%q became %q: something went", doc, got)
	}
	if want := with(decoded(t, before), c.Path, float64(value)); !reflect.DeepEqual(decoded(t, after), want) {
		t.Fatalf("%q became %q: another value changed", doc, got)
	}
	again, err := Edit("s.json", got, c)
	if err != nil || !bytes.Equal(again, got) {
		t.Fatalf("%q became %q, and the same edit again %q, %v", doc, got, again, err)
	}
}

// lookUp finds the value at the path as a reader does, the last of members with one name.
func lookUp(v hujson.Value, path []string) (hujson.Value, bool) {
	for _, name := range path {
		o, ok := v.Value.(*hujson.Object)
		found := false
		for i := 0; ok && i < len(o.Members); i++ {
			if o.Members[i].Name.Value.(hujson.Literal).String() == name {
				v, found = o.Members[i].Value, true
			}
		}
		if !found {
			return v, false
		}
		if o == nil {
			return v, false
		}
	}
	return v, true
}

// decoded is the value as encoding/json reads it. Objects with a name twice keep both values apart in the bytes, which
// the other checks hold.
func decoded(t fataler, v hujson.Value) any {
	v = v.Clone()
	v.Standardize()
	dec := json.NewDecoder(bytes.NewReader(v.Pack()))
	var out any
	if err := dec.Decode(&out); err != nil {
		// 1e999 is a number of JSON and none of Go.
		return err.Error()
	}
	return out
}

// with is v with the value at the path set.
func with(v any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	m, ok := v.(map[string]any)
	if !ok {
		if _, isText := v.(string); isText {
			return v
		}
		m = map[string]any{}
	}
	m[path[0]] = with(m[path[0]], path[1:], value)
	return m
}

// within reports whether all bytes of part are in whole in their order.
func within(part, whole []byte) bool {
	for _, b := range part {
		i := bytes.IndexByte(whole, b)
		if i < 0 {
			return false
		}
		whole = whole[i+1:]
	}
	return true
}

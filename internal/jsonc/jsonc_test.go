package jsonc

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

func TestAValueKnowsItsPlaceBehindTabsInStrings(t *testing.T) {
	t.Parallel()
	n, err := Parse("f", []byte("{ // \"\t\n\t\"a\tb\": [\"\tx\", 'y']}"))
	assert.Error(t, err, "f:2:16: invalid character '\\'' at start of value")
	assert.Assert(t, n == nil)

	n, err = Parse("f", []byte("{\n\t\"a\tb\": [\"\tx\", {\"ä\": 1}], /* \" */ }"))
	assert.NilError(t, err)
	assert.Equal(t, string(n.JSON()), `{"a\tb":["\tx",{"ä":1}]}`)
	inner := n.Get("a\tb").Elements[1].Get("ä")
	assert.Error(t, inner.Errorf("bad"), `f:2:22: "a\tb"[1]."ä": bad`)
	assert.Equal(t, inner.AtName().Place(), "f:2:17")
}

func TestEditKeepsATabInAString(t *testing.T) {
	t.Parallel()
	got, err := Edit("f", []byte("{\"a\": \"\t\", \"b\": 1}"), Change{Path: []string{"b"}, Value: 2})
	assert.NilError(t, err)
	assert.Equal(t, string(got), "{\"a\": \"\t\", \"b\": 2}")
	got, err = Edit("f", got, Change{Path: []string{"a"}, Value: "\t"})
	assert.NilError(t, err)
	assert.Equal(t, string(got), "{\"a\": \"\t\", \"b\": 2}")
}

func TestOfMembersWithOneNameTheLastWins(t *testing.T) {
	t.Parallel()
	n, err := Parse("f", []byte(`{"a": 1, "b": 2, "a": 3}`))
	assert.NilError(t, err)
	assert.Equal(t, string(n.JSON()), `{"a":3,"b":2}`)
	assert.Equal(t, n.Get("a").Place(), "f:1:23")
}

func TestMergeReplacesAllButObjects(t *testing.T) {
	t.Parallel()
	parse := func(text string) *Node {
		n, err := Parse("f", []byte(text))
		assert.NilError(t, err)
		return n
	}
	weak, strong := parse(`{"a": {"x": 1, "y": [1, 2]}, "b": 1, "n": 5}`), parse(`{"c": 3, "a": {"y": [3]}, "n": null}`)
	assert.Equal(t, string(Merge(weak, strong).JSON()), `{"a":{"x":1,"y":[3]},"b":1,"n":null,"c":3}`)
	assert.Equal(t, string(weak.JSON()), `{"a":{"x":1,"y":[1,2]},"b":1,"n":5}`, "an argument was written to")
	assert.Equal(t, Merge(nil, strong), strong)
	assert.Equal(t, Merge(weak, nil), weak)
	assert.Assert(t, Merge(weak, strong).Get("n") == nil)
}

func TestTheFirstErrorOfADecoderStays(t *testing.T) {
	t.Parallel()
	n, err := Parse("f", []byte(`{"text": 5, "port": 70000, "list": {}}`))
	assert.NilError(t, err)
	d := &Decoder{}
	assert.Equal(t, d.Number(n.Get("port"), 1, 65535, "port"), 0)
	d.Text(n.Get("text"))
	d.Texts(n.Get("list"))
	assert.Error(t, d.Err, "f:1:21: port: 70000 is not a port (1–65535)")
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Read(dir)
	assert.Error(t, err, dir+": no regular file")
	_, err = Read(filepath.Join(dir, "none"))
	assert.Assert(t, errors.Is(err, fs.ErrNotExist))
	_, isError := errors.AsType[*Error](err)
	assert.Assert(t, isError)
}

// FuzzParse holds for any document: standard JSON is taken, and what comes out is JSON that reads back the same.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a": [1, "\u2028\\u2028"]}`, "{\"\t\": /* x */ null,} // y", "[\"\\\t\"]", `"<&>"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse("f", data)
		if err != nil {
			return
		}
		standard := n.JSON()
		if !json.Valid(standard) {
			t.Fatalf("%q became %q, which is not JSON", data, standard)
		}
		again, err := Parse("f", standard)
		if err != nil || string(again.JSON()) != string(standard) {
			t.Fatalf("%q became %q, which does not read back: %v", data, standard, err)
		}
	})
}

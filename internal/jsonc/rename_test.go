package jsonc

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestRenameChangesTheNameAlone(t *testing.T) {
	t.Parallel()
	const text = "\ufeff{\n\t// \"r.io/f:1\" is old\n\t\"a\": {\"x\": 1, \"r.io/f:1\" : {/* why */}},\n}\n"
	got, err := Rename("f", []byte(text), []string{"a", "r.io/f:1"}, "r.io/f:2")
	assert.NilError(t, err)
	assert.Equal(t, string(got), strings.Replace(text, `"r.io/f:1" :`, `"r.io/f:2" :`, 1))
	for _, c := range []struct{ member, to, fails string }{{"y", "z", "has no a.y"}, {"x", "r.io/f:1", `f:3:8: a.x: "r.io/f:1" is there already`}} {
		_, err := Rename("f", []byte(text), []string{"a", c.member}, c.to)
		assert.ErrorContains(t, err, c.fails)
	}
	_, err = Rename("f", []byte("{}"), []string{"a", "b"}, "c")
	assert.ErrorContains(t, err, "has no a.b")
}

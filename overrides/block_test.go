package overrides_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/overrides"
)

var someVars = []overrides.Var{{Name: "COMPOSE_PROJECT_NAME", Value: "iloom-shop-123"}, {Name: "ILOOM_PORT_WEB", Value: "3123"}}

func TestTheBlockLeavesEveryOtherByteAlone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, env string }{
		{"empty", ""},
		{"one line", "A=1\n"},
		{"no final newline", "A=1"},
		{"comment as last line", "A=1\n# the end"},
		{"comment alone", "#"},
		{"crlf", "A=1\r\nB=2\r\n"},
		{"crlf without the last", "A=1\r\nB=2"},
		{"mixed line ends", "A=1\r\nB=2\n"},
		{"carriage return as last byte", "A=1\r"},
		{"carriage return as last byte of crlf", "A=1\r\nB=2\r"},
		{"byte order mark", "\ufeffA=1\n"},
		{"byte order mark alone", "\ufeff"},
		{"blank lines", "\n\nA=1\n\n\n"},
		{"blank", " "},
		{"multi-line value", "A=\"1\n2\n\"\nB='3\n4'\n"},
		{"no text", "\x00\xff\xfe"},
		{"begin line alone", "# >>> docker loom shop/1\nA=\"1\"\n"},
		{"end line alone", "A=1\n# <<< docker loom\n"},
		{"block with a line of theirs in it", "# >>> docker loom 1\nA=\"1\"\nmine=2\n# <<< docker loom\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			with := overrides.Add([]byte(test.env), "123", someVars)
			assert.Assert(t, strings.HasPrefix(string(with), test.env))
			assert.Equal(t, string(overrides.Cut(with)), test.env)
			assert.Assert(t, !overrides.MadeFile(with))
			assert.Equal(t, string(overrides.Add(with, "123", someVars)), string(with), "adding it again changes nothing")

			other := overrides.Add(with, "124", someVars[:1])
			assert.Equal(t, string(overrides.Cut(other)), test.env)
			id, vars, ok := overrides.Block(other)
			assert.Assert(t, ok)
			assert.Equal(t, id, "124")
			assert.DeepEqual(t, vars, someVars[:1])
		})
	}
}

func TestAFileMadeForTheBlockIsKnown(t *testing.T) {
	t.Parallel()
	made := overrides.Add(nil, "123", someVars)
	assert.Assert(t, overrides.MadeFile(made))
	assert.Assert(t, overrides.MadeFile(overrides.Add(made, "123", nil)), "and stays known when the block changes")
	assert.Equal(t, len(overrides.Cut(made)), 0)
	assert.Assert(t, !overrides.MadeFile(overrides.Add([]byte{}, "123", someVars)), "an empty file is the user's")
	id, _, ok := overrides.Block(made)
	assert.Assert(t, ok)
	assert.Equal(t, id, "123")
}

func TestLinesBehindTheBlockStay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, env, behind, want string }{
		{"after a newline", "A=1\n", "B=2\n", "A=1\nB=2\n"},
		{"after no newline", "A=1", "B=2\n", "A=1\nB=2\n"},
		{"without newline", "A=1\n", "B=2", "A=1\nB=2"},
		{"crlf", "A=1\r\nC=3", "B=2\r\n", "A=1\r\nC=3\r\nB=2\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			with := append(overrides.Add([]byte(test.env), "123", someVars), test.behind...)
			assert.Equal(t, string(overrides.Cut(with)), test.want)
			assert.Equal(t, string(overrides.Cut(overrides.Add(with, "123", someVars))), test.want)
		})
	}
	made := append(overrides.Add(nil, "123", someVars), "B=2\n"...)
	assert.Equal(t, string(overrides.Cut(made)), "B=2\n")
}

func TestTheBlockHasTheLastWord(t *testing.T) {
	t.Parallel()
	half := []byte("ILOOM_PORT_WEB=1\n# >>> docker loom 9\nILOOM_PORT_WEB=\"2\"\n")
	vars, err := dotenv.ParseWithLookup(bytes.NewReader(overrides.Add(half, "123", someVars)), nil)
	assert.NilError(t, err)
	assert.Equal(t, vars["ILOOM_PORT_WEB"], "3123")
}

func TestComposeReadsEveryValueAsItIs(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", " ", "plain", "two words", `"`, `'`, `\`, `\\`, `\"`, `a\nb`, "a\nb", "a\r\nb", "\t", "$", "$$", "$A", "${A}", "${A:-b}", `\$A`, `$\`,
		"# no comment", "a # b", "=", "ü", "`x`", `C:\temp\new`, "compose.yaml:.iloom/compose.loom.yaml", `\0101`, `\t`,
	} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			t.Parallel()
			readsBack(t, value)
		})
	}
	t.Run("any", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			readsBack(t, rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("\\\"'$\n\r{}#=n0 ")))).Draw(t, "value"))
		})
	})
}

func readsBack(t assert.TestingT, value string) {
	for _, env := range []string{"", "B=1\r\n"} {
		with := overrides.Add([]byte(env), "123", []overrides.Var{{Name: "A", Value: value}, {Name: "Z", Value: "1"}})
		vars, err := dotenv.ParseWithLookup(bytes.NewReader(with), func(string) (string, bool) { return "wrong", true })
		assert.NilError(t, err)
		assert.Equal(t, vars["A"], value)
		assert.Equal(t, vars["Z"], "1")
		_, own, ok := overrides.Block(with)
		assert.Assert(t, ok)
		assert.Equal(t, own[0].Value, value)
	}
}

var idLike = regexp.MustCompile(`[^\w/#.-]`)

func FuzzBlockLeavesTheRestAlone(f *testing.F) {
	f.Add([]byte("A=1\n"), "123", "v", []byte("B=2"))
	f.Add([]byte("A=1\r"), "feat/x", `$"\`, []byte(""))
	f.Add([]byte("A=1\r\nB"), "1", "\n", []byte("\r\n"))
	f.Add([]byte("# >>> docker loom 1\nA=\"\"\n# <<< docker loom"), "1", "", []byte("# <<< docker loom"))
	f.Add([]byte("# >>> docker loom 1 (no newline before)\r\n# <<< docker loom\r\n"), "1", "", []byte("\n"))
	f.Fuzz(func(t *testing.T, env []byte, id, value string, behind []byte) {
		id = idLike.ReplaceAllString(id, "_")
		rest := overrides.Cut(env)
		with := overrides.Add(env, id, []overrides.Var{{Name: "A", Value: value}})
		if !bytes.HasPrefix(with, rest) {
			t.Fatalf("%q does not begin with %q", with, rest)
		}
		if got := overrides.Cut(with); !bytes.Equal(got, rest) {
			t.Fatalf("cut %q, was %q", got, rest)
		}
		if gotID, vars, ok := overrides.Block(with); !ok || gotID != id || len(vars) != 1 || vars[0].Value != value {
			t.Fatalf("block %q %q %v of %q", gotID, vars, ok, with)
		}
		// What is written behind it later stays too, unless it makes a whole block of half a one.
		if bytes.Contains(rest, []byte("# >>> docker loom ")) || len(overrides.Cut(behind)) < len(behind) {
			return
		}
		if got := overrides.Cut(append(with, behind...)); !bytes.HasSuffix(got, behind) {
			t.Fatalf("cut %q, which has lost %q", got, behind)
		}
	})
}

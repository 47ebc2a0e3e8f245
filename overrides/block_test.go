package overrides_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// values are some that one reader or another could take for something else.
var values = []string{
	"", " ", "plain", "two words", `"`, `'`, `\`, `\\`, `\"`, `\'`, `a\nb`, "$", "$$", "$A", "${A}", "${A:-b}", `\$A`, `$\`, "$(touch ran)",
	"# no comment", "a # b", "=", "ü", "`touch ran`", "x`touch${IFS}ran`", `C:\temp\new`, `C:\temp\new\`, "a!b", "!!", "it's", "it's!", `it's \`,
	"it's $(touch ran)", "~", "~/x", "*", ";touch ran", "&touch ran", "compose.yaml:.iloom/compose.loom.yaml", `\0101`, `\t`, "\xff\x81\x88",
	"|", "<x", ">ran", "(", "a b=c", "export A", "日本", "\ufeff", "\u2028", "%s", "-n", "'", "''", `\\'`, `\\\`,
	// No line of such a file has these.
	"a\nb", "a\r\nb", "\t", "\x00", "\x1b[0m", "it's `touch ran`", "`touch ran`\\",
}

func TestEveryReaderOfTheBlockReadsEveryValueAsItIs(t *testing.T) {
	t.Parallel()
	readAlike(t, t.TempDir(), values)
	letters := rapid.StringOf(rapid.SampledFrom([]rune("\\\"'$`!\n\r{}()#=n0 ~*;&|<>ü")))
	rapid.Check(t, func(r *rapid.T) {
		readAlike(r, t.TempDir(), rapid.SliceOfN(rapid.OneOf(rapid.String(), letters), 1, 100).Draw(r, "values"))
	})
}

func FuzzEveryReaderOfTheBlockReadsTheSame(f *testing.F) {
	for _, value := range values {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) { readAlike(t, t.TempDir(), []string{value}) })
}

// readAlike puts values into a block and has Compose and the shells that are here read it. A value that cannot be
// quoted is in no line.
func readAlike(t assert.TestingT, dir string, values []string) {
	var vars, want []overrides.Var
	for i, value := range values {
		v := overrides.Var{Name: fmt.Sprintf("V%d", i), Value: value}
		vars = append(vars, v)
		if _, ok := overrides.Quote(value); ok {
			want = append(want, v)
		}
	}
	vars, want = append(vars, overrides.Var{Name: "Z", Value: "1"}), append(want, overrides.Var{Name: "Z", Value: "1"})
	for _, env := range []string{"", "B=1\r\n"} {
		with := overrides.Add([]byte(env), "123", vars)
		composed, err := dotenv.ParseWithLookup(bytes.NewReader(with), func(string) (string, bool) { return "wrong", true })
		assert.NilError(t, err)
		delete(composed, "B")
		assert.Equal(t, len(composed), len(want))
		for _, v := range want {
			assert.Equal(t, composed[v.Name], v.Value)
		}
		_, own, ok := overrides.Block(with)
		assert.Assert(t, ok)
		assert.DeepEqual(t, own, want)
	}
	assert.NilError(t, os.WriteFile(filepath.Join(dir, ".env"), overrides.Add(nil, "123", vars), 0o644))
	for _, shell := range []string{"sh", "bash", "dash"} {
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		script := ". ./.env\n"
		for _, v := range want {
			script += `printf '%s\0' "$` + v.Name + "\"\n"
		}
		cmd := exec.Command(shell, "-c", script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		assert.NilError(t, err, "%s: %s", shell, out)
		read := strings.Split(string(out), "\x00")
		assert.Equal(t, len(read), len(want)+1, "%s: %s", shell, out)
		for i, v := range want {
			assert.Equal(t, read[i], v.Value, shell)
		}
	}
	entries, err := os.ReadDir(dir)
	assert.NilError(t, err)
	assert.Equal(t, len(entries), 1, "a shell has run a value: %v", entries)
}

func TestValuesThatNoLineCanHaveAreFew(t *testing.T) {
	t.Parallel()
	var left []string
	for _, value := range values {
		if _, ok := overrides.Quote(value); !ok {
			left = append(left, value)
		}
	}
	assert.DeepEqual(t, left, values[len(values)-7:])
}

func TestABlockOfAnEarlierVersionIsRead(t *testing.T) {
	t.Parallel()
	const text = "# >>> docker loom 1\nA=\"\\$x \\\\ \\\" \\n `\"\n# <<< docker loom\n"
	_, vars, ok := overrides.Block([]byte(text))
	assert.Assert(t, ok)
	assert.DeepEqual(t, vars, []overrides.Var{{Name: "A", Value: "$x \\ \" \n `"}})
	assert.Equal(t, len(overrides.Cut([]byte(text))), 0)
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
		gotID, vars, ok := overrides.Block(with)
		if _, can := overrides.Quote(value); !ok || gotID != id || can != (len(vars) == 1) || can && vars[0].Value != value {
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

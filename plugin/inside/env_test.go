package inside

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/overrides"
)

// hostile draws values that a quoting mistake would change or run.
var hostile = rapid.Custom(func(t *rapid.T) string {
	parts := rapid.SampledFrom([]string{
		"'", `"`, `\`, "$", "$HOME", "${HOME}", "$(echo no)", "`echo no`", "\n", "\r", "\t", " ", "#", " #c", "!", "!!", ";", "&", "|",
		"*", "~", "=", "-", "feat/x", "3123", "ä", "\u2028", `\n`, `\\`, `\"`, "%s", "export", "{", "}", "(", ")",
	})
	return strings.Join(rapid.SliceOfN(parts, 0, 8).Draw(t, "parts"), "")
})

func drawEnv(t *rapid.T) *inside.Env {
	return &inside.Env{
		Loom:  "1",
		Vars:  []overrides.Var{{Name: "FIRST", Value: hostile.Draw(t, "first")}, {Name: "SECOND", Value: hostile.Draw(t, "second")}},
		Watch: []string{"/a b/" + hostile.Draw(t, "path")},
	}
}

func TestEveryShellGetsTheValueBack(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"sh", "bash"} {
		path, err := exec.LookPath(shell)
		assert.NilError(t, err)
		for name, format := range map[string]string{"shell": "", "direnv": `watch_file() { printf '%s\0' "$1"; }` + "\n"} {
			t.Run(shell+" "+name, func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(t *rapid.T) {
					e := drawEnv(t)
					var lines bytes.Buffer
					assert.NilError(t, envFormats[name](&lines, e))
					// As people evaluate it, and as a program that they then run sees it.
					cmd := exec.Command(path, "-c", format+`eval "$LINES_OF_ENV"; unset LINES_OF_ENV; exec env -0`)
					cmd.Env = []string{"LINES_OF_ENV=" + lines.String(), "HOME=/wrong", "PATH=/usr/bin:/bin"}
					out, err := cmd.CombinedOutput()
					assert.NilError(t, err, "%s", out)
					got := "\x00" + string(out)
					for _, v := range e.Vars {
						assert.Assert(t, strings.Contains(got, "\x00"+v.Name+"="+v.Value+"\x00"), "%q gave %q", lines.String(), got)
					}
					if format != "" {
						assert.Assert(t, strings.HasPrefix(got, "\x00"+e.Watch[0]+"\x00"), "%q gave %q", lines.String(), got)
					}
				})
			})
		}
	}
}

func TestComposeReadsTheValueBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEnv(t)
		var lines bytes.Buffer
		err := envFormats["dotenv"](&lines, e)
		if e, ok := errors.AsType[*unquotableError](err); ok {
			_, quoted := overrides.Quote(e.Value)
			assert.Assert(t, !quoted && e.NextStep() != "")
			return
		}
		assert.NilError(t, err)
		got, err := dotenv.ParseWithLookup(&lines, func(string) (string, bool) { return "expanded", true })
		assert.NilError(t, err)
		assert.DeepEqual(t, got, map[string]string{e.Vars[0].Name: e.Vars[0].Value, e.Vars[1].Name: e.Vars[1].Value})
	})
}

func TestEnvAsJSONIsOneObject(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEnv(t)
		var doc bytes.Buffer
		assert.NilError(t, envFormats["json"](&doc, e))
		got := map[string]string{}
		assert.NilError(t, json.Unmarshal(doc.Bytes(), &got))
		assert.DeepEqual(t, got, map[string]string{e.Vars[0].Name: e.Vars[0].Value, e.Vars[1].Name: e.Vars[1].Value})
	})
}

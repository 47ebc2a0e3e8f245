package overrides

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Var is one line of the block in .env.
type Var struct{ Name, Value string }

// The lines that begin and end our block. A mark behind the loom's name says what to remove with the block: the line
// end before it (glued), or the whole file (madeFileMark).
const (
	begin        = "# >>> docker loom "
	end          = "# <<< docker loom"
	glued        = " (no newline before)"
	madeFileMark = " (file made by docker loom)"
)

// blockPattern matches only what Add writes. If somebody deleted the end line, the lines after it are the user's.
var blockPattern = regexp.MustCompile(`(?m)^# >>> docker loom [^\r\n]*\r?\n` +
	`(?:[A-Za-z_]\w*=(?:"[^\r\n]*"|'[^'\r\n]*')\r?\n)*# <<< docker loom(?:\r?\n|\z)`)

// Cut returns the bytes of a .env file as they were before our block was put there.
func Cut(env []byte) []byte {
	for {
		at := blockPattern.FindIndex(env)
		if at == nil {
			return env
		}
		before, rest := env[:at[0]], env[at[1]:]
		first, _, _ := bytes.Cut(env[at[0]:at[1]], []byte("\n"))
		first, crlf := bytes.CutSuffix(first, []byte("\r"))
		// If the user has added lines behind the block, the line end stays between them and the line before the block.
		if len(rest) == 0 && bytes.HasSuffix(first, []byte(glued)) {
			before = bytes.TrimSuffix(before, []byte("\n"))
			if crlf {
				before = bytes.TrimSuffix(before, []byte("\r"))
			}
		}
		env = append(bytes.Clone(before), rest...)
	}
}

// Block returns the loom's name and variables as a .env file's block has them; ok is false if there is none.
func Block(env []byte) (loom string, vars []Var, ok bool) {
	text := blockPattern.Find(env)
	if text == nil {
		return "", nil, false
	}
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	loom = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(lines[0], begin), glued), madeFileMark)
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, "=")
		if found && !strings.HasPrefix(line, "#") {
			vars = append(vars, Var{Name: name, Value: unquote(value)})
		}
	}
	return loom, vars, true
}

// MadeFile reports whether the file was not there before its block.
func MadeFile(env []byte) bool {
	first, _, _ := bytes.Cut(blockPattern.Find(env), []byte("\n"))
	return bytes.HasSuffix(bytes.TrimRight(first, "\r"), []byte(madeFileMark))
}

// Add puts the block at the end of a .env file and removes the block that was there; nil is a file that is not there.
// Everything outside the block stays byte for byte; the block's lines end as the file's do. A variable whose value
// cannot be quoted is left out.
func Add(env []byte, loom string, vars []Var) []byte {
	mark := ""
	if env == nil || MadeFile(env) {
		mark = madeFileMark
	}
	env = Cut(env)
	eol := "\n"
	if bytes.HasSuffix(env, []byte("\r\n")) || bytes.Contains(env, []byte("\r\n")) {
		eol = "\r\n"
	}
	out := bytes.NewBuffer(bytes.Clone(env))
	if len(env) > 0 && !bytes.HasSuffix(env, []byte("\n")) {
		out.WriteString(eol)
		mark = glued
	}
	fmt.Fprintf(out, "%s%s%s%s", begin, loom, mark, eol)
	for _, v := range vars {
		if text, ok := Quote(v.Value); ok {
			fmt.Fprintf(out, "%s=%s%s", v.Name, text, eol)
		}
	}
	fmt.Fprintf(out, "%s%s", end, eol)
	return out.Bytes()
}

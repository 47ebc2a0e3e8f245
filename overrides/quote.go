package overrides

import (
	"strings"
	"unicode"
)

// Quote returns a value as it stands behind NAME= in a file that Compose reads and that shells can source. Both must
// read the same value, and no part of it may run. ok is false for a value that no such line can have.
//
// Compose and shells agree on text in double quotes, where a backslash is before each \, " and $. But Compose does not
// take a backslash away before a backtick. Single quotes cannot have a single quote in them, nor, for Compose, a
// backslash before the last one.
func Quote(value string) (text string, ok bool) {
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", false
	case !strings.ContainsAny(value, "\\\"$`!"):
		return `"` + value + `"`, true
	case !strings.Contains(value, "'") && !strings.HasSuffix(value, `\`):
		return "'" + value + "'", true
	case !strings.Contains(value, "`"):
		return `"` + escaped.Replace(value) + `"`, true
	}
	return "", false
}

var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`)

// unescaped also reads what earlier versions wrote.
var unescaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\r`, "\r", `\$`, "$")

// unquote returns the value of a line that [Quote] wrote.
func unquote(text string) string {
	switch {
	case len(text) < 2:
		return text
	case text[0] == '\'':
		return text[1 : len(text)-1]
	case text[0] == '"':
		return unescaped.Replace(text[1 : len(text)-1])
	}
	return text
}

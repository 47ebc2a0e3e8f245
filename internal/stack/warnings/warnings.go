// Package warnings writes what Compose and its libraries log as docker loom writes its findings, each warning once.
package warnings

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/sirupsen/logrus"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// Formatter is a formatter for logrus, in which Compose logs. A project is compiled more than once in a command, and
// Compose would repeat its warnings each time. Lines for debugging stay as logrus has them.
type Formatter struct {
	logrus.TextFormatter

	mu    sync.Mutex
	shown map[string]bool
}

// Format returns the line of a log entry, nothing for a warning that was shown before.
func (f *Formatter) Format(e *logrus.Entry) ([]byte, error) {
	if e.Level > logrus.WarnLevel {
		return f.TextFormatter.Format(e)
	}
	found := findingOf(e.Message)
	if e.Level < logrus.WarnLevel {
		found.Level = finding.Error
	}
	line := found.String() + "\n"
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shown == nil {
		f.shown = map[string]bool{}
	}
	if f.shown[line] {
		return nil, nil
	}
	f.shown[line] = true
	return []byte(line), nil
}

// known are Compose's warnings that name a thing: the expression finds the name.
var known = []struct {
	expression *regexp.Regexp
	finding    func(name string) finding.Finding
}{
	{
		regexp.MustCompile(`^The "(.+)" variable is not set\. Defaulting to a blank string`),
		func(name string) finding.Finding {
			return finding.Finding{
				Subject: "variable " + name, Message: "is not set, and empty in the compose files",
				Remedy: "set it in .env, or write a default: ${" + name + ":-value}",
			}
		},
	},
	{
		regexp.MustCompile("^(.+): the attribute `version` is obsolete"),
		func(path string) finding.Finding {
			return finding.Finding{
				Subject: "file " + filepath.Base(path), Message: "its attribute version is obsolete and ignored",
				Remedy: "remove it",
			}
		},
	},
	{
		regexp.MustCompile(`^Found orphan containers \(\[(.+)\]\)`),
		func(names string) finding.Finding {
			return finding.Finding{
				Subject: "container " + strings.Join(strings.Fields(names), ", "),
				Message: "the files have no such service any more",
				Remedy:  "docker loom up with --remove-orphans removes it",
			}
		},
	},
	{
		regexp.MustCompile(`^optional dependency (.+)`),
		func(what string) finding.Finding {
			return finding.Finding{Subject: "optional dependency", Message: what}
		},
	},
}

// findingOf is a warning as a finding. An unknown warning keeps its words.
func findingOf(message string) finding.Finding {
	message = strings.TrimSpace(message)
	for _, k := range known {
		if m := k.expression.FindStringSubmatch(message); m != nil {
			f := k.finding(m[1])
			f.Level = finding.Warning
			return f
		}
	}
	message = strings.TrimPrefix(message, "Warning: ")
	return finding.Finding{Level: finding.Warning, Message: strings.TrimSuffix(lowerFirst(message), ".")}
}

// lowerFirst is a sentence as it continues a line. An abbreviation stays.
func lowerFirst(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	if unicode.IsUpper(first) && !unicode.IsUpper(second) {
		return string(unicode.ToLower(first)) + s[n:]
	}
	return s
}

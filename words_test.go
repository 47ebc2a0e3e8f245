package house_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// passage is a piece of text that a person reads.
type passage struct {
	where passageKind
	file  string
	line  int    // of its first line
	text  string // with one newline for each newline of the file
}

// passageKind says what a passage is; a form names the kinds that it is looked for in.
type passageKind uint

const (
	document  passageKind = 1 << iota // a Markdown file, without its code
	comment                           // a comment in a Go file
	message                           // a string with words in it, in a program or in the report of a test
	errorText                         // a message that is the beginning of an error's text

	prose = document | comment | message
)

// finding is a form where it must not be.
type finding struct {
	file    string
	line    int
	found   string
	instead string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %q: write %s", f.file, f.line, f.found, f.instead)
}

// findIn returns where the form is in a passage.
func (f form) findIn(p passage) []finding {
	if f.in&p.where == 0 {
		return nil
	}
	var allowed [][]int
	if f.allow != nil {
		allowed = f.allow.FindAllStringIndex(p.text, -1)
	}
	var findings []finding
	for _, at := range f.find.FindAllStringIndex(p.text, -1) {
		if isInside(at, allowed) {
			continue
		}
		findings = append(findings, finding{
			p.file, p.line + strings.Count(p.text[:at[0]], "\n"),
			strings.Join(strings.Fields(p.text[at[0]:at[1]]), " "), f.instead,
		})
	}
	return findings
}

func isInside(at []int, spans [][]int) bool {
	for _, s := range spans {
		if s[0] <= at[0] && at[1] <= s[1] {
			return true
		}
	}
	return false
}

func TestWords(t *testing.T) {
	t.Parallel()
	files := 0
	assert.NilError(t, filepath.WalkDir(".", func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if at != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || at == "bin" || at == "dist" {
				return fs.SkipDir
			}
			return nil
		}
		at = filepath.ToSlash(at)
		if !strings.HasSuffix(at, ".go") && !isDocument(at) {
			return nil
		}
		files++
		content, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		findings, err := findingsOf(at, content)
		for _, f := range findings {
			t.Error(f)
		}
		return err
	}))
	assert.Assert(t, files > 500)
}

// isDocument reports whether a file is one that users or contributors read.
func isDocument(file string) bool {
	if !strings.HasSuffix(file, ".md") {
		return false
	}
	return !strings.Contains(file, "/") || strings.HasPrefix(file, "docs/") || path.Base(file) == "README.md"
}

func findingsOf(file string, content []byte) ([]finding, error) {
	var findings []finding
	passages := []passage{{document, file, 1, withoutCode(string(content))}}
	if strings.HasSuffix(file, ".go") {
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		passages = append(commentsOf(set, parsed, file), messagesOf(set, parsed, file)...)
		findings = identifiersOf(set, parsed, file)
	}
	for _, p := range passages {
		for _, f := range forms {
			findings = append(findings, f.findIn(p)...)
		}
	}
	return findings, nil
}

// TestFormsAreFound is the test of the test: the forms that it finds, and the English that it leaves alone.
func TestFormsAreFound(t *testing.T) {
	t.Parallel()
	const (
		inDocument = "docs/x.md"
		inComment  = "x.go"
	)
	for _, tc := range []struct {
		file, text, found string // "" if nothing is wrong
	}{
		{inComment, "The sandbox is made anew.", "anew"},
		{inDocument, "Anew, and from its files.", "Anew"},
		{inComment, "A renewed lease.", ""},
		{inComment, "It shall be so.", "shall"},
		{inComment, "A shallow clone.", ""},
		{inComment, "known tells whether an id is there.", "tells whether"},
		{inComment, "It reports whether it can tell whether it is.", ""},
		{inComment, "Nobody could tell whether it is run.", ""},
		{inComment, "A number is no string.", "is no string"},
		{inDocument, "Two things that\nare no ports.", "are no ports"},
		{inComment, "There is no such loom, and it is no longer there; where there are no ports, none is tried.", "where there are no"},
		{inComment, "There is no terminal, and there are no ports.", ""},
		{inComment, "There was no answer: it is no longer known, and it is no matter.", ""},
		{inComment, "%s is no %s.", "is no %s"},
		{inDocument, "That there is no browser is no failure.", "is no failure"},
		{inDocument, "In code `x is no string` and\n\n```console\n$ loom\nerror: x is no string\n```\n", ""},
		{inComment, "In code `x is no string`.", ""},
		{inComment, "It is none of them.", "is none of"},
		{inComment, "There is none of them, and the mode is none.", ""},
		{inComment, "The thing that of which it is made.", "that of which"},
		{inComment, "Nil for one that is\nnot there.", "one that is"},
		{inComment, "The one that is found, or the only one that is.", ""},
		{inComment, "What is there for no branch's name.", "What is there for no"},
		{inComment, "Labels of ours.", "of ours"},
		{inComment, "An hour of course, and colours of hours.", ""},
		{inComment, "It is ours, and yours.", ""},
		{inComment, "Empty where there is none.", "where there is none"},
		{inComment, "Where there are two, and elsewhere there are none.", ""},
		{inComment, "The first, else the last.", "else"},
		{inComment, "Somebody else, nothing else, what else, all else, someone else's.", ""},
		{inComment, "Elsewhere, elsewise.", ""},
		{inComment, "It says which of them runs.", "which of them"},
		{inComment, "Hint: end what holds the port.", "end what holds"},
	} {
		text := tc.text
		if tc.file == inComment {
			text = "package x\n\n// " + strings.ReplaceAll(text, "\n", "\n// ") + "\n"
		}
		findings, err := findingsOf(tc.file, []byte(text))
		assert.NilError(t, err)
		if tc.found == "" {
			assert.Check(t, len(findings) == 0, "%q: %v", tc.text, findings)
			continue
		}
		if assert.Check(t, len(findings) == 1, "%q: %v", tc.text, findings) {
			assert.Check(t, findings[0].found == tc.found, "%q: %v", tc.text, findings)
		}
	}
}

// TestMessagesAndNamesAreRead looks at Go code: which of its strings are messages, and which of its names say too little.
func TestMessagesAndNamesAreRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, code string
		found      []string
	}{
		{"a message", "var _ = \"it is\" +\n\t\" no port\"", []string{`x.go:3: "is no port": write "is not a ..."`}},
		{"a value between two texts", `var _ = "the value " + x + " is no port"`, []string{"is no port"}},
		{"a help text of several lines", "var _ = `Open it.\n\nThe first, else the last.`", []string{"x.go:5:"}},
		{"not a message", `var _ = "else"; type y struct { z int ` + "`else:\"is no port\"`" + ` }`, nil},
		{"a directive", "//nolint:else,is no port", nil},
		{"an error's text", `var _ = errors.New("failed to read")`, []string{"failed to"}},
		{"a message that is not an error's", `var _ = strings.Contains(text, "failed to read")`, nil},
		{"a capital", `var _ = fmt.Errorf("Cannot read %s", "The file here")`, []string{`"Cannot"`}},
		{"a product, a variable, a value", `var _ = []error{errors.New("Compose ended here"), errors.New("ILOOM_X is set"), fmt.Errorf("%s Is it", x)}`, nil},
		{"an error type", `func (e *E) Error() string { return fmt.Sprintf("Unable to read %s", e.x) }`, []string{`"Unable to"`, `"Unable"`}},
		{"what may be given", `var _ = fmt.Errorf("--egress %s: it is none, restricted or open", x)`, []string{": it is none, restricted or"}},
		{"a verb without an object", "func raise() {}\nfunc (x) Attend() {}\nfunc raiseSandbox() {}\nfunc meeting() {}", []string{`"raise"`, `"Attend"`}},
		{"a method of an interface", "type x interface { Settle() }", []string{`"Settle"`}},
		{"a word that is not dull", "type x struct { powers, grounds int }\nvar claims = 1\nfunc y(namesakes int) { Grounds := 1 }", []string{
			`"powers"`, `"grounds"`, `"claims"`, `"namesakes"`, `"Grounds"`,
		}},
		{"a predicate without an object", "func is(id string) bool { named := func() (bool, error) { return true, nil }; return true }", []string{`"is"`, `"named"`}},
		{"not a predicate", "func names() []string { names := 1; return nil }\nfunc (E) Is(err error) bool { return true }", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			findings, err := findingsOf("x.go", []byte("package x\n\n"+tc.code+"\n"))
			assert.NilError(t, err)
			if assert.Check(t, len(findings) == len(tc.found), "%v", findings) {
				for i, want := range tc.found {
					assert.Check(t, strings.Contains(findings[i].String(), want), "%v", findings[i])
				}
			}
		})
	}
	tests, err := findingsOf("x_test.go", []byte("package x\n\nfunc _() { is(\"x is no port\"); assert.Error(t, err, \"x is no port\"); t.Error(\"x is no port\") }"))
	assert.NilError(t, err)
	assert.Equal(t, len(tests), 1, "only what a test reports is its own: %v", tests)
}

package house_test

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var (
	fenced   = regexp.MustCompile("(?ms)^[ >]*(```+|~~~+).*?^[ >]*(```+|~~~+)[ \t]*$")
	codeSpan = regexp.MustCompile("``[^`]+``|`[^`\n]+(\n[^`\n]+)?`")
	notLine  = regexp.MustCompile(`[^\n]`)
)

// withoutCode blanks the code of a Markdown text, so that positions stay.
func withoutCode(text string) string {
	for _, code := range []*regexp.Regexp{fenced, codeSpan} {
		text = code.ReplaceAllStringFunc(text, func(s string) string { return notLine.ReplaceAllString(s, "`") })
	}
	return text
}

// commentsOf returns a passage for each group of comments. Directives (//go:build, //nolint) have no words.
func commentsOf(set *token.FileSet, f *ast.File, file string) []passage {
	var passages []passage
	for _, group := range f.Comments {
		var text bytes.Buffer
		for _, c := range group.List {
			line := c.Text
			if strings.HasPrefix(line, "//") {
				line = line[len("//"):]
				if line != "" && !unicode.IsSpace(rune(line[0])) {
					line = ""
				}
			}
			text.WriteString(line + "\n")
		}
		passages = append(passages, passage{comment, file, set.Position(group.Pos()).Line, withoutCode(text.String())})
	}
	return passages
}

// hasWords matches a string that reads as words: not a name, a path, a flag or a pattern.
var hasWords = regexp.MustCompile(`\pL,? \pL|\pL,? %|[%\w"] \pL`)

// messagesOf returns the strings with words in them. In a test they are input and expectation, so that only its reports
// are read there: what a test expects of the program is read in the program.
func messagesOf(set *token.FileSet, f *ast.File, file string) []passage {
	isTest := strings.HasSuffix(file, "_test.go")
	seen := map[ast.Node]bool{}
	var passages []passage
	add := func(e ast.Node, where passageKind) (isText bool) {
		if seen[e] {
			return false
		}
		text := textOf(e, func(part ast.Expr) { seen[part] = true })
		if hasWords.MatchString(text) {
			passages = append(passages, passage{where, file, set.Position(e.Pos()).Line, text})
		}
		return text != ""
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			where := messageCall(n)
			switch {
			case isTest && where != 0:
				for _, arg := range n.Args {
					add(arg, message)
				}
			case where&errorText != 0:
				for _, arg := range n.Args {
					if add(arg, where) {
						break // the format; values follow
					}
				}
			}
		case *ast.FuncDecl:
			if n.Name.Name == "Error" && n.Recv != nil && !isTest {
				addReturned(n, func(e ast.Expr) { add(e, message|errorText) })
			}
		case *ast.Field:
			if n.Tag != nil {
				seen[n.Tag] = true
			}
		case *ast.BinaryExpr, *ast.BasicLit:
			if !isTest {
				add(n, message)
			}
		}
		return true
	})
	return passages
}

// textOf returns the text of a string. In a sum of strings %s stands for a value. The text is empty for other
// expressions. Newlines that are not in the file become spaces.
func textOf(n ast.Node, mark func(ast.Expr)) string {
	switch e := n.(type) {
	case *ast.BasicLit:
		mark(e)
		text, err := strconv.Unquote(e.Value)
		if e.Kind != token.STRING || err != nil {
			return ""
		}
		if e.Value[0] == '"' {
			text = strings.ReplaceAll(text, "\n", " ")
		}
		return text
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return ""
		}
		mark(e)
		left, right := textOf(e.X, mark), textOf(e.Y, mark)
		if left+right == "" {
			return ""
		}
		return cmp.Or(left, "%s") + cmp.Or(right, "%s")
	}
	return ""
}

// addReturned calls add with the texts that a function returns.
func addReturned(fn *ast.FuncDecl, add func(ast.Expr)) {
	ast.Inspect(fn, func(n ast.Node) bool {
		r, ok := n.(*ast.ReturnStmt)
		if !ok || len(r.Results) != 1 {
			return true
		}
		text := r.Results[0]
		if call, ok := text.(*ast.CallExpr); ok && calledName(call) == "Sprintf" {
			text = call.Args[0]
		}
		add(text)
		return true
	})
}

// messageCall returns what a call makes of its strings: an error, a test's report, or 0 for neither.
func messageCall(c *ast.CallExpr) passageKind {
	name := calledName(c)
	receiver := ""
	if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
		if id, ok := sel.X.(*ast.Ident); ok {
			receiver = id.Name
		}
	}
	switch {
	case receiver == "errors" && name == "New":
		return message | errorText
	case receiver == "assert" && name == "Error":
		return 0 // what the program is expected to say
	}
	switch name {
	case "Errorf", "Usagef", "Fail":
		return message | errorText
	case "Error", "Fatal", "Fatalf", "Skip", "Skipf", "Log", "Logf", "Check", "Assert":
		return message
	}
	return 0
}

func calledName(c *ast.CallExpr) string {
	switch fun := c.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// identifiersOf looks at the names that a file declares.
func identifiersOf(set *token.FileSet, f *ast.File, file string) []finding {
	var findings []finding
	look := func(id *ast.Ident, of nameKind) {
		for _, n := range names {
			if n.of&of != 0 && n.find.MatchString(id.Name) {
				findings = append(findings, finding{file, set.Position(id.Pos()).Line, id.Name, n.instead})
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			of := anyName | functionName
			if returnsBool(n.Type) {
				of |= predicateName
			}
			look(n.Name, of)
		case *ast.TypeSpec:
			look(n.Name, anyName)
		case *ast.ValueSpec:
			for _, id := range n.Names {
				look(id, anyName)
			}
		case *ast.Field:
			for _, id := range n.Names {
				of := anyName
				if fn, ok := n.Type.(*ast.FuncType); ok {
					of |= functionName
					if returnsBool(fn) {
						of |= predicateName
					}
				}
				look(id, of)
			}
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				break
			}
			for i, left := range n.Lhs {
				id, ok := left.(*ast.Ident)
				if !ok {
					continue
				}
				of := anyName
				if i < len(n.Rhs) {
					if fn, ok := n.Rhs[i].(*ast.FuncLit); ok && returnsBool(fn.Type) {
						of |= functionName | predicateName
					}
				}
				look(id, of)
			}
		}
		return true
	})
	return findings
}

// returnsBool reports whether the first result is a bool: it may come with an error.
func returnsBool(fn *ast.FuncType) bool {
	if fn.Results == nil || len(fn.Results.List) == 0 {
		return false
	}
	id, ok := fn.Results.List[0].Type.(*ast.Ident)
	return ok && id.Name == "bool"
}

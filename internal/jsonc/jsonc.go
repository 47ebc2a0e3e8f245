// Package jsonc reads and edits JSON with comments and trailing commas. Every value knows its line and column, for
// errors.
package jsonc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Limits of a document. The parser recurses for each bracket, and a Go program cannot recover from a full stack; no
// honest file comes near these.
const (
	MaxBytes    = 1 << 20
	MaxBrackets = 10_000
)

// Error says what is wrong in a document, and where. Its text is "path:12:5: forwardPorts[1]: 99999 is not a port
// (1–65535)".
type Error struct {
	// File is the file's path, or the document's name.
	File string
	// Line and Column count from 1, in lines and characters. They are 0 if the error is about the whole document.
	Line, Column int
	// Key is the path of the value, as in "forwardPorts[1]"; "" if there is none.
	Key string
	// Err is what is wrong.
	Err error
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d:%d", e.Line, e.Column)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Err.Error()
}

// NextStep says what the user does next.
func (*Error) NextStep() string {
	return "correct the file at the place that the error names"
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

var errTooLong = fmt.Errorf("more than %d bytes", MaxBytes)

// Read returns the tree of the file at path. The error for a missing file wraps fs.ErrNotExist. Errors are of type
// *Error.
func Read(path string) (*Node, error) {
	data, err := ReadBytes(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// ReadBytes returns the bytes of the file at path, at most MaxBytes. Errors are of type *Error.
func ReadBytes(path string) ([]byte, error) {
	data, err := readRegular(path)
	if err == nil {
		return data, nil
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return nil, &Error{File: path, Err: err}
}

// readRegular opens regular files only: a pipe in a work tree would block for ever.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	// One may have come in between.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written, so nothing can be lost
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err == nil && len(data) > MaxBytes {
		err = errTooLong
	}
	return data, err
}

// Parse returns the tree of a document. The name is for errors, which are of type *Error.
func Parse(name string, data []byte) (*Node, error) {
	doc, top, err := parseDocument(name, data)
	if err != nil {
		return nil, err
	}
	return doc.tree(top, ""), nil
}

// document is the text that nodes come from.
type document struct {
	name string
	data []byte // without a byte order mark
}

func parseDocument(name string, data []byte) (*document, hujson.Value, error) {
	doc := &document{name: name, data: bytes.TrimPrefix(data, []byte("\ufeff"))}
	fail := func(err error) (*document, hujson.Value, error) { return nil, hujson.Value{}, err }
	switch {
	case len(data) > MaxBytes:
		return fail(&Error{File: name, Err: errTooLong})
	case bytes.Count(doc.data, []byte("{"))+bytes.Count(doc.data, []byte("[")) > MaxBrackets:
		return fail(&Error{File: name, Err: fmt.Errorf("more than %d objects and arrays", MaxBrackets)})
	case len(bytes.TrimSpace(doc.data)) == 0:
		return fail(&Error{File: name, Err: errors.New("empty, not even {}")})
	}
	top, err := hujson.Parse(parserInput(doc.data))
	if err != nil {
		return fail(doc.syntaxError(err))
	}
	return doc, top, nil
}

// parserInput returns a copy of data that the parser takes. A tab inside a string becomes a space, because the
// reference CLI of dev containers takes it and the parser does not; all offsets stay. The parser wants a line end
// after each line comment.
func parserInput(data []byte) []byte {
	out := append(bytes.Clone(data), '\n')
	for i := 0; i < len(data); {
		switch rest := data[i:]; {
		case bytes.HasPrefix(rest, []byte("//")):
			i += lengthThrough(rest, "\n")
		case bytes.HasPrefix(rest, []byte("/*")):
			i += 2 + lengthThrough(rest[2:], "*/")
		case rest[0] == '"':
			n := stringLength(rest)
			copy(out[i:], bytes.ReplaceAll(rest[:n], []byte("\t"), []byte(" ")))
			i += n
		default:
			i++
		}
	}
	return out
}

// lengthThrough returns how many bytes data has up to and with end, at most all.
func lengthThrough(data []byte, end string) int {
	if i := bytes.Index(data, []byte(end)); i >= 0 {
		return i + len(end)
	}
	return len(data)
}

// stringLength returns the length of the string that data begins with. A string without an end goes to the end of its
// line.
func stringLength(data []byte) int {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n':
			return i
		}
	}
	return len(data)
}

// syntaxError turns the parser's error, which has its place in its text, into an Error.
func (doc *document) syntaxError(err error) error {
	var line, column int
	if _, scanErr := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &line, &column); scanErr != nil {
		return &Error{File: doc.name, Err: err}
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	offset := 0
	for range line - 1 {
		i := bytes.IndexByte(doc.data[offset:], '\n')
		if i < 0 {
			// The line end that parserInput adds: the place is the end of the document.
			offset, column = len(doc.data), 1
			break
		}
		offset += i + 1
	}
	e := &Error{File: doc.name, Err: err}
	e.Line, e.Column = doc.position(min(offset+column-1, len(doc.data)))
	return e
}

// position returns line and column of an offset, both from 1, the column in characters.
func (doc *document) position(offset int) (line, column int) {
	before := doc.data[:offset]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// tree returns v as nodes. Of members with one name the last wins, at the place of the first, as in JavaScript.
func (doc *document) tree(v hujson.Value, key string) *Node {
	n := &Node{doc: doc, key: key, offset: v.StartOffset, Kind: v.Value.Kind()}
	switch value := v.Value.(type) {
	case *hujson.Object:
		at := make(map[string]int, len(value.Members))
		for _, m := range value.Members {
			name := doc.text(m.Name)
			member := doc.tree(m.Value, memberKey(key, name))
			member.nameOffset = m.Name.StartOffset
			if i, twice := at[name]; twice {
				n.Members[i].Value = member
				continue
			}
			at[name] = len(n.Members)
			n.Members = append(n.Members, Member{name, member})
		}
	case *hujson.Array:
		for i, e := range value.Elements {
			n.Elements = append(n.Elements, doc.tree(e, fmt.Sprintf("%s[%d]", key, i)))
		}
	default:
		n.Text = doc.text(v)
	}
	return n
}

// text returns the value of a string, and of any other literal its bytes. It reads the document, not the parser's
// input.
func (doc *document) text(v hujson.Value) string {
	literal := hujson.Literal(doc.data[v.StartOffset:v.EndOffset])
	if literal.Kind() != '"' {
		return string(literal)
	}
	return hujson.Literal(bytes.ReplaceAll(literal, []byte("\t"), []byte(`\t`))).String()
}

package devcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Limits of what is read. The parser recurses for each bracket, and a Go program that runs out of stack cannot even say
// so; no honest file comes near these.
const (
	maxBytes    = 1 << 20
	maxBrackets = 10_000
)

// Error is what is wrong with a devcontainer.json, or with metadata.
type Error struct {
	// File is the file's path, or the label's name.
	File string
	// Line and Column are counted from 1, in lines and characters. They are 0 when the file as a whole is meant.
	Line, Column int
	// Key is the path of the value, as in "forwardPorts[1]"; "" where there is none.
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
	return "correct the devcontainer.json"
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// file is the text that nodes come from.
type file struct {
	path string
	data []byte // without a byte order mark, as the parser got it
	tabs []int  // offsets in data where escaped wrote two bytes for one
}

// node is one value of a document. Nodes never change once made: a changed document shares what stays the same.
type node struct {
	file   *file
	key    string // path from the top, as in build.args.USER
	offset int    // of the value, in bytes of file.data

	kind     hujson.Kind // '{', '[', '"', '0', 't', 'f' or 'n'
	text     string      // of a string, its value; of a number, its literal
	members  []member
	elements []*node
}

type member struct {
	name  string
	value *node
}

// parseFile returns the tree of the file at path. A missing file is an error that wraps fs.ErrNotExist.
func parseFile(path string) (*node, error) {
	data, err := read(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, &Error{File: path, Err: err}
	}
	return parse(path, data)
}

// read returns a file's bytes. Only a regular file is opened: a pipe in a work tree would keep us waiting for ever.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written, so nothing can be lost
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// parse returns the tree of JSON with comments. The path is for errors.
func parse(path string, data []byte) (*node, error) {
	f := &file{path: path}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > maxBytes:
		return nil, &Error{File: path, Err: fmt.Errorf("more than %d bytes", maxBytes)}
	case bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > maxBrackets:
		return nil, &Error{File: path, Err: fmt.Errorf("more than %d objects and arrays", maxBrackets)}
	case len(bytes.TrimSpace(data)) == 0:
		return nil, &Error{File: path, Err: errors.New("empty, not even {}")}
	}
	f.data, f.tabs = escaped(data)
	// The parser wants a line end after each line comment. The full slice keeps append from writing into data.
	v, err := hujson.Parse(append(f.data[:len(f.data):len(f.data)], '\n'))
	if err != nil {
		return nil, f.syntax(err)
	}
	return f.tree(v, ""), nil
}

// escaped writes a tab inside a string as \t: the reference CLI takes it, the parser does not. It returns the offsets of
// those escapes too, in the order of the text.
func escaped(data []byte) (out []byte, tabs []int) {
	if !bytes.Contains(data, []byte("\t")) {
		return data, nil
	}
	out = make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		n := 1 // bytes that belong together
		switch {
		case bytes.HasPrefix(data[i:], []byte("//")):
			n = until(data[i:], "\n")
		case bytes.HasPrefix(data[i:], []byte("/*")):
			n = 2 + until(data[i+2:], "*/")
		case data[i] == '"':
			n = quoted(data[i:])
			for _, c := range data[i : i+n] {
				if c == '\t' {
					tabs = append(tabs, len(out))
					out = append(out, '\\')
					c = 't'
				}
				out = append(out, c)
			}
			i += n
			continue
		}
		out = append(out, data[i:i+n]...)
		i += n
	}
	return out, tabs
}

// until returns how many bytes of data there are before and with end, at most all.
func until(data []byte, end string) int {
	if i := bytes.Index(data, []byte(end)); i >= 0 {
		return i + len(end)
	}
	return len(data)
}

// quoted returns the length of the string that data begins with; one without an end goes to the end of its line.
func quoted(data []byte) int {
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

// syntax turns the parser's error, which tells its place in words, into ours.
func (f *file) syntax(err error) error {
	var line, column int
	if _, scanErr := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &line, &column); scanErr != nil {
		return &Error{File: f.path, Err: err}
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	offset := 0
	for range line - 1 {
		i := bytes.IndexByte(f.data[offset:], '\n')
		if i < 0 {
			// The line end that parse adds: the place is the end of the file.
			offset, column = len(f.data), 1
			break
		}
		offset += i + 1
	}
	e := &Error{File: f.path, Err: err}
	e.Line, e.Column = f.position(min(offset+column-1, len(f.data)))
	return e
}

// position returns line and column of an offset, both from 1, the column in characters of the file as it is on disk.
func (f *file) position(offset int) (line, column int) {
	before := f.data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	column = 1 + utf8.RuneCount(before[start:])
	for _, tab := range f.tabs {
		if tab >= start && tab < offset {
			column--
		}
	}
	return 1 + bytes.Count(before, []byte("\n")), column
}

// tree gives v its places and keys. Of members with one name the last wins, at the place of the first, as in JavaScript.
func (f *file) tree(v hujson.Value, key string) *node {
	n := &node{file: f, key: key, offset: v.StartOffset, kind: v.Value.Kind()}
	switch v := v.Value.(type) {
	case *hujson.Object:
		at := make(map[string]int, len(v.Members))
		for _, m := range v.Members {
			name := m.Name.Value.(hujson.Literal).String()
			value := f.tree(m.Value, join(key, name))
			if i, ok := at[name]; ok {
				n.members[i].value = value
				continue
			}
			at[name] = len(n.members)
			n.members = append(n.members, member{name, value})
		}
	case *hujson.Array:
		for i, e := range v.Elements {
			n.elements = append(n.elements, f.tree(e, fmt.Sprintf("%s[%d]", key, i)))
		}
	case hujson.Literal:
		n.text = string(v)
		if n.kind == '"' {
			n.text = v.String()
		}
	}
	return n
}

// join returns the key of a member. A name that would not read as one word is quoted.
func join(key, name string) string {
	if name == "" || strings.ContainsAny(name, ".[]\" \t\n\r") {
		name = quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

// get returns the member of that name, or nil; also of a nil node, of one that is no object, and for null, which says
// nothing.
func (n *node) get(name string) *node {
	if m := n.lookup(name); m != nil && m.kind != 'n' {
		return m
	}
	return nil
}

// lookup is get, but null is a value.
func (n *node) lookup(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// with returns n with a member set, in its place if it has one, else at the end.
func (n *node) with(name string, value *node) *node {
	changed := *n
	changed.members = slices.Clone(n.members)
	for i, m := range changed.members {
		if m.name == name {
			changed.members[i].value = value
			return &changed
		}
	}
	changed.members = append(changed.members, member{name, value})
	return &changed
}

// without returns n without a member.
func (n *node) without(name string) *node {
	changed := *n
	changed.members = slices.DeleteFunc(slices.Clone(n.members), func(m member) bool { return m.name == name })
	return &changed
}

// mapText returns n with each string in it, but no name of a member, replaced by what change makes of it.
func (n *node) mapText(change func(*node) (string, error)) (*node, error) {
	changed := *n
	var err error
	if n.kind == '"' {
		changed.text, err = change(n)
		return &changed, err
	}
	changed.members = slices.Clone(n.members)
	for i, m := range n.members {
		if changed.members[i].value, err = m.value.mapText(change); err != nil {
			return nil, err
		}
	}
	changed.elements = slices.Clone(n.elements)
	for i, e := range n.elements {
		if changed.elements[i], err = e.mapText(change); err != nil {
			return nil, err
		}
	}
	return &changed, nil
}

func (n *node) errorf(format string, args ...any) error {
	e := &Error{File: n.file.path, Key: n.key, Err: fmt.Errorf(format, args...)}
	e.Line, e.Column = n.file.position(n.offset)
	return e
}

// show returns the value for an error, shortened.
func (n *node) show() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	s := string(n.json())
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:60]) + "…"
	}
	return s
}

// MarshalJSON writes the value as standard JSON, members in their order.
func (n *node) MarshalJSON() ([]byte, error) { return n.json(), nil }

func (n *node) json() json.RawMessage { return n.append(nil) }

func (n *node) append(b []byte) []byte {
	switch n.kind {
	case '{':
		b = append(b, '{')
		for i, m := range n.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, quote(m.name)...), ':')
			b = m.value.append(b)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i, e := range n.elements {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.append(b)
		}
		return append(b, ']')
	case '"':
		return append(b, quote(n.text)...)
	default:
		return append(b, n.text...)
	}
}

// quote writes s as JSON.stringify does: no escapes for HTML, nor for U+2028 and U+2029.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be written
	q := strings.TrimSuffix(b.String(), "\n")
	if !strings.Contains(q, `\u202`) {
		return q
	}
	// The encoder never writes a backslash of the text as a single one, so that an even run of them before u202 is text.
	b.Reset()
	for i := 0; i < len(q); i++ {
		switch {
		case strings.HasPrefix(q[i:], `\u2028`):
			b.WriteRune('\u2028')
			i += 5
		case strings.HasPrefix(q[i:], `\u2029`):
			b.WriteRune('\u2029')
			i += 5
		case q[i] == '\\':
			b.WriteString(q[i : i+2])
			i++
		default:
			b.WriteByte(q[i])
		}
	}
	return b.String()
}

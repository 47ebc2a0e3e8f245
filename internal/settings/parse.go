package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Limits of a settings file. The parser recurses for each bracket, and a Go program that runs out of stack cannot even
// say so; no honest file comes near these.
const (
	maxBytes    = 1 << 20
	maxBrackets = 10_000
)

// file is one settings file.
type file struct {
	path string
	data []byte // without a byte order mark
}

// node is one value of a file. A merged node is at the place of the stronger one.
type node struct {
	file   *file
	key    string // path from the top, as in container.ports.WEB
	offset int    // of the value, in bytes
	name   int    // offset of the member's name

	kind     hujson.Kind
	literal  hujson.Literal // of a string, number, boolean or null
	members  map[string]*node
	elements []*node
}

// parseFile returns the tree of the file at path. A missing file is an error that wraps fs.ErrNotExist.
func parseFile(path string) (*node, error) {
	data, err := read(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	f, v, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	return f.tree(v, ""), nil
}

func fileError(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &Error{File: path, Err: err}
}

// parse parses the bytes of the file at path, within the limits.
func parse(path string, data []byte) (*file, hujson.Value, error) {
	f := &file{path: path, data: bytes.TrimPrefix(data, []byte("\ufeff"))}
	switch {
	case len(data) > maxBytes:
		return nil, hujson.Value{}, &Error{File: path, Err: errTooLong}
	case bytes.Count(f.data, []byte("{"))+bytes.Count(f.data, []byte("[")) > maxBrackets:
		return nil, hujson.Value{}, &Error{File: path, Err: fmt.Errorf("more than %d objects and arrays", maxBrackets)}
	case len(bytes.TrimSpace(f.data)) == 0:
		return nil, hujson.Value{}, &Error{File: path, Err: errors.New("empty, not even {}")}
	}
	// The parser wants a line end after each line comment. The full slice keeps append from writing into data.
	v, err := hujson.Parse(append(f.data[:len(f.data):len(f.data)], '\n'))
	if err != nil {
		return nil, hujson.Value{}, f.syntax(err)
	}
	return f, v, nil
}

var errTooLong = fmt.Errorf("more than %d bytes", maxBytes)

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
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = errTooLong
	}
	return data, err
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
			// The line end that parseFile adds: the place is the end of the file.
			offset, column = len(f.data), 1
			break
		}
		offset += i + 1
	}
	e := &Error{File: f.path, Err: err}
	e.Line, e.Column = f.position(min(offset+column-1, len(f.data)))
	return e
}

// position returns line and column of an offset, both from 1, the column in characters.
func (f *file) position(offset int) (line, column int) {
	before := f.data[:offset]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// tree gives v its places and keys. Of members with one name the last wins, as in every JSON reader that iloom's
// users know.
func (f *file) tree(v hujson.Value, key string) *node {
	n := &node{file: f, key: key, offset: v.StartOffset, kind: v.Value.Kind()}
	switch v := v.Value.(type) {
	case *hujson.Object:
		n.members = make(map[string]*node, len(v.Members))
		for _, m := range v.Members {
			name := m.Name.Value.(hujson.Literal).String()
			member := f.tree(m.Value, memberKey(key, name))
			member.name = m.Name.StartOffset
			n.members[name] = member
		}
	case *hujson.Array:
		for i, e := range v.Elements {
			n.elements = append(n.elements, f.tree(e, fmt.Sprintf("%s[%d]", key, i)))
		}
	case hujson.Literal:
		n.literal = v
	}
	return n
}

// memberKey is the path of a member of the object at key.
func memberKey(key, name string) string {
	if !portName.MatchString(name) {
		name = quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

// merge returns weak under strong; either may be nil.
func merge(weak, strong *node) *node {
	if strong == nil {
		return weak
	}
	if weak == nil || weak.kind != '{' || strong.kind != '{' {
		return strong
	}
	n := *strong
	n.members = maps.Clone(weak.members)
	for name, m := range strong.members {
		n.members[name] = merge(weak.members[name], m)
	}
	return &n
}

// get returns the member of that name, or nil; also of a nil node or of one that is no object.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	return n.members[name]
}

// at returns n as if it stood at another offset of its file.
func (n *node) at(offset int) *node {
	moved := *n
	moved.offset = offset
	return &moved
}

func (n *node) errorf(format string, args ...any) error {
	e := &Error{File: n.file.path, Key: n.key, Err: fmt.Errorf(format, args...)}
	e.Line, e.Column = n.file.position(n.offset)
	return e
}

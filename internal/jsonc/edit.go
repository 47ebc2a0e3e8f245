package jsonc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Change sets one value: the member at the end of Path. Objects that are missing on the way to it are made.
type Change struct {
	// Path are the members' names from the top, as in container, ports, WEB.
	Path []string
	// Value is what encoding/json can write.
	Value any
}

// Edit returns data with the changes made; nil data is a file that does not exist. A value that is the wanted one
// already stays as it is written, and so does every other byte: comments, order, line ends, indentation. New members
// look like those beside them. The name is for errors, which are of type *Error; a value in the place of an object is
// one.
func Edit(name string, data []byte, changes ...Change) ([]byte, error) {
	if data == nil {
		data = []byte("{}\n")
	}
	for _, c := range changes {
		for _, member := range c.Path {
			if !utf8.ValidString(member) {
				return nil, &Error{File: name, Err: fmt.Errorf("%q is not a name: not UTF-8", member)}
			}
		}
		// Each change parses the bytes again, because it moves what is behind it.
		edited, err := editOne(name, data, c)
		if err != nil {
			return nil, err
		}
		data = edited
	}
	if _, _, err := parseDocument(name, data); err != nil {
		return nil, err
	}
	return data, nil
}

func editOne(name string, data []byte, c Change) ([]byte, error) {
	doc, top, err := parseDocument(name, data)
	if err != nil {
		return nil, err
	}
	mark := data[:len(data)-len(doc.data)]
	e := &editor{document: doc, lineEnd: "\n", indent: indentUnit(top)}
	if bytes.Contains(doc.data, []byte("\r\n")) {
		e.lineEnd = "\r\n"
	}
	changed, err := e.set(top, c)
	if err != nil {
		return nil, err
	}
	return slices.Concat(mark, changed), nil
}

// editor makes one change in the bytes of a document.
type editor struct {
	*document
	lineEnd, indent string // indent is one level
}

func (e *editor) set(at hujson.Value, c Change) ([]byte, error) {
	wide := true
	for i, name := range c.Path {
		object, ok := at.Value.(*hujson.Object)
		if !ok {
			key := ""
			for _, n := range c.Path[:i] {
				key = memberKey(key, n)
			}
			n := e.tree(at, key)
			return nil, n.Errorf("%s is not an object", n.Show())
		}
		wide = e.isWide(at, object, wide)
		m := e.member(object, name)
		if m == nil {
			return e.insert(at, object, wide, c.Path[i:], c.Value)
		}
		at = m.Value
	}
	text, err := json.Marshal(c.Value)
	if err != nil {
		return nil, err
	}
	if sameJSON(e.tree(at, "").JSON(), text) {
		return e.data, nil
	}
	return e.splice(at.StartOffset, at.EndOffset, string(text)), nil
}

// splice replaces the bytes from lo up to hi.
func (e *editor) splice(lo, hi int, text string) []byte {
	return slices.Concat(e.data[:lo], []byte(text), e.data[hi:])
}

// member returns the last member of that name, which is the one that readers see.
func (e *editor) member(o *hujson.Object, name string) *hujson.ObjectMember {
	for i := len(o.Members) - 1; i >= 0; i-- {
		if e.text(o.Members[i].Name) == name {
			return &o.Members[i]
		}
	}
	return nil
}

// sameJSON reports whether two texts have the same value: 3e3 is 3000.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// isWide reports whether an object has its members on lines of their own. An object without members and line ends is as
// wide as the object around it.
func (e *editor) isWide(v hujson.Value, o *hujson.Object, around bool) bool {
	if len(o.Members) > 0 {
		return bytes.ContainsRune(o.Members[len(o.Members)-1].Name.BeforeExtra, '\n')
	}
	inside := e.data[v.StartOffset+1 : v.EndOffset-1]
	return bytes.ContainsRune(inside, '\n') || around && len(bytes.TrimSpace(inside)) == 0
}

// insert puts a new member at the end of the object.
func (e *editor) insert(v hujson.Value, o *hujson.Object, wide bool, path []string, value any) ([]byte, error) {
	outer := lineIndent(e.data, v.StartOffset)
	if len(o.Members) == 0 {
		return e.first(v, wide, outer, path, value)
	}
	last := &o.Members[len(o.Members)-1]
	// Behind the last value there is a comma only where AfterExtra is not nil.
	end, comma := last.Value.EndOffset, last.Value.AfterExtra != nil
	if comma {
		end += len(last.Value.AfterExtra) + 1
	}
	indent := outer + e.indent
	if before := last.Name.BeforeExtra; wide {
		indent = string(before[bytes.LastIndexByte(before, '\n')+1:])
		if strings.TrimLeft(indent, " \t") != "" {
			indent = outer + e.indent
		}
	}
	text, err := e.render(path, value, wide, indent)
	if err != nil {
		return nil, err
	}
	if comma {
		text += ","
	}
	if !wide {
		// A line comment behind the last value stays behind what is new.
		if !comma {
			return e.splice(end, end, ", "+text), nil
		}
		return e.splice(end, end, " "+text), nil
	}
	// Comments on the last member's line stay with it.
	to := e.afterComments(end, v.EndOffset-1)
	data := e.splice(to, to, e.lineEnd+indent+text)
	if !comma {
		data = slices.Insert(data, end, ',')
	}
	return data, nil
}

// first puts a member into an object that has none.
func (e *editor) first(v hujson.Value, wide bool, outer string, path []string, value any) ([]byte, error) {
	open, shut := v.StartOffset+1, v.EndOffset-1
	inside := e.data[open:shut]
	text, err := e.render(path, value, wide, outer+e.indent)
	if err != nil {
		return nil, err
	}
	// Behind the comments: the line end after the last of them becomes the new member's.
	to := open + len(bytes.TrimRight(inside, " \t\r\n"))
	switch {
	case !wide && len(bytes.TrimSpace(inside)) == 0:
		return e.splice(open, shut, text), nil
	case !wide:
		return e.splice(to, to, " "+text), nil
	case !bytes.ContainsRune(inside, '\n'):
		return e.splice(open, shut, e.lineEnd+outer+e.indent+text+e.lineEnd+outer), nil
	}
	return e.splice(to, to, e.lineEnd+outer+e.indent+text), nil
}

// afterComments returns the offset behind the comments that begin on the line of offset from.
func (e *editor) afterComments(from, limit int) int {
	rest := e.data[from:limit]
	at := 0
	for i := 0; i < len(rest); {
		switch {
		case bytes.HasPrefix(rest[i:], []byte("//")):
			n := bytes.IndexByte(rest[i:], '\n')
			if n < 0 {
				n = len(rest) - i
			}
			return from + i + len(bytes.TrimRight(rest[i:i+n], "\r"))
		case bytes.HasPrefix(rest[i:], []byte("/*")):
			n := bytes.Index(rest[i+2:], []byte("*/"))
			if n < 0 {
				return from + at
			}
			i += 2 + n + 2
			at = i
		case rest[i] == ' ' || rest[i] == '\t':
			i++
		default:
			return from + at
		}
	}
	return from + at
}

// render writes a member with the objects that are missing on the way to the value.
func (e *editor) render(path []string, value any, wide bool, indent string) (string, error) {
	if len(path) == 1 {
		text, err := json.Marshal(value)
		return Quote(path[0]) + ": " + string(text), err
	}
	inner, err := e.render(path[1:], value, wide, indent+e.indent)
	if wide {
		inner = e.lineEnd + indent + e.indent + inner + e.lineEnd + indent
	}
	return Quote(path[0]) + ": {" + inner + "}", err
}

// lineIndent returns the white space that the line of an offset begins with.
func lineIndent(data []byte, offset int) string {
	line := data[bytes.LastIndexByte(data[:offset], '\n')+1 : offset]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// indentUnit returns one level of the document's indentation: that of a first member on a line of its own, otherwise
// two spaces.
func indentUnit(top hujson.Value) string {
	if o, ok := top.Value.(*hujson.Object); ok && len(o.Members) > 0 {
		before := o.Members[0].Name.BeforeExtra
		if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
			if unit := string(before[i+1:]); unit != "" && strings.Trim(unit, " \t") == "" {
				return unit
			}
		}
	}
	return "  "
}

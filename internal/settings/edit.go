package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moby/sys/atomicwriter"
	"github.com/tailscale/hujson"
)

// Change sets one value: the member at the end of Path, with the objects on the way to it made where they are missing.
type Change struct {
	// Path are the members' names from the top, as in container, ports, WEB.
	Path []string
	// Value is what encoding/json can write.
	Value any
}

// Edit returns data, the bytes of a settings file, with the changes made; nil data is a file that is not there. What has
// the wanted value already stays as it is written, and so does every byte that no change is about: comments, order, line
// ends, indentation. New members take the looks of those beside them. path only names the file in errors, which are of
// type *Error; a value that stands where an object is wanted is one.
func Edit(path string, data []byte, changes ...Change) ([]byte, error) {
	if data == nil {
		data = []byte("{}\n")
	}
	for _, c := range changes {
		for _, name := range c.Path {
			if !utf8.ValidString(name) {
				return nil, &Error{File: path, Err: fmt.Errorf("%q is no name: not UTF-8", name)}
			}
		}
		// Each from the bytes anew: a change moves what is behind it.
		edited, err := edit(path, data, c)
		if err != nil {
			return nil, err
		}
		data = edited
	}
	if _, _, err := parse(path, data); err != nil {
		return nil, err
	}
	return data, nil
}

func edit(path string, data []byte, c Change) ([]byte, error) {
	f, top, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	mark := data[:len(data)-len(f.data)]
	e := &editor{file: f, eol: "\n", unit: indentUnit(top)}
	if bytes.Contains(f.data, []byte("\r\n")) {
		e.eol = "\r\n"
	}
	changed, err := e.set(top, c)
	if err != nil {
		return nil, err
	}
	return slices.Concat(mark, changed), nil
}

// editor makes one change in the bytes of a file.
type editor struct {
	file      *file
	eol, unit string
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
			n := e.file.tree(at, key)
			return nil, n.object()
		}
		wide = e.wide(at, object, wide)
		m := member(object, name)
		if m == nil {
			return e.insert(at, object, wide, c.Path[i:], c.Value)
		}
		at = m.Value
	}
	text, err := json.Marshal(c.Value)
	if err != nil {
		return nil, err
	}
	if sameValue(at, text) {
		return e.file.data, nil
	}
	return e.splice(at.StartOffset, at.EndOffset, string(text)), nil
}

// splice replaces the bytes from lo up to hi.
func (e *editor) splice(lo, hi int, text string) []byte {
	return slices.Concat(e.file.data[:lo], []byte(text), e.file.data[hi:])
}

// member is the last one of that name: so do readers see it.
func member(o *hujson.Object, name string) *hujson.ObjectMember {
	for i := len(o.Members) - 1; i >= 0; i-- {
		if o.Members[i].Name.Value.(hujson.Literal).String() == name {
			return &o.Members[i]
		}
	}
	return nil
}

// sameValue tells whether the value is already what text, plain JSON, says: 3e3 is 3000.
func sameValue(v hujson.Value, text []byte) bool {
	v = v.Clone()
	v.BeforeExtra, v.AfterExtra = nil, nil
	v.Standardize()
	var have, want any
	return json.Unmarshal(v.Pack(), &have) == nil && json.Unmarshal(text, &want) == nil && reflect.DeepEqual(have, want)
}

// wide tells whether an object has its members on lines of their own; one without members and line ends does what the
// object around it does.
func (e *editor) wide(v hujson.Value, o *hujson.Object, around bool) bool {
	if len(o.Members) > 0 {
		return bytes.ContainsRune(o.Members[len(o.Members)-1].Name.BeforeExtra, '\n')
	}
	inside := e.file.data[v.StartOffset+1 : v.EndOffset-1]
	return bytes.ContainsRune(inside, '\n') || around && len(bytes.TrimSpace(inside)) == 0
}

// insert puts a new member at the end of the object.
func (e *editor) insert(v hujson.Value, o *hujson.Object, wide bool, path []string, value any) ([]byte, error) {
	outer := lineIndent(e.file.data, v.StartOffset)
	if len(o.Members) == 0 {
		return e.first(v, wide, outer, path, value)
	}
	last := &o.Members[len(o.Members)-1]
	// Behind the last value there is a comma only where AfterExtra is not nil.
	end, comma := last.Value.EndOffset, last.Value.AfterExtra != nil
	if comma {
		end += len(last.Value.AfterExtra) + 1
	}
	indent := outer + e.unit
	if before := last.Name.BeforeExtra; wide {
		indent = string(before[bytes.LastIndexByte(before, '\n')+1:])
		if strings.TrimLeft(indent, " \t") != "" {
			indent = outer + e.unit
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
	// What is said of the last member on its own line stays with it.
	to := e.afterComments(end, v.EndOffset-1)
	data := e.splice(to, to, e.eol+indent+text)
	if !comma {
		data = slices.Insert(data, end, ',')
	}
	return data, nil
}

// first puts a member into an object that has none.
func (e *editor) first(v hujson.Value, wide bool, outer string, path []string, value any) ([]byte, error) {
	open, shut := v.StartOffset+1, v.EndOffset-1
	inside := e.file.data[open:shut]
	text, err := e.render(path, value, wide, outer+e.unit)
	if err != nil {
		return nil, err
	}
	// Behind the comments; the line end that ends the last of them becomes the new member's.
	to := open + len(bytes.TrimRight(inside, " \t\r\n"))
	switch {
	case !wide && len(bytes.TrimSpace(inside)) == 0:
		return e.splice(open, shut, text), nil
	case !wide:
		return e.splice(to, to, " "+text), nil
	case !bytes.ContainsRune(inside, '\n'):
		return e.splice(open, shut, e.eol+outer+e.unit+text+e.eol+outer), nil
	}
	return e.splice(to, to, e.eol+outer+e.unit+text), nil
}

// afterComments is the place behind the comments that begin on the line of offset from.
func (e *editor) afterComments(from, limit int) int {
	rest := e.file.data[from:limit]
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
		return quote(path[0]) + ": " + string(text), err
	}
	inner, err := e.render(path[1:], value, wide, indent+e.unit)
	if wide {
		inner = e.eol + indent + e.unit + inner + e.eol + indent
	}
	return quote(path[0]) + ": {" + inner + "}", err
}

// lineIndent is the white space that the line of an offset begins with.
func lineIndent(data []byte, offset int) string {
	line := data[bytes.LastIndexByte(data[:offset], '\n')+1 : offset]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// indentUnit is what the file indents by: that of its first member on a line of its own, else two spaces.
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

// Write makes the file at path hold data, in one step: a reader sees the old bytes or the new. Its folder is made where
// it is missing; a symbolic link stays one, and what it leads to is written.
func Write(path string, data []byte) error {
	target, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if target, err = dangling(path); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(target); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := atomicwriter.WriteFile(target, data, mode); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// dangling refuses a link that leads nowhere: where it should lead is not ours to make.
func dangling(path string) (string, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", &Error{File: path, Err: errors.New("a symbolic link that leads nowhere")}
	}
	return path, nil
}

// File returns the bytes of the settings file at path as Edit takes them: nil where there is none.
func File(path string) ([]byte, error) {
	data, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	return data, nil
}

package jsonc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Rename returns data with another name for the member at the end of path. Every other byte stays. A missing member is
// an error, and so is a new name that the object has already. The name of the document is for errors.
func Rename(name string, data []byte, path []string, to string) ([]byte, error) {
	top, err := Parse(name, data)
	if err != nil {
		return nil, err
	}
	parent := top
	for _, member := range path[:len(path)-1] {
		parent = parent.Get(member)
	}
	n := parent.Lookup(path[len(path)-1])
	if n == nil {
		return nil, &Error{File: name, Err: fmt.Errorf("has no %s", strings.Join(path, "."))}
	}
	if parent.Lookup(to) != nil {
		return nil, n.AtName().Errorf("%s is there already", Quote(to))
	}
	text := bytes.TrimPrefix(data, []byte("\ufeff"))
	at := len(data) - len(text) + n.nameOffset
	return slices.Concat(data[:at], []byte(Quote(to)), data[at+stringLength(data[at:]):]), nil
}

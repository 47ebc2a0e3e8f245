package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/docker-loom/docker-loom/internal/ports"
)

// The versions of the file. A change that older code could misread must raise it; a new field that it may ignore need
// not. A registry in which no loom has several projects is written as older code can read it.
const (
	oneProject      = 1
	severalProjects = 2
)

func fresh() *State { return &State{Version: oneProject, Fresh: true} }

// versionOf is the version in which looms are written, sorted by their names.
func versionOf(looms []*Loom) int {
	for i, l := range looms {
		if i > 0 && l.hasName(looms[i-1].Repository, looms[i-1].ID) {
			return severalProjects
		}
	}
	return oneProject
}

// encode returns the file's bytes: the same state always gives the same ones.
func encode(s *State) ([]byte, error) {
	looms := slices.Clone(s.Looms)
	slices.SortStableFunc(looms, func(a, b *Loom) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Dir, b.Dir))
	})
	file := map[string]any{}
	for k, v := range s.Unknown {
		file[k] = v
	}
	list := make([]any, 0, len(looms))
	for _, l := range looms {
		for _, text := range []string{l.ID, l.Repository, l.WorkTree, l.Dir} {
			if !utf8.ValidString(text) {
				return nil, fmt.Errorf("loom %q: path %q is not UTF-8", l.ID, text)
			}
		}
		if err := check(l); err != nil {
			return nil, fmt.Errorf("loom %s: %w", l.Name(), err)
		}
		if l.Ports == nil {
			c := *l
			c.Ports, l = []ports.Lease{}, &c
		}
		entry, err := withUnknown(l)
		if err != nil {
			return nil, fmt.Errorf("loom %s: %w", l.Name(), err)
		}
		list = append(list, entry)
	}
	file["version"], file["looms"] = versionOf(looms), list
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(file); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// withUnknown returns what to encode for a loom: itself, or where it has unknown fields all of them as one object.
func withUnknown(l *Loom) (any, error) {
	if len(l.Unknown) == 0 {
		return l, nil
	}
	known, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(l.Unknown)
	return all, json.Unmarshal(known, &all)
}

// decode reads the file's bytes. Its errors name line and column, but not the file; they are a [*NewerError] or mean
// damage.
func decode(data []byte) (*State, error) {
	if looms, ok := usual(data); ok {
		return &State{Version: versionOf(looms), Looms: looms}, nil
	}
	file, err := members(data)
	if err != nil {
		return nil, err
	}
	// The version first: a later format may have any shape.
	head, ok := file["version"]
	var v int
	if err := json.Unmarshal(head.value, &v); ok && err != nil {
		return nil, place(data, head.at, err)
	}
	if v < 1 {
		return nil, place(data, head.at, errors.New("it has no version"))
	}
	if v > severalProjects {
		return nil, &NewerError{Version: v}
	}
	s := &State{Version: v}
	list, ok := file["looms"]
	if !ok {
		return nil, place(data, 0, errors.New("it has no list of looms"))
	}
	if err := s.looms(data, list); err != nil {
		return nil, err
	}
	delete(file, "version")
	delete(file, "looms")
	for name, m := range file {
		if s.Unknown == nil {
			s.Unknown = map[string]json.RawMessage{}
		}
		s.Unknown[name] = m.value
	}
	return s, nil
}

// usual reads a file as encode writes it when nothing is unknown, in one pass: every command starts with it. Whatever
// is not exactly so (another version, a member more, a fault) is not for it, but for the careful way, which knows
// where things stand.
func usual(data []byte) ([]*Loom, bool) {
	list, ok := bytes.CutPrefix(data, []byte("{\n  \"looms\": "))
	list, end := bytes.CutSuffix(list, []byte(",\n  \"version\": 1\n}\n"))
	if !end {
		list, end = bytes.CutSuffix(list, []byte(",\n  \"version\": 2\n}\n"))
	}
	if !ok || !end {
		return nil, false
	}
	var looms []*Loom
	d := json.NewDecoder(bytes.NewReader(list))
	d.DisallowUnknownFields()
	if err := d.Decode(&looms); err != nil || looms == nil || d.InputOffset() != int64(len(list)) {
		return nil, false
	}
	for _, l := range looms {
		if l == nil || check(l) != nil {
			return nil, false
		}
	}
	return looms, true
}

// member is a value in the file and the offset at which it starts.
type member struct {
	value json.RawMessage
	at    int64
}

func members(data []byte) (map[string]member, error) {
	// Only a check of the whole finds what follows the object. After it the decoder, which is there for the offsets,
	// finds no error any more.
	var all json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, place(data, 0, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if open, _ := d.Token(); open != json.Delim('{') {
		return nil, place(data, 0, errors.New("it is not a JSON object"))
	}
	file := map[string]member{}
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		m := next(d)
		if _, twice := file[name]; twice {
			return nil, place(data, m.at, fmt.Errorf("%q is there twice", name))
		}
		file[name] = m
	}
	return file, nil
}

func next(d *json.Decoder) member {
	var value json.RawMessage
	_ = d.Decode(&value)
	return member{value, d.InputOffset() - int64(len(value))}
}

// looms reads the list of looms one by one, because only so is it known where a bad one stands.
func (s *State) looms(data []byte, list member) error {
	d := json.NewDecoder(bytes.NewReader(list.value))
	if open, _ := d.Token(); open != json.Delim('[') {
		return place(data, list.at, errors.New("looms is not a list"))
	}
	for d.More() {
		m := next(d)
		l, err := decodeLoom(m.value)
		if err == nil {
			err = check(l)
		}
		if err != nil {
			return place(data, list.at+m.at, err)
		}
		s.Looms = append(s.Looms, l)
	}
	return nil
}

func decodeLoom(raw []byte) (*Loom, error) {
	l := new(Loom)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if d.Decode(l) == nil {
		return l, nil
	}
	// Rare, so only now the slow way: there is something unknown, or something wrong.
	l = new(Loom)
	if err := errors.Join(json.Unmarshal(raw, l), json.Unmarshal(raw, &l.Unknown)); err != nil {
		return nil, err
	}
	maps.DeleteFunc(l.Unknown, func(name string, _ json.RawMessage) bool { return loomFields[strings.ToLower(name)] })
	return l, nil
}

// loomFields are the JSON names of a loom's fields in lower case: encoding/json ignores case when it reads.
var loomFields = func() map[string]bool {
	names := map[string]bool{}
	for field := range reflect.TypeFor[Loom]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names[strings.ToLower(name)] = true
	}
	return names
}()

// check refuses what would only fail far from here: a promise that names no loom, no port or no subnet.
func check(l *Loom) error {
	if l.ID == "" || l.Repository == "" {
		return errors.New("a loom without id or repository")
	}
	for _, p := range l.Ports {
		if p.Host < 1 || p.Count < 0 || p.Count > ports.Max || p.Host > ports.Max-max(p.Count, 1)+1 {
			return fmt.Errorf("lease of host port %d, count %d, is not within 1-%d", p.Host, p.Count, ports.Max)
		}
	}
	for _, cidrs := range l.Subnets {
		for _, cidr := range cidrs {
			if _, err := netip.ParsePrefix(cidr); err != nil {
				return fmt.Errorf("subnet: %w", err)
			}
		}
	}
	return nil
}

// place adds to an error where in data it is: the offset that the error itself knows counts from at. Columns count
// bytes, both count from 1.
func place(data []byte, at int64, err error) error {
	// json counts the byte it stumbles over as read.
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at += max(syntax.Offset-1, 0)
	} else if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at += max(typed.Offset-1, 0)
	}
	before := data[:min(at, int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

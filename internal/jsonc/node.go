package jsonc

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Node is one value of a document. Nodes never change once made: a changed tree shares what stays the same.
type Node struct {
	doc        *document
	key        string // path from the top, as in build.args.USER
	offset     int    // of the value, in bytes of the document
	nameOffset int    // of the member's name

	// Kind is '{', '[', '"', '0', 't', 'f' or 'n'.
	Kind hujson.Kind
	// Text is the value of a string; of any other literal, its bytes.
	Text     string
	Members  []Member
	Elements []*Node
}

// Member is a named value of an object.
type Member struct {
	Name  string
	Value *Node
}

// NewObject returns an object without members that stands at no place of the named document.
func NewObject(name string) *Node { return &Node{doc: &document{name: name}, Kind: '{'} }

// Object returns a new object with the key and members. In errors it stands where n does.
func (n *Node) Object(key string, members ...Member) *Node {
	return &Node{doc: n.doc, key: key, offset: n.offset, Kind: '{', Members: members}
}

// String returns a new string. In errors it stands where n does.
func (n *Node) String(text string) *Node {
	return &Node{doc: n.doc, key: n.key, offset: n.offset, Kind: '"', Text: text}
}

// Number returns a new number. In errors it stands where n does.
func (n *Node) Number(literal string) *Node {
	return &Node{doc: n.doc, key: n.key, offset: n.offset, Kind: '0', Text: literal}
}

// Get returns the member of that name. It returns nil if the member is missing or null, or if n is nil or not an
// object.
func (n *Node) Get(name string) *Node {
	if m := n.Lookup(name); m != nil && m.Kind != 'n' {
		return m
	}
	return nil
}

// Lookup is Get, but returns a null.
func (n *Node) Lookup(name string) *Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// With returns n with a member set: in its place if n has it, otherwise at the end.
func (n *Node) With(name string, value *Node) *Node {
	changed := *n
	changed.Members = slices.Clone(n.Members)
	for i, m := range changed.Members {
		if m.Name == name {
			changed.Members[i].Value = value
			return &changed
		}
	}
	changed.Members = append(changed.Members, Member{name, value})
	return &changed
}

// Without returns n without a member.
func (n *Node) Without(name string) *Node {
	changed := *n
	changed.Members = slices.DeleteFunc(slices.Clone(n.Members), func(m Member) bool { return m.Name == name })
	return &changed
}

// Merge returns strong on top of weak: objects are merged member by member, anything else is replaced. Either may be
// nil. A merged node stands at the place of the stronger one.
func Merge(weak, strong *Node) *Node {
	if strong == nil {
		return weak
	}
	if weak == nil || weak.Kind != '{' || strong.Kind != '{' {
		return strong
	}
	merged := *strong
	merged.Members = weak.Members
	for _, m := range strong.Members {
		merged = *merged.With(m.Name, Merge(weak.Lookup(m.Name), m.Value))
	}
	return &merged
}

// MapText returns n with each string in it replaced by what change makes of it. Names of members stay.
func (n *Node) MapText(change func(*Node) (string, error)) (*Node, error) {
	changed := *n
	var err error
	if n.Kind == '"' {
		changed.Text, err = change(n)
		return &changed, err
	}
	changed.Members = slices.Clone(n.Members)
	for i, m := range n.Members {
		if changed.Members[i].Value, err = m.Value.MapText(change); err != nil {
			return nil, err
		}
	}
	changed.Elements = slices.Clone(n.Elements)
	for i, e := range n.Elements {
		if changed.Elements[i], err = e.MapText(change); err != nil {
			return nil, err
		}
	}
	return &changed, nil
}

// Key is the path of the value in its document, as in build.args.USER.
func (n *Node) Key() string { return n.key }

// AtName returns n as if the value stood where the member's name does, for an error about the name.
func (n *Node) AtName() *Node {
	moved := *n
	moved.offset = n.nameOffset
	return &moved
}

// Place returns the document's name with line and column of the value, as in "path:12:5".
func (n *Node) Place() string {
	line, column := n.doc.position(n.offset)
	return fmt.Sprintf("%s:%d:%d", n.doc.name, line, column)
}

// Errorf returns an error of type *Error with the place of the value.
func (n *Node) Errorf(format string, args ...any) error {
	e := &Error{File: n.doc.name, Key: n.key, Err: fmt.Errorf(format, args...)}
	e.Line, e.Column = n.doc.position(n.offset)
	return e
}

// Show returns the value for an error, shortened.
func (n *Node) Show() string {
	switch n.Kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	s := string(n.JSON())
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:60]) + "…"
	}
	return s
}

// MarshalJSON writes the value as standard JSON, members in their order.
func (n *Node) MarshalJSON() ([]byte, error) { return n.JSON(), nil }

// JSON returns the value as standard JSON, members in their order.
func (n *Node) JSON() json.RawMessage { return n.appendJSON(nil) }

func (n *Node) appendJSON(b []byte) []byte {
	switch n.Kind {
	case '{':
		b = append(b, '{')
		for i, m := range n.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, Quote(m.Name)...), ':')
			b = m.Value.appendJSON(b)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i, e := range n.Elements {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.appendJSON(b)
		}
		return append(b, ']')
	case '"':
		return append(b, Quote(n.Text)...)
	default:
		return append(b, n.Text...)
	}
}

var word = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// memberKey is the path of a member of the object at key. A name that is not a single word is quoted.
func memberKey(key, name string) string {
	if !word.MatchString(name) {
		name = Quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

// Quote writes s as JSON.stringify does: no escapes for HTML, nor for U+2028 and U+2029.
func Quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be written
	q := strings.TrimSuffix(b.String(), "\n")
	if !strings.Contains(q, `\u202`) {
		return q
	}
	// The encoder never writes a backslash of the text as a single one, so an even run of them before u202 is text.
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

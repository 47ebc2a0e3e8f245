package overrides

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// Tags of Compose's merge rules (Compose 2.24.4 and later).
const (
	override = "!override"
	reset    = "!reset"
)

// Document is an override file in the making: a tree of mappings in the order in which they were set.
type Document struct {
	root yaml.Node
	err  error
}

// NewDocument returns an empty document.
func NewDocument() *Document { return &Document{root: yaml.Node{Kind: yaml.MappingNode}} }

// Set puts a value at the path, with a tag such as !override if one is given. Every $ in it is doubled, so that Compose
// reads the value as it is.
func (d *Document) Set(value any, tag string, path ...string) {
	var n yaml.Node
	if err := n.Encode(value); err != nil {
		d.err = fmt.Errorf("%s: %w", strings.Join(path, "."), err)
		return
	}
	escape(&n)
	if tag != "" {
		n.Tag, n.Style = tag, n.Style|yaml.TaggedStyle
	}
	*d.at(path) = n
}

// Add puts a value at the end of the list at the path.
func (d *Document) Add(value string, path ...string) {
	n := d.at(path)
	n.Kind = yaml.SequenceNode
	v := &yaml.Node{}
	v.SetString(value)
	escape(v)
	n.Content = append(n.Content, v)
}

// append puts a value of any kind at the end of the list at the path, which keeps its tag.
func (d *Document) append(value any, path ...string) {
	var v yaml.Node
	if err := v.Encode(value); err != nil {
		d.err = fmt.Errorf("%s: %w", strings.Join(path, "."), err)
		return
	}
	escape(&v)
	n := d.at(path)
	if n.Tag == reset {
		*n = yaml.Node{Tag: override, Style: yaml.TaggedStyle}
	}
	n.Kind = yaml.SequenceNode
	n.Content = append(n.Content, &v)
}

// Reset takes away what the base files say at the path.
func (d *Document) Reset(path ...string) {
	*d.at(path) = yaml.Node{Kind: yaml.ScalarNode, Tag: reset, Value: "null", Style: yaml.TaggedStyle}
}

// at returns the node at the path, making the mappings that lead to it.
func (d *Document) at(path []string) *yaml.Node {
	n := &d.root
	for _, key := range path {
		n = child(n, key)
	}
	return n
}

func child(n *yaml.Node, key string) *yaml.Node {
	switch {
	case n.Tag == reset:
		*n = yaml.Node{Kind: yaml.MappingNode, Tag: override, Style: yaml.TaggedStyle}
	case n.Kind == 0 || n.ShortTag() == "!!null":
		*n = yaml.Node{Kind: yaml.MappingNode}
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	k := &yaml.Node{}
	k.SetString(key)
	v := &yaml.Node{}
	n.Content = append(n.Content, k, v)
	return v
}

func escape(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Value = strings.ReplaceAll(n.Value, "$", "$$")
	}
	for i, c := range n.Content {
		// Compose takes no $ in a key for a variable.
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			escape(c)
		}
	}
}

// encode writes the document behind a header of comment lines.
func (d *Document) encode(header string) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	var b bytes.Buffer
	b.WriteString(header)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&d.root); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Render writes the edits as an override that merges with the base files, behind a header for the loom with this name.
func Render(p *types.Project, loom string, edits []Edit) ([]byte, error) {
	d := NewDocument()
	// The name comes first and always: without it plain docker compose in this folder would act on another project.
	d.Set(p.Name, "", "name")
	for _, e := range edits {
		e.Render(d)
	}
	return d.encode(header(loom))
}

// Whole writes the project itself, if there is no compose file that an override could merge with.
func Whole(p *types.Project, loom string) ([]byte, error) {
	text, err := p.MarshalYAML()
	if err != nil {
		return nil, err
	}
	// MarshalYAML leaves $ as it is, which Compose would take for a variable.
	return append([]byte(header(loom)), strings.ReplaceAll(string(text), "$", "$$")...), nil
}

const made = "# Made by docker loom"

func header(loom string) string {
	return made + " for " + loom + ". It keeps this copy apart from the others and is written\n" +
		"# again by every docker loom command; docker loom down removes it. Put changes of your own into other files.\n"
}

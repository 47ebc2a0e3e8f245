package devcontainer

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// LocalPath is where a user's own part of a devcontainer.json is: beside it, with a leading dot if that has one.
func LocalPath(config string) string {
	name := "devcontainer.local.json"
	if strings.HasPrefix(filepath.Base(config), ".") {
		name = "." + name
	}
	return filepath.Join(filepath.Dir(config), name)
}

// containerHooks are the hooks that run in the container.
var containerHooks = []string{OnCreate, UpdateContent, PostCreate, PostStart, PostAttach}

// With returns c with the text of another file, called name, on top: objects are merged key by key, arrays are joined,
// the other file's hooks run after those of c, and anything else is replaced. c has its variables yet. Errors are of
// type *Error and name the place in the file.
func (c *Config) With(name string, text []byte) (*Config, error) {
	n, err := jsonc.Parse(name, text)
	if err != nil {
		return nil, asError(err)
	}
	if n.Kind != '{' {
		return nil, asError(n.Errorf("%s is not an object", n.Show()))
	}
	if n, err = modern(n); err != nil {
		return nil, err
	}
	hooks := *n
	hooks.Members = nil
	for _, hook := range containerHooks {
		if command := n.Get(hook); command != nil {
			hooks.Members = append(hooks.Members, jsonc.Member{Name: hook, Value: command})
		}
		n = n.Without(hook)
	}
	later := slices.Clone(c.later)
	if len(hooks.Members) > 0 {
		m, err := decodeMetadata(&hooks, true)
		if err != nil {
			return nil, err
		}
		m.ID = filepath.Base(name)
		later = append(later, m)
	}
	document := join(c.document, n)
	merged, err := decodeConfig(c.place(), document, document, true)
	if err != nil {
		return nil, err
	}
	merged.later, merged.laterRead = later, later
	return merged, nil
}

// join returns strong on top of weak: objects member by member, arrays one after the other, each element once.
func join(weak, strong *jsonc.Node) *jsonc.Node {
	switch {
	case weak == nil || weak.Kind != strong.Kind:
		return strong
	case strong.Kind == '{':
		joined := *strong
		joined.Members = weak.Members
		for _, m := range strong.Members {
			value := m.Value
			if m.Name != "initializeCommand" {
				value = join(weak.Lookup(m.Name), m.Value)
			}
			joined = *joined.With(m.Name, value)
		}
		return &joined
	case strong.Kind == '[':
		joined := *strong
		joined.Elements = slices.Clone(weak.Elements)
		for _, e := range strong.Elements {
			if !slices.ContainsFunc(weak.Elements, func(w *jsonc.Node) bool { return bytes.Equal(w.JSON(), e.JSON()) }) {
				joined.Elements = append(joined.Elements, e)
			}
		}
		return &joined
	}
	return strong
}

// Entries are those of c for the metadata label: what its files say, no variable replaced, also where c's are.
func (c *Config) Entries() []Metadata {
	return append([]Metadata{c.picked()}, c.laterRead...)
}

package devcontainer

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// recorded are the properties of a devcontainer.json that go into the label, in the order of the reference CLI.
var recorded = []string{
	"onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand", "postAttachCommand", "waitFor",
	"customizations", "mounts", "containerEnv", "containerUser", "init", "privileged", "capAdd", "securityOpt",
	"remoteUser",
	"userEnvProbe", "remoteEnv", "overrideCommand", "portsAttributes", "otherPortsAttributes", "forwardPorts",
	"shutdownAction", "updateRemoteUserUID", "hostRequirements",
}

// pick returns the recorded properties of a document.
func pick(document *jsonc.Node) *jsonc.Node {
	picked := *document
	picked.Members = nil
	for _, name := range recorded {
		if value := document.Lookup(name); value != nil {
			picked.Members = append(picked.Members, jsonc.Member{Name: name, Value: value})
		}
	}
	return &picked
}

// picked is the entry of c for the metadata label: what the file says, no variable replaced, also where c's are.
func (c *Config) picked() Metadata {
	if c.read == nil {
		return c.Metadata // made by hand
	}
	d := &decoder{loose: true}
	return d.metadata(pick(c.read)) // Read has decoded it without an error
}

// ParseMetadata returns the entries of a devcontainer.metadata label: an array, or a single object. An empty label
// has none. Errors are of type *Error, with the label's name for a file (specification, "Image Metadata").
func ParseMetadata(label string) ([]Metadata, error) {
	if strings.TrimSpace(label) == "" {
		return nil, nil
	}
	n, err := parse(LabelMetadata, []byte(label))
	if err != nil {
		return nil, err
	}
	each := []*jsonc.Node{n}
	if n.Kind == '[' {
		each = n.Elements
	}
	entries := make([]Metadata, 0, len(each))
	for _, e := range each {
		m, err := decodeMetadata(e, true)
		if err != nil {
			return nil, err
		}
		entries = append(entries, m)
	}
	return entries, nil
}

// Label writes the metadata label. Entries that say nothing are left out; where all do it is "[]" (specification,
// "Image Metadata").
func Label(entries []Metadata) string {
	var parts []string
	for _, e := range entries {
		// Without written documents of its own an entry cannot have a value that JSON has no form for.
		if data, err := e.MarshalJSON(); err == nil && string(data) != "{}" {
			parts = append(parts, string(data))
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// ParseFeature returns what a feature's description adds to the metadata of an image: its hooks, what it asks of the
// container, and customizations, to which extensions and settings of older descriptions belong now. A feature's
// containerEnv is left out: its image has that (specification, "Image Metadata").
func ParseFeature(description *jsonc.Node) (Metadata, error) {
	n, err := modern(description)
	if err != nil {
		return Metadata{}, err
	}
	m, err := decodeMetadata(n, true)
	return Metadata{
		OnCreateCommand: m.OnCreateCommand, UpdateContentCommand: m.UpdateContentCommand,
		PostCreateCommand: m.PostCreateCommand, PostStartCommand: m.PostStartCommand, PostAttachCommand: m.PostAttachCommand,
		Init: m.Init, Privileged: m.Privileged, CapAdd: m.CapAdd, SecurityOpt: m.SecurityOpt,
		Entrypoint: m.Entrypoint, Mounts: m.Mounts, Customizations: m.Customizations,
	}, err
}

func decodeMetadata(n *jsonc.Node, loose bool) (Metadata, error) {
	if n.Kind != '{' {
		return Metadata{}, asError(n.Errorf("%s is not an object", n.Show()))
	}
	d := &decoder{loose: loose}
	m := d.metadata(n)
	return m, asError(d.Err)
}

// UnmarshalJSON reads one entry, comments and all.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	n, err := parse("metadata", data)
	if err != nil {
		return err
	}
	*m, err = decodeMetadata(n, true)
	return err
}

// MarshalJSON writes the properties that are set.
func (m Metadata) MarshalJSON() ([]byte, error) {
	n, err := m.node()
	if err != nil {
		return nil, err
	}
	return n.JSON(), nil
}

// node is the entry as a document: what was read stays as it was written as long as the field has the value that was
// read.
func (m Metadata) node() (*jsonc.Node, error) {
	type plain Metadata // without the methods
	data, err := json.Marshal(plain(m))
	if err != nil {
		return nil, err
	}
	now, err := parse(LabelMetadata, data)
	if err != nil || m.written == nil {
		return now, err
	}
	d := &decoder{loose: true}
	was := reflect.ValueOf(d.metadata(m.written))
	is := reflect.ValueOf(m)
	out := m.written
	for i := range is.NumField() {
		name, _, _ := strings.Cut(is.Type().Field(i).Tag.Get("json"), ",")
		if name == "" || reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			continue
		}
		if value := now.Lookup(name); value != nil {
			out = out.With(name, value)
		} else {
			out = out.Without(name)
		}
	}
	if i := slices.IndexFunc(out.Members, func(m jsonc.Member) bool { return m.Name == "id" }); i > 0 {
		id := out.Members[i]
		out = out.Without("id")
		out.Members = slices.Insert(out.Members, 0, id)
	}
	return out, nil
}

// MarshalJSON writes the form of the file.
func (c Command) MarshalJSON() ([]byte, error) {
	switch {
	case c.Parallel != nil:
		parts := make([]string, 0, len(c.Parallel))
		for _, p := range c.Parallel {
			data, err := p.MarshalJSON()
			if err != nil {
				return nil, err
			}
			parts = append(parts, jsonc.Quote(p.Name)+":"+string(data))
		}
		return []byte("{" + strings.Join(parts, ",") + "}"), nil
	case c.Exec != nil:
		parts := make([]string, 0, len(c.Exec))
		for _, arg := range c.Exec {
			parts = append(parts, jsonc.Quote(arg))
		}
		return []byte("[" + strings.Join(parts, ",") + "]"), nil
	default:
		return []byte(jsonc.Quote(c.Shell)), nil
	}
}

// UnmarshalJSON reads any of the three forms.
func (c *Command) UnmarshalJSON(data []byte) error {
	n, err := parse("command", data)
	if err != nil {
		return err
	}
	d := &decoder{}
	*c = Command{}
	if cmd := d.command(n); cmd != nil {
		*c = *cmd
	}
	return asError(d.Err)
}

// errNoTarget says what is wrong with a mount.
var errNoTarget = errors.New("a mount needs a target")

// ParseMount reads a string of docker run --mount. The error is about its form and its target alone: what the engine
// does not know stays in Options.
func ParseMount(s string) (Mount, error) {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return Mount{}, fmt.Errorf("%s is not a mount", jsonc.Quote(s))
	}
	m := Mount{Type: "volume"} // as docker has it
	for _, f := range fields {
		key, value, hasValue := strings.Cut(f, "=")
		on := !hasValue || value == "true" || value == "1"
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "type":
			m.Type = strings.ToLower(value)
		case "source", "src":
			m.Source = value
		case "target", "destination", "dst":
			m.Target = value
		case "readonly", "ro":
			m.ReadOnly = on
		case "external":
			m.External = on
		default:
			m.Options = append(m.Options, f)
		}
	}
	if m.Target == "" {
		return m, errNoTarget
	}
	return m, nil
}

// Equal says whether two mounts say the same, however they were written.
func (m Mount) Equal(other Mount) bool {
	return m.Type == other.Type && m.Source == other.Source && m.Target == other.Target && m.ReadOnly == other.ReadOnly &&
		m.External == other.External && slices.Equal(m.Options, other.Options)
}

// MarshalJSON writes the form that m was read from as long as it says the same, otherwise a string of docker run
// --mount.
func (m Mount) MarshalJSON() ([]byte, error) {
	if m.written != nil {
		d := &decoder{loose: true}
		if was := d.mount(m.written); was.Equal(m) {
			return m.written.JSON(), nil
		}
	}
	return []byte(jsonc.Quote(m.String())), nil
}

// UnmarshalJSON reads a string or an object.
func (m *Mount) UnmarshalJSON(data []byte) error {
	n, err := parse("mount", data)
	if err != nil {
		return err
	}
	d := &decoder{loose: true}
	*m = d.mount(n)
	return asError(d.Err)
}

// String is m as docker run --mount takes it.
func (m Mount) String() string {
	fields := []string{"type=" + m.Type}
	if m.Source != "" {
		fields = append(fields, "source="+m.Source)
	}
	fields = append(fields, "target="+m.Target)
	if m.ReadOnly {
		fields = append(fields, "readonly")
	}
	if m.External {
		fields = append(fields, "external=true")
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(append(fields, m.Options...)) // a Builder takes everything
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

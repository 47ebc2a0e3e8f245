package devcontainer

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// decoder turns nodes into the words of types.go. It keeps the first error; after it nothing that was decoded counts. All its
// methods take a nil node for a key that is not there.
type decoder struct {
	// known says that the words of the specification (waitFor and its like) are checked: in a devcontainer.json, which
	// its owner can correct, not in what an image says.
	known bool
	// loose says that variables are not yet replaced: a value that has one cannot be checked yet.
	loose bool
	err   error
}

func (d *decoder) fail(n *node, format string, args ...any) {
	if d.err == nil {
		d.err = n.errorf(format, args...)
	}
}

// open says whether a string cannot be checked yet.
func (d *decoder) open(s string) bool { return d.loose && strings.Contains(s, "${") }

func (d *decoder) object(n *node) []member {
	if n == nil {
		return nil
	}
	if n.kind != '{' {
		d.fail(n, "%s is no object", n.show())
	}
	return n.members
}

func (d *decoder) text(n *node) string {
	if n == nil {
		return ""
	}
	if n.kind != '"' {
		d.fail(n, "%s is no string", n.show())
	}
	return n.text
}

func (d *decoder) word(n *node, words ...string) string {
	s := d.text(n)
	if n != nil && d.known && !d.open(s) && !slices.Contains(words, s) {
		d.fail(n, "%s is none of %s", n.show(), strings.Join(words, ", "))
	}
	return s
}

func (d *decoder) boolean(n *node) *bool {
	if n == nil {
		return nil
	}
	if n.kind != 't' && n.kind != 'f' {
		d.fail(n, "%s is neither true nor false", n.show())
	}
	b := n.kind == 't'
	return &b
}

func (d *decoder) array(n *node, of string) []*node {
	if n == nil {
		return nil
	}
	if n.kind != '[' {
		d.fail(n, "%s is no array of %s", n.show(), of)
	}
	return n.elements
}

func (d *decoder) texts(n *node) []string {
	var out []string
	for _, e := range d.array(n, "strings") {
		out = append(out, d.text(e))
	}
	return out
}

// textOrTexts takes one string for an array of it.
func (d *decoder) textOrTexts(n *node) []string {
	if n != nil && n.kind == '"' {
		return []string{n.text}
	}
	if n != nil && n.kind != '[' {
		d.fail(n, "%s is neither a string nor an array of strings", n.show())
	}
	return d.texts(n)
}

// scalar takes numbers and booleans too, as the value of an environment variable.
func (d *decoder) scalar(n *node) string {
	if n.kind == '{' || n.kind == '[' || n.kind == 'n' {
		d.fail(n, "%s is no string", n.show())
	}
	return n.text
}

func (d *decoder) env(n *node) map[string]string {
	if n == nil {
		return nil
	}
	out := make(map[string]string, len(n.members))
	for _, m := range d.object(n) {
		out[m.name] = d.scalar(m.value)
	}
	return out
}

func (d *decoder) remoteEnv(n *node) map[string]*string {
	if n == nil {
		return nil
	}
	out := make(map[string]*string, len(n.members))
	for _, m := range d.object(n) {
		out[m.name] = nil
		if m.value.kind != 'n' {
			s := d.scalar(m.value)
			out[m.name] = &s
		}
	}
	return out
}

func (d *decoder) raws(n *node) map[string]json.RawMessage {
	if n == nil {
		return nil
	}
	out := make(map[string]json.RawMessage, len(n.members))
	for _, m := range d.object(n) {
		out[m.name] = m.value.json()
	}
	return out
}

// number returns a whole number from low to high; 3e3 and 3000.0 are whole.
func (d *decoder) number(n *node, low, high int, what string) int {
	if n == nil {
		return 0
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if n.kind != '0' || err != nil || f < float64(low) || f > float64(high) || f != float64(int(f)) {
		d.fail(n, "%s is no %s (%d–%d)", n.show(), what, low, high)
		return 0
	}
	return int(f)
}

// command returns nil for what is nothing to run: "" and null.
func (d *decoder) command(n *node) *Command {
	if n == nil || n.kind == '"' && n.text == "" {
		return nil
	}
	var c Command
	switch n.kind {
	case '{':
		c.Parallel = make([]NamedCommand, 0, len(n.members))
		for _, m := range n.members {
			if m.value.kind != '"' && m.value.kind != '[' {
				d.fail(m.value, "%s is neither a string nor an array of strings", m.value.show())
				continue
			}
			one := NamedCommand{Name: m.name}
			if cmd := d.command(m.value); cmd != nil {
				one.Command = *cmd
			}
			c.Parallel = append(c.Parallel, one)
		}
	case '[':
		c.Exec = append([]string{}, d.texts(n)...)
	case '"':
		c.Shell = n.text
	default:
		d.fail(n, "%s is no command: a string, an array of strings or an object of those", n.show())
	}
	return &c
}

func (d *decoder) config(n *node) *Config {
	c := &Config{
		Name:              d.text(n.get("name")),
		Image:             d.text(n.get("image")),
		RunArgs:           d.texts(n.get("runArgs")),
		AppPort:           d.appPort(n.get("appPort")),
		WorkspaceFolder:   d.text(n.get("workspaceFolder")),
		InitializeCommand: d.command(n.get("initializeCommand")),
		Features:          d.features(n.get("features")),
		FeatureOrder:      d.texts(n.get("overrideFeatureInstallOrder")),
		Secrets:           d.secrets(n.get("secrets")),
		Metadata:          d.metadata(n),
	}
	// A key with null is a key: the reference CLI then mounts nothing.
	if n.lookup("workspaceMount") != nil {
		mount := d.text(n.get("workspaceMount"))
		c.WorkspaceMount = &mount
	}
	d.object(n.get("build"))
	switch {
	case n.get("dockerFile") != nil || n.get("build").get("dockerfile") != nil:
		c.Kind, c.Build = KindDockerfile, d.build(n)
	case n.get("image") != nil:
		c.Kind = KindImage
	case n.get("dockerComposeFile") != nil:
		c.Kind = KindCompose
		c.Compose = &Compose{
			Files:       d.textOrTexts(n.get("dockerComposeFile")),
			Service:     d.text(n.get("service")),
			RunServices: d.texts(n.get("runServices")),
		}
		if c.Compose.Service == "" {
			d.fail(n, "no service: dockerComposeFile needs the name of the dev container's")
		}
	default:
		d.fail(n, "nothing to make a container from: none of image, build.dockerfile and dockerComposeFile is set")
	}
	return c
}

func (d *decoder) build(n *node) *Build {
	b := n.get("build")
	out := &Build{
		Dockerfile: d.text(b.get("dockerfile")),
		Context:    d.text(b.get("context")),
		Args:       d.env(b.get("args")),
		Target:     d.text(b.get("target")),
		CacheFrom:  d.textOrTexts(b.get("cacheFrom")),
		Options:    d.texts(b.get("options")),
	}
	if old := n.get("dockerFile"); old != nil {
		out.Dockerfile, out.Context = d.text(old), d.text(n.get("context"))
	}
	return out
}

func (d *decoder) appPort(n *node) []string {
	if n == nil {
		return nil
	}
	each := []*node{n}
	if n.kind == '[' {
		each = n.elements
	}
	var out []string
	for _, e := range each {
		switch e.kind {
		case '0':
			p := strconv.Itoa(d.number(e, 0, 65535, "port"))
			out = append(out, "127.0.0.1:"+p+":"+p)
		case '"':
			out = append(out, e.text)
		default:
			d.fail(e, "%s is neither a port nor a string as docker run --publish takes it", e.show())
		}
	}
	return out
}

func (d *decoder) features(n *node) []FeatureRef {
	var out []FeatureRef
	for _, m := range d.object(n) {
		if !slices.Contains([]byte{'{', '"', 't', 'f'}, byte(m.value.kind)) {
			d.fail(m.value, "%s is none of a version, true, false and an object of options", m.value.show())
		}
		out = append(out, FeatureRef{ID: m.name, Options: m.value.json()})
	}
	return out
}

func (d *decoder) secrets(n *node) map[string]Secret {
	if n == nil {
		return nil
	}
	out := make(map[string]Secret, len(n.members))
	for _, m := range d.object(n) {
		d.object(m.value)
		out[m.name] = Secret{
			Description:      d.text(m.value.get("description")),
			DocumentationURL: d.text(m.value.get("documentationUrl")),
		}
	}
	return out
}

// metadata decodes the properties that images and features may have too.
func (d *decoder) metadata(n *node) Metadata {
	return Metadata{
		ID:                   d.text(n.get("id")),
		OnCreateCommand:      d.command(n.get("onCreateCommand")),
		UpdateContentCommand: d.command(n.get("updateContentCommand")),
		PostCreateCommand:    d.command(n.get("postCreateCommand")),
		PostStartCommand:     d.command(n.get("postStartCommand")),
		PostAttachCommand:    d.command(n.get("postAttachCommand")),
		WaitFor: d.word(n.get("waitFor"), "initializeCommand", "onCreateCommand", "updateContentCommand",
			"postCreateCommand", "postStartCommand", "postAttachCommand"),
		Customizations:       d.raws(n.get("customizations")),
		Mounts:               d.mounts(n.get("mounts")),
		ContainerEnv:         d.env(n.get("containerEnv")),
		ContainerUser:        d.text(n.get("containerUser")),
		Init:                 d.boolean(n.get("init")),
		Privileged:           d.boolean(n.get("privileged")),
		CapAdd:               d.texts(n.get("capAdd")),
		SecurityOpt:          d.texts(n.get("securityOpt")),
		Entrypoint:           d.text(n.get("entrypoint")),
		RemoteUser:           d.text(n.get("remoteUser")),
		UserEnvProbe:         d.word(n.get("userEnvProbe"), "none", "loginShell", "interactiveShell", "loginInteractiveShell"),
		RemoteEnv:            d.remoteEnv(n.get("remoteEnv")),
		OverrideCommand:      d.boolean(n.get("overrideCommand")),
		PortsAttributes:      d.portsAttributes(n.get("portsAttributes")),
		OtherPortsAttributes: d.otherPorts(n.get("otherPortsAttributes")),
		ForwardPorts:         d.forwardPorts(n.get("forwardPorts")),
		ShutdownAction:       d.word(n.get("shutdownAction"), "none", "stopContainer", "stopCompose"),
		UpdateRemoteUserUID:  d.boolean(n.get("updateRemoteUserUID")),
		HostRequirements:     d.hostRequirements(n.get("hostRequirements")),
		written:              n,
	}
}

func (d *decoder) mounts(n *node) []Mount {
	var out []Mount
	for _, e := range d.array(n, "mounts") {
		out = append(out, d.mount(e))
	}
	return out
}

func (d *decoder) mount(n *node) Mount {
	var m Mount
	switch n.kind {
	case '"':
		var err error
		if m, err = ParseMount(n.text); err != nil && !d.open(n.text) {
			d.fail(n, "%w", err)
		}
	case '{':
		m = Mount{Type: d.text(n.get("type")), Source: d.text(n.get("source")), Target: d.text(n.get("target"))}
		if m.Target == "" {
			d.fail(n, "%w", errNoTarget)
		}
	default:
		d.fail(n, "%s is no mount: a string as docker run --mount takes it, or an object", n.show())
	}
	m.written = n
	return m
}

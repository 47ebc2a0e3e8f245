package devcontainer

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// decoder turns nodes into the values of types.go.
type decoder struct {
	jsonc.Decoder
	// known is set for a devcontainer.json, whose owner can correct it: the words of the specification (waitFor and its
	// like) are then checked. It is not set for the metadata of an image.
	known bool
	// loose is set before variables are replaced: a value with a variable cannot be checked yet.
	loose bool
}

// open reports whether a string cannot be checked yet.
func (d *decoder) open(s string) bool { return d.loose && strings.Contains(s, "${") }

func (d *decoder) word(n *jsonc.Node, words ...string) string {
	s := d.Text(n)
	if n != nil && d.known && !d.open(s) && !slices.Contains(words, s) {
		d.Fail(n, "must be one of %s, not %s", strings.Join(words, ", "), n.Show())
	}
	return s
}

// textOrTexts takes one string for an array of it.
func (d *decoder) textOrTexts(n *jsonc.Node) []string {
	if n != nil && n.Kind == '"' {
		return []string{n.Text}
	}
	if n != nil && n.Kind != '[' {
		d.Fail(n, "%s is neither a string nor an array of strings", n.Show())
	}
	return d.Texts(n)
}

// scalar takes numbers and booleans too, as the value of an environment variable.
func (d *decoder) scalar(n *jsonc.Node) string {
	if n.Kind == '{' || n.Kind == '[' || n.Kind == 'n' {
		d.Fail(n, "%s is not a string", n.Show())
	}
	return n.Text
}

func (d *decoder) env(n *jsonc.Node) map[string]string {
	if n == nil {
		return nil
	}
	out := make(map[string]string, len(n.Members))
	for _, m := range d.Object(n) {
		out[m.Name] = d.scalar(m.Value)
	}
	return out
}

func (d *decoder) remoteEnv(n *jsonc.Node) map[string]*string {
	if n == nil {
		return nil
	}
	out := make(map[string]*string, len(n.Members))
	for _, m := range d.Object(n) {
		out[m.Name] = nil
		if m.Value.Kind != 'n' {
			s := d.scalar(m.Value)
			out[m.Name] = &s
		}
	}
	return out
}

func (d *decoder) raws(n *jsonc.Node) map[string]json.RawMessage {
	if n == nil {
		return nil
	}
	out := make(map[string]json.RawMessage, len(n.Members))
	for _, m := range d.Object(n) {
		out[m.Name] = m.Value.JSON()
	}
	return out
}

// command returns nil for what is nothing to run: "" and null.
func (d *decoder) command(n *jsonc.Node) *Command {
	if n == nil || n.Kind == '"' && n.Text == "" {
		return nil
	}
	var c Command
	switch n.Kind {
	case '{':
		c.Parallel = make([]NamedCommand, 0, len(n.Members))
		for _, m := range n.Members {
			if m.Value.Kind != '"' && m.Value.Kind != '[' {
				d.Fail(m.Value, "%s is neither a string nor an array of strings", m.Value.Show())
				continue
			}
			one := NamedCommand{Name: m.Name}
			if cmd := d.command(m.Value); cmd != nil {
				one.Command = *cmd
			}
			c.Parallel = append(c.Parallel, one)
		}
	case '[':
		c.Exec = append([]string{}, d.Texts(n)...)
	case '"':
		c.Shell = n.Text
	default:
		d.Fail(n, "%s is not a command: a string, an array of strings or an object of those", n.Show())
	}
	return &c
}

func (d *decoder) config(n *jsonc.Node) *Config {
	c := &Config{
		Name:              d.Text(n.Get("name")),
		Image:             d.Text(n.Get("image")),
		RunArgs:           d.Texts(n.Get("runArgs")),
		AppPort:           d.appPort(n.Get("appPort")),
		WorkspaceFolder:   d.Text(n.Get("workspaceFolder")),
		InitializeCommand: d.command(n.Get("initializeCommand")),
		Features:          d.features(n.Get("features")),
		FeatureOrder:      d.Texts(n.Get("overrideFeatureInstallOrder")),
		Secrets:           d.secrets(n.Get("secrets")),
		Metadata:          d.metadata(n),
	}
	// A key with null is a key: the reference CLI then mounts nothing.
	if n.Lookup("workspaceMount") != nil {
		mount := d.Text(n.Get("workspaceMount"))
		c.WorkspaceMount = &mount
	}
	d.Object(n.Get("build"))
	switch {
	case n.Get("dockerFile") != nil || n.Get("build").Get("dockerfile") != nil:
		c.Kind, c.Build = KindDockerfile, d.build(n)
	case n.Get("image") != nil:
		c.Kind = KindImage
	case n.Get("dockerComposeFile") != nil:
		c.Kind = KindCompose
		c.Compose = &Compose{
			Files:       d.textOrTexts(n.Get("dockerComposeFile")),
			Service:     d.Text(n.Get("service")),
			RunServices: d.Texts(n.Get("runServices")),
		}
		if c.Compose.Service == "" {
			d.Fail(n, "no service: dockerComposeFile needs the name of the dev container's")
		}
	default:
		d.Fail(n, "nothing to make a container from: none of image, build.dockerfile and dockerComposeFile is set")
	}
	return c
}

func (d *decoder) build(n *jsonc.Node) *Build {
	b := n.Get("build")
	out := &Build{
		Dockerfile: d.Text(b.Get("dockerfile")),
		Context:    d.Text(b.Get("context")),
		Args:       d.env(b.Get("args")),
		Target:     d.Text(b.Get("target")),
		CacheFrom:  d.textOrTexts(b.Get("cacheFrom")),
		Options:    d.Texts(b.Get("options")),
	}
	if old := n.Get("dockerFile"); old != nil {
		out.Dockerfile, out.Context = d.Text(old), d.Text(n.Get("context"))
	}
	return out
}

func (d *decoder) appPort(n *jsonc.Node) []string {
	if n == nil {
		return nil
	}
	each := []*jsonc.Node{n}
	if n.Kind == '[' {
		each = n.Elements
	}
	var out []string
	for _, e := range each {
		switch e.Kind {
		case '0':
			p := strconv.Itoa(d.Number(e, 0, 65535, "port"))
			out = append(out, "127.0.0.1:"+p+":"+p)
		case '"':
			out = append(out, e.Text)
		default:
			d.Fail(e, "%s is neither a port nor a string as docker run --publish takes it", e.Show())
		}
	}
	return out
}

func (d *decoder) features(n *jsonc.Node) []FeatureRef {
	var out []FeatureRef
	for _, m := range d.Object(n) {
		if !slices.Contains([]byte{'{', '"', 't', 'f'}, byte(m.Value.Kind)) {
			d.Fail(m.Value, "must be a version, true, false or an object of options, not %s", m.Value.Show())
		}
		out = append(out, FeatureRef{ID: m.Name, Options: m.Value.JSON()})
	}
	return out
}

func (d *decoder) secrets(n *jsonc.Node) map[string]Secret {
	if n == nil {
		return nil
	}
	out := make(map[string]Secret, len(n.Members))
	for _, m := range d.Object(n) {
		d.Object(m.Value)
		out[m.Name] = Secret{
			Description:      d.Text(m.Value.Get("description")),
			DocumentationURL: d.Text(m.Value.Get("documentationUrl")),
		}
	}
	return out
}

// metadata decodes the properties that images and features may have too.
func (d *decoder) metadata(n *jsonc.Node) Metadata {
	return Metadata{
		ID:                   d.Text(n.Get("id")),
		OnCreateCommand:      d.command(n.Get("onCreateCommand")),
		UpdateContentCommand: d.command(n.Get("updateContentCommand")),
		PostCreateCommand:    d.command(n.Get("postCreateCommand")),
		PostStartCommand:     d.command(n.Get("postStartCommand")),
		PostAttachCommand:    d.command(n.Get("postAttachCommand")),
		WaitFor: d.word(n.Get("waitFor"), "initializeCommand", "onCreateCommand", "updateContentCommand",
			"postCreateCommand", "postStartCommand", "postAttachCommand"),
		Customizations: d.raws(n.Get("customizations")),
		Mounts:         d.mounts(n.Get("mounts")),
		ContainerEnv:   d.env(n.Get("containerEnv")),
		ContainerUser:  d.Text(n.Get("containerUser")),
		Init:           d.Boolean(n.Get("init")),
		Privileged:     d.Boolean(n.Get("privileged")),
		CapAdd:         d.Texts(n.Get("capAdd")),
		SecurityOpt:    d.Texts(n.Get("securityOpt")),
		Entrypoint:     d.Text(n.Get("entrypoint")),
		RemoteUser:     d.Text(n.Get("remoteUser")),
		UserEnvProbe: d.word(n.Get("userEnvProbe"),
			"none", "loginShell", "interactiveShell", "loginInteractiveShell"),
		RemoteEnv:            d.remoteEnv(n.Get("remoteEnv")),
		OverrideCommand:      d.Boolean(n.Get("overrideCommand")),
		PortsAttributes:      d.portsAttributes(n.Get("portsAttributes")),
		OtherPortsAttributes: d.otherPorts(n.Get("otherPortsAttributes")),
		ForwardPorts:         d.forwardPorts(n.Get("forwardPorts")),
		ShutdownAction:       d.word(n.Get("shutdownAction"), "none", "stopContainer", "stopCompose"),
		UpdateRemoteUserUID:  d.Boolean(n.Get("updateRemoteUserUID")),
		HostRequirements:     d.hostRequirements(n.Get("hostRequirements")),
		written:              n,
	}
}

func (d *decoder) mounts(n *jsonc.Node) []Mount {
	var out []Mount
	for _, e := range d.Array(n, "mounts") {
		out = append(out, d.mount(e))
	}
	return out
}

func (d *decoder) mount(n *jsonc.Node) Mount {
	var m Mount
	switch n.Kind {
	case '"':
		var err error
		if m, err = ParseMount(n.Text); err != nil && !d.open(n.Text) {
			d.Fail(n, "%w", err)
		}
	case '{':
		m = Mount{Type: d.Text(n.Get("type")), Source: d.Text(n.Get("source")), Target: d.Text(n.Get("target"))}
		if m.Target == "" {
			d.Fail(n, "%w", errNoTarget)
		}
	default:
		d.Fail(n, "%s is not a mount: a string as docker run --mount takes it, or an object", n.Show())
	}
	m.written = n
	return m
}

package devcontainer

import (
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Read returns what the devcontainer.json at p says, before its variables are replaced; a value that has one is checked
// by Substitute. Errors are of type *Error and name the place in the file.
func Read(p Place) (*Config, error) {
	text, err := jsonc.ReadBytes(p.Path)
	if err != nil {
		return nil, asError(err)
	}
	return ReadText(p, text)
}

// ReadText is Read of a file whose text is known.
func ReadText(p Place, text []byte) (*Config, error) {
	n, err := jsonc.Parse(p.Path, text)
	if err != nil {
		return nil, asError(err)
	}
	return fromDocument(p, n)
}

func fromDocument(p Place, n *jsonc.Node) (*Config, error) {
	if n.Kind != '{' {
		return nil, asError(n.Errorf("%s is not an object", n.Show()))
	}
	n, err := modern(n)
	if err != nil {
		return nil, err
	}
	return decodeConfig(p, n, n, true)
}

// decodeConfig makes a Config of a document; read is the document before variables were replaced.
func decodeConfig(p Place, n, read *jsonc.Node, loose bool) (*Config, error) {
	d := &decoder{known: true, loose: loose}
	c := d.config(n)
	if d.Err != nil {
		return nil, asError(d.Err)
	}
	c.Path, c.Workspace, c.Raw = p.Path, p.Workspace, n.JSON()
	c.document, c.read = n, read
	c.ID, c.Entrypoint = "", "" // not of a devcontainer.json
	c.written = pick(n)
	return c, nil
}

// modern moves the keys of old files to where they belong now, as the reference CLI does. dockerFile and context stay:
// they are understood where they are.
func modern(n *jsonc.Node) (*jsonc.Node, error) {
	extensions, settings, devPort := n.Get("extensions"), n.Get("settings"), n.Get("devPort")
	if extensions == nil && settings == nil && devPort == nil {
		return n, nil
	}
	d := &decoder{}
	custom := n.Get("customizations")
	d.Object(custom)
	vscode := custom.Get("vscode")
	d.Object(vscode)
	d.Object(settings)
	d.Array(extensions, "strings")
	d.Array(vscode.Get("extensions"), "strings")
	d.Object(vscode.Get("settings"))
	if d.Err != nil {
		return nil, asError(d.Err)
	}
	if custom == nil {
		custom = n.Object("customizations")
	}
	if vscode == nil {
		vscode = n.Object("customizations.vscode")
	}
	if extensions != nil {
		all := *extensions
		all.Elements = nil
		if now := vscode.Get("extensions"); now != nil {
			all.Elements = slices.Clone(now.Elements)
		}
		all.Elements = append(all.Elements, extensions.Elements...)
		vscode = vscode.With("extensions", &all)
	}
	if settings != nil {
		all := settings
		if now := vscode.Get("settings"); now != nil {
			for _, m := range now.Members {
				all = all.With(m.Name, m.Value)
			}
		}
		vscode = vscode.With("settings", all)
	}
	if devPort != nil && vscode.Lookup("devPort") == nil {
		vscode = vscode.With("devPort", devPort)
	}
	n = n.With("customizations", custom.With("vscode", vscode))
	return n.Without("extensions").Without("settings").Without("devPort"), nil
}

// MarshalJSON writes the document.
func (c Config) MarshalJSON() ([]byte, error) { return c.Raw, nil }

// place is where c was read.
func (c *Config) place() Place { return Place{Path: c.Path, Workspace: c.Workspace} }

// resolve makes a path of the file absolute: it counts from the folder of the devcontainer.json.
func (c *Config) resolve(path string) string {
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(c.Path), path)
}

// DockerfilePath is the absolute path of the Dockerfile, "" for other kinds.
func (c *Config) DockerfilePath() string {
	if c.Build == nil {
		return ""
	}
	return c.resolve(c.Build.Dockerfile)
}

// BuildContext is the absolute path of the build's context, by default the folder of the Dockerfile; "" for other
// kinds.
func (c *Config) BuildContext() string {
	switch {
	case c.Build == nil:
		return ""
	case c.Build.Context == "":
		return filepath.Dir(c.DockerfilePath())
	default:
		return c.resolve(c.Build.Context)
	}
}

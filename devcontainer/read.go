package devcontainer

import (
	"path/filepath"
	"slices"
)

// Read returns what the devcontainer.json at p says, before its variables are replaced; a value that has one is checked
// by Substitute. Errors are of type *Error and name the place in the file.
func Read(p Place) (*Config, error) {
	n, err := parseFile(p.Path)
	if err != nil {
		return nil, err
	}
	return fromDocument(p, n)
}

func fromDocument(p Place, n *node) (*Config, error) {
	if n.kind != '{' {
		return nil, n.errorf("%s is no object", n.show())
	}
	n, err := modern(n)
	if err != nil {
		return nil, err
	}
	return decodeConfig(p, n, n, true)
}

// decodeConfig makes a Config of a document; read is the document before variables were replaced.
func decodeConfig(p Place, n, read *node, loose bool) (*Config, error) {
	d := &decoder{known: true, loose: loose}
	c := d.config(n)
	if d.err != nil {
		return nil, d.err
	}
	c.Path, c.Workspace, c.Raw = p.Path, p.Workspace, n.json()
	c.document, c.read = n, read
	c.ID, c.Entrypoint = "", "" // not of a devcontainer.json
	c.written = pick(n)
	return c, nil
}

// modern moves the keys of old files to where they belong now, as the reference CLI does. dockerFile and context stay:
// they are understood where they are.
func modern(n *node) (*node, error) {
	extensions, settings, devPort := n.get("extensions"), n.get("settings"), n.get("devPort")
	if extensions == nil && settings == nil && devPort == nil {
		return n, nil
	}
	d := &decoder{}
	custom := n.get("customizations")
	d.object(custom)
	vscode := custom.get("vscode")
	d.object(vscode)
	d.object(settings)
	d.array(extensions, "strings")
	d.array(vscode.get("extensions"), "strings")
	d.object(vscode.get("settings"))
	if d.err != nil {
		return nil, d.err
	}
	if custom == nil {
		custom = &node{file: n.file, key: "customizations", offset: n.offset, kind: '{'}
	}
	if vscode == nil {
		vscode = &node{file: n.file, key: "customizations.vscode", offset: n.offset, kind: '{'}
	}
	if extensions != nil {
		all := *extensions
		all.elements = nil
		if now := vscode.get("extensions"); now != nil {
			all.elements = slices.Clone(now.elements)
		}
		all.elements = append(all.elements, extensions.elements...)
		vscode = vscode.with("extensions", &all)
	}
	if settings != nil {
		all := settings
		if now := vscode.get("settings"); now != nil {
			for _, m := range now.members {
				all = all.with(m.name, m.value)
			}
		}
		vscode = vscode.with("settings", all)
	}
	if devPort != nil && vscode.lookup("devPort") == nil {
		vscode = vscode.with("devPort", devPort)
	}
	n = n.with("customizations", custom.with("vscode", vscode))
	return n.without("extensions").without("settings").without("devPort"), nil
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

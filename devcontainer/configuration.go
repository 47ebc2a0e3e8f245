package devcontainer

import (
	"encoding/json"
	"path"
	"path/filepath"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Workspace is where the opened folder is in the container.
type Workspace struct {
	// Folder is the folder in the container.
	Folder string `json:"workspaceFolder"`
	// Mount is what docker run --mount takes, nil if nothing is mounted by default (KindCompose), "" where the file
	// says that nothing is: with "", or with null, which the reference CLI prints as null.
	Mount *string `json:"workspaceMount,omitempty"`
}

// ContainerFolder says where the workspace is in the container, and how it gets there. GitRoot is the top of the work
// tree that the workspace is in, absolute; "" without one, or if it must not be mounted as a whole. Of a Config
// whose variables are not yet replaced it is what Vars.ContainerFolder is to be (specification, "workspaceFolder and
// workspaceMount").
func (c *Config) ContainerFolder(gitRoot string) Workspace {
	if c.Kind == KindCompose {
		w := Workspace{Folder: c.WorkspaceFolder, Mount: c.WorkspaceMount}
		if w.Folder == "" {
			w.Folder = "/"
		}
		return w
	}
	root := filepath.Clean(gitRoot)
	if gitRoot == "" {
		root = c.Workspace
	}
	target := path.Join("/workspaces", filepath.Base(root))
	w := Workspace{Folder: c.WorkspaceFolder, Mount: c.WorkspaceMount}
	if w.Folder == "" {
		w.Folder = target
		if rel, err := filepath.Rel(root, c.Workspace); err == nil {
			w.Folder = path.Join(target, filepath.ToSlash(rel))
		}
	}
	if w.Mount == nil {
		// The reference CLI adds a consistency on other systems than Linux; engines no longer look at it.
		mount := "type=bind," + quoteField("source="+root) + "," + quoteField("target="+target)
		w.Mount = &mount
	}
	return w
}

// quoteField quotes a field of a mount that has a comma in it.
func quoteField(s string) string {
	if strings.Contains(s, ",") {
		return `"` + s + `"`
	}
	return s
}

// Configuration is what the reference CLI's read-configuration prints.
type Configuration struct {
	Configuration       json.RawMessage `json:"configuration"`
	Workspace           Workspace       `json:"workspace"`
	MergedConfiguration *Merged         `json:"mergedConfiguration,omitempty"`
}

// ReadConfiguration puts together what the reference CLI's read-configuration prints about c, whose variables are
// replaced. Merged may be nil.
func ReadConfiguration(c *Config, w Workspace, merged *Merged) Configuration {
	return Configuration{Configuration: c.located().JSON(), Workspace: w, MergedConfiguration: merged}
}

// SubstituteContainerEnv returns c with ${containerEnv:NAME} replaced by what a container has in its environment.
func (c Configuration) SubstituteContainerEnv(env map[string]string) (Configuration, error) {
	n, err := parse("configuration", c.Configuration)
	if err != nil {
		return c, err
	}
	n, err = n.MapText(func(n *jsonc.Node) (string, error) { return SubstituteContainerEnv(n.Text, env), nil })
	if err != nil {
		return c, err
	}
	c.Configuration = n.JSON()
	if c.MergedConfiguration != nil {
		c.MergedConfiguration, err = c.MergedConfiguration.SubstituteContainerEnv(env)
	}
	return c, err
}

// located is the document with its own place, which the reference CLI writes as VS Code writes an address.
func (c *Config) located() *jsonc.Node {
	document := c.document
	if document == nil { // made by hand
		document = jsonc.NewObject(c.Path)
	}
	return document.With("configFilePath", document.Object("configFilePath",
		jsonc.Member{Name: "$mid", Value: document.Number("1")},
		jsonc.Member{Name: "fsPath", Value: document.String(c.Path)},
		jsonc.Member{Name: "path", Value: document.String(filepath.ToSlash(c.Path))},
		jsonc.Member{Name: "scheme", Value: document.String("vscode-fileHost")},
	))
}

package devcontainer

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// Vars are what stands for the variables of a devcontainer.json before there is a container. A variable whose value
// is not known yet (an empty folder or ID) stays as it is (devcontainer.json reference, "Variables in
// devcontainer.json").
type Vars struct {
	// Env looks a variable of the host up.
	Env func(string) (string, bool)
	// LocalFolder is the folder that is opened, ContainerFolder the same inside the container.
	LocalFolder, ContainerFolder string
	// ID is devcontainerId (see ID); it is replaced after all else.
	ID string
}

// variable is ${name} or ${name:argument:…}. There is no escape, and it does not go over the end of a line.
var variable = regexp.MustCompile(`\$\{(.*?)\}`)

// Substitute returns c with the variables in its values replaced, never those in keys. What only the container knows
// (containerEnv) and what nobody knows stays. Entries still returns what the file says. A Config that was not read has
// no variables.
func (c *Config) Substitute(v Vars) (*Config, error) {
	if c.document == nil {
		made := *c
		return &made, nil
	}
	n, err := c.document.MapText(v.text)
	if err != nil {
		return nil, err
	}
	replaced, err := decodeConfig(c.place(), n, c.read, false)
	if err != nil {
		return nil, err
	}
	replaced.laterRead = c.laterRead
	for _, m := range c.later {
		if m, err = m.Substitute(v); err != nil {
			return nil, err
		}
		replaced.later = append(replaced.later, m)
	}
	return replaced, nil
}

// Substitute returns m with its variables replaced as those of a devcontainer.json are: metadata of images and features
// may have them too.
func (m Metadata) Substitute(v Vars) (Metadata, error) {
	n, err := m.node()
	if err != nil {
		return Metadata{}, err
	}
	if n, err = n.MapText(v.text); err != nil {
		return Metadata{}, err
	}
	return decodeMetadata(n, false)
}

// text replaces the variables in one string, in the reference CLI's two passes: an ID that a variable of the host has
// in its value is replaced too.
func (v Vars) text(n *jsonc.Node) (string, error) {
	var err error
	s := replace(n.Text, func(name string, args []string) (string, bool) {
		value, ok := v.local(name, args)
		if !ok && (name == "env" || name == "localEnv") && err == nil {
			err = asError(n.Errorf("${%s} names no variable", name))
		}
		return value, ok
	})
	if v.ID != "" {
		s = replace(s, func(name string, _ []string) (string, bool) { return v.ID, name == "devcontainerId" })
	}
	return s, err
}

func (v Vars) local(name string, args []string) (value string, ok bool) {
	switch name {
	case "env", "localEnv":
		return fromEnv(v.Env, args)
	case "localWorkspaceFolder":
		return v.LocalFolder, v.LocalFolder != ""
	case "localWorkspaceFolderBasename":
		return base(filepath.ToSlash(v.LocalFolder)), v.LocalFolder != ""
	case "containerWorkspaceFolder":
		return v.containerFolder(), v.ContainerFolder != ""
	case "containerWorkspaceFolderBasename":
		return base(v.containerFolder()), v.ContainerFolder != ""
	default:
		return "", false
	}
}

// containerFolder may have variables too; itself it stays as it is.
func (v Vars) containerFolder() string {
	inner := v
	inner.ContainerFolder = ""
	return replace(v.ContainerFolder, inner.local)
}

// base is the last part of a path, "" for the root.
func base(p string) string {
	if b := path.Base(p); b != "/" && b != "." {
		return b
	}
	return ""
}

// fromEnv is the variable that args begin with, otherwise the default after it, otherwise "". Without a name it is not
// ok.
func fromEnv(env func(string) (string, bool), args []string) (value string, ok bool) {
	if len(args) == 0 {
		return "", false
	}
	if env != nil {
		if value, ok := env(args[0]); ok {
			return value, true
		}
	}
	if len(args) > 1 {
		return args[1], true
	}
	return "", true
}

// replace puts into s what value returns for its variables; where that is not ok they stay.
func replace(s string, value func(name string, args []string) (string, bool)) string {
	return variable.ReplaceAllStringFunc(s, func(whole string) string {
		name, rest, hasArgs := strings.Cut(whole[2:len(whole)-1], ":")
		var args []string
		if hasArgs {
			args = strings.Split(rest, ":")
		}
		if v, ok := value(name, args); ok {
			return v
		}
		return whole
	})
}

// SubstituteContainerEnv replaces ${containerEnv:NAME} and ${containerEnv:NAME:default} in one value by what the
// container has in its environment (devcontainer.json reference, "Variables in devcontainer.json").
func SubstituteContainerEnv(value string, env map[string]string) string {
	get := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return replace(value, func(name string, args []string) (string, bool) {
		if name != "containerEnv" {
			return "", false
		}
		return fromEnv(get, args)
	})
}

// SubstituteContainerEnv merges again what m was merged from, with that replaced in all values. What was changed in m
// since is not kept.
func (m *Merged) SubstituteContainerEnv(env map[string]string) (*Merged, error) {
	change := func(n *jsonc.Node) (string, error) { return SubstituteContainerEnv(n.Text, env), nil }
	entries := make([]entry, 0, len(m.entries))
	for _, e := range m.entries {
		n, err := e.node()
		if err != nil {
			return nil, err
		}
		if n, err = n.MapText(change); err != nil {
			return nil, err
		}
		metadata, err := decodeMetadata(n, false)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{e.from, metadata})
	}
	document := m.document
	if document != nil {
		var err error
		if document, err = document.MapText(change); err != nil {
			return nil, err
		}
	}
	return mergeEntries(entries, document), nil
}

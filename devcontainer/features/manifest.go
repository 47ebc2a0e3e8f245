package features

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// ManifestFile is the name of a feature's own description, InstallFile that of the script that installs it.
const (
	ManifestFile = "devcontainer-feature.json"
	InstallFile  = "install.sh"
)

// Manifest is a devcontainer-feature.json.
type Manifest struct {
	ID      string            `json:"id"`
	Version string            `json:"version"`
	Name    string            `json:"name"`
	Options map[string]Option `json:"options"`
	// DependsOn are features that must be installed before, with their options; InstallsAfter only orders those that are
	// installed anyway.
	DependsOn     map[string]json.RawMessage `json:"dependsOn"`
	InstallsAfter []string                   `json:"installsAfter"`
	// LegacyIDs are earlier names of the feature.
	LegacyIDs  []string `json:"legacyIds"`
	Deprecated bool     `json:"deprecated"`
	// ContainerEnv are set in the image before the feature is installed, in the order of the file; a $NAME in a value
	// means what it is then.
	ContainerEnv []EnvVariable `json:"-"`

	// recorded is what goes into the metadata label.
	recorded devcontainer.Metadata
}

// EnvVariable is one of an image's environment.
type EnvVariable struct{ Name, Value string }

// Option is one that a feature declares.
type Option struct {
	Type        string          `json:"type"`
	Default     json.RawMessage `json:"default"`
	Description string          `json:"description"`
	Enum        []string        `json:"enum"`
	Proposals   []string        `json:"proposals"`
}

// variableName is what may stand before the = of ENV.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// readManifest reads the description of the feature whose content is in dir.
func readManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	document, err := jsonc.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s", dir, ManifestFile)
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := os.Stat(filepath.Join(dir, InstallFile)); err != nil {
		return nil, fmt.Errorf("%s has no %s", dir, InstallFile)
	}
	return m, nil
}

func decodeManifest(n *jsonc.Node) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(n.JSON(), &m); err != nil {
		return nil, err
	}
	if m.ID == "" {
		return nil, errors.New("no id")
	}
	var err error
	if m.ContainerEnv, err = decodeEnv(n.Get("containerEnv")); err != nil {
		return nil, err
	}
	for name := range m.Options {
		if variable(name) == "" {
			return nil, fmt.Errorf("options: %q is not a name", name)
		}
	}
	m.recorded, err = devcontainer.ParseFeature(n)
	return &m, err
}

// decodeEnv reads a containerEnv, whose order counts: a value may name a variable above it.
func decodeEnv(n *jsonc.Node) ([]EnvVariable, error) {
	var d jsonc.Decoder
	var env []EnvVariable
	for _, member := range d.Object(n) {
		v := EnvVariable{Name: member.Name, Value: d.Text(member.Value)}
		if !variableName.MatchString(v.Name) {
			return nil, fmt.Errorf("containerEnv: %q is not a name of a variable", v.Name)
		}
		if strings.ContainsAny(v.Value, "\r\n") {
			return nil, fmt.Errorf("containerEnv.%s: has a line end, which no image's variable can hold", v.Name)
		}
		env = append(env, v)
	}
	return env, d.Err
}

// values are the options as install.sh gets them: those of the user over the defaults. A string or boolean alone is the
// version, where the feature has such an option.
func (m *Manifest) values(written json.RawMessage) (map[string]string, map[string]string, error) {
	user := map[string]string{}
	switch trimmed := strings.TrimSpace(string(written)); {
	case trimmed == "" || trimmed == "null":
	case trimmed[0] == '{':
		var object map[string]json.RawMessage
		if err := json.Unmarshal(written, &object); err != nil {
			return nil, nil, err
		}
		for name, raw := range object {
			if variable(name) == "" {
				return nil, nil, fmt.Errorf("option %q is not a name", name)
			}
			value, err := scalar(raw)
			if err != nil {
				return nil, nil, fmt.Errorf("option %s: %w", name, err)
			}
			user[name] = value
		}
	default:
		value, err := scalar(written)
		if err != nil {
			return nil, nil, fmt.Errorf("options: %w", err)
		}
		if _, declared := m.Options["version"]; declared {
			user["version"] = value
		}
	}
	all := map[string]string{}
	for name, option := range m.Options {
		if len(option.Default) == 0 {
			continue
		}
		value, err := scalar(option.Default)
		if err != nil {
			return nil, nil, fmt.Errorf("default of option %s: %w", name, err)
		}
		all[name] = value
	}
	for name, value := range user {
		all[name] = value
	}
	return all, user, nil
}

// scalar is a JSON string or boolean (or number, which the reference CLI takes too) as text.
func scalar(raw json.RawMessage) (string, error) {
	var value any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return "", err
	}
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case bool:
		text = fmt.Sprint(v)
	case json.Number:
		text = v.String()
	default:
		return "", fmt.Errorf("%s is neither a string nor a boolean", raw)
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("has a NUL byte, which no variable can hold")
	}
	return text, nil
}

// variable is the name under which install.sh finds an option (specification, "Option Resolution").
func variable(option string) string {
	var b strings.Builder
	for _, r := range option {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			r = '_'
		}
		b.WriteRune(r)
	}
	name := b.String()
	if rest := strings.TrimLeft(name, "0123456789_"); rest != name {
		name = "_" + rest
	}
	return strings.ToUpper(name)
}

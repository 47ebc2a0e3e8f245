package references

import (
	"bytes"
	"errors"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// ArgumentNames are the build arguments to which the compose files and their references give no value of their own:
// Compose's loader leaves them out if the environment has none either.
func (f *Files) ArgumentNames(files []types.ConfigFile) map[string]bool {
	names := map[string]bool{}
	for _, file := range files {
		addArguments(file.Content, names)
	}
	for _, text := range f.references {
		addArguments(text, names)
	}
	return names
}

func addArguments(text []byte, names map[string]bool) {
	if !bytes.Contains(text, []byte("args")) {
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc struct {
			Services map[string]struct {
				Build struct {
					Args any `yaml:"args"`
				} `yaml:"build"`
			} `yaml:"services"`
		}
		err := decoder.Decode(&doc)
		if wrongType := (*yaml.TypeError)(nil); err != nil && !errors.As(err, &wrongType) {
			return // io.EOF, at the end
		}
		for _, s := range doc.Services {
			switch args := s.Build.Args.(type) {
			case []any:
				for _, arg := range args {
					if name, ok := arg.(string); ok && !strings.Contains(name, "=") {
						names[name] = true
					}
				}
			case map[string]any:
				for name, value := range args {
					if value == nil {
						names[name] = true
					}
				}
			}
		}
	}
}

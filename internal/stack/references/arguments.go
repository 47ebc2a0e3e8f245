package references

import (
	"bytes"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
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

// building is the part of a compose file that has build arguments.
type building struct {
	Services map[string]struct {
		Build struct {
			Args any `yaml:"args"`
		} `yaml:"build"`
	} `yaml:"services"`
}

func addArguments(text []byte, names map[string]bool) {
	if !bytes.Contains(text, []byte("args")) {
		return
	}
	eachDocument(text, func(doc building) {
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
	})
}

package agents

import (
	"fmt"
	"os"
	"strings"

	"github.com/docker-loom/docker-loom/internal/sandbox/staging"
)

// secrets reads what --secret and --secret-file name: NAME is a variable of the environment, NAME=@FILE a file's
// content
// without its last line end.
func secrets(named, files []string) (map[string]string, error) {
	all := map[string]string{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\r\n")
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
				continue
			}
			name, value, ok := strings.Cut(line, "=")
			if !ok || !staging.IsVariableName(name) {
				return nil, fmt.Errorf("%s: a line is not NAME=VALUE", path)
			}
			all[name] = value
		}
	}
	for _, text := range named {
		name, from, ok := strings.Cut(text, "=")
		if !staging.IsVariableName(name) {
			return nil, fmt.Errorf("--secret %s: %q is not the name of a variable", name, name)
		}
		if !ok {
			value, set := os.LookupEnv(name)
			if !set {
				return nil, fmt.Errorf("--secret %s: the environment has no such variable", name)
			}
			all[name] = value
			continue
		}
		path, isFile := strings.CutPrefix(from, "@")
		if !isFile {
			// Arguments are seen by all users of the machine.
			return nil, fmt.Errorf("--secret %s: a value on the command line is not a secret; give NAME or NAME=@FILE", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", name, err)
		}
		all[name] = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	}
	return all, nil
}

package devcontainer

import (
	"crypto/sha256"
	"maps"
	"math/big"
	"runtime"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// IDLabels are the labels by which VS Code and the reference CLI find the container of this configuration.
func (c *Config) IDLabels() map[string]string {
	return map[string]string{
		LabelLocalFolder: labelPath(c.Workspace),
		LabelConfigFile:  labelPath(c.Path),
	}
}

// labelPath has the drive letter in lower case, as VS Code writes it on Windows.
func labelPath(path string) string {
	if runtime.GOOS == "windows" && len(path) > 1 && path[1] == ':' {
		return strings.ToLower(path[:1]) + path[1:]
	}
	return path
}

// ID is the ${devcontainerId} of a container with these labels: the SHA-256 of their JSON, in base 32, 52 characters
// long (specification, "devcontainerId variable").
func ID(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, jsonc.Quote(k)+":"+jsonc.Quote(labels[k]))
	}
	sum := sha256.Sum256([]byte("{" + strings.Join(parts, ",") + "}"))
	id := new(big.Int).SetBytes(sum[:]).Text(32)
	return strings.Repeat("0", 52-len(id)) + id
}

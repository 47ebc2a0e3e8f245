package devbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/docker-loom/docker-loom/devcontainer"
)

// EditorURI is the address by which VS Code and its relatives open the dev container with these labels. It has the
// host's folder byte for byte as the label has it, because the editor looks for the container by that label.
func EditorURI(
	ctx context.Context, labels map[string]string, lookupEnv func(string) (string, bool),
) (string, error) {
	r, err := RemoteOf(ctx, labels, lookupEnv)
	if err != nil {
		return "", err
	}
	return makeURI(labels[devcontainer.LabelLocalFolder], labels[devcontainer.LabelConfigFile], r.WorkspaceFolder)
}

// makeURI names the configuration only if the editor would not find it in the folder by itself.
func makeURI(folder, config, inside string) (string, error) {
	if inside == "" {
		return "", errors.New("the dev container's workspaceFolder is not known")
	}
	host := []byte(folder)
	if rel, err := filepath.Rel(folder, config); config != "" && err == nil {
		switch filepath.ToSlash(rel) {
		case ".devcontainer/devcontainer.json", ".devcontainer.json":
		default:
			if host, err = json.Marshal(map[string]any{
				"hostPath":   folder,
				"configFile": map[string]any{"$mid": 1, "path": filepath.ToSlash(config), "scheme": "file"},
			}); err != nil {
				return "", fmt.Errorf("%s: %w", config, err)
			}
		}
	}
	return "vscode-remote://dev-container+" + hex.EncodeToString(host) + (&url.URL{Path: inside}).EscapedPath(), nil
}

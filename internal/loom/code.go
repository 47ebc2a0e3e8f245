package loom

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

// NoDevContainerError says that a loom has no dev container that an editor could open.
type NoDevContainerError struct{ Loom string }

// Error names the loom.
func (e *NoDevContainerError) Error() string { return "loom " + e.Loom + " has no dev container" }

// NextStep says what the user does next.
func (e *NoDevContainerError) NextStep() string {
	return "docker loom exec " + e.Loom + " -- COMMAND runs a command in one of its services"
}

// EditorURI is the address by which VS Code and its relatives open a loom's dev container. It has the host's folder as the
// container's label has it, byte for byte: the editor looks for the container with that label.
func (l *Looms) EditorURI(ctx context.Context, where Where) (string, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return "", err
	}
	t, err := l.Resolve(ctx, where, Reading)
	if err != nil {
		return "", err
	}
	own, err := l.containers(ctx, t.Known)
	if err != nil {
		return "", err
	}
	for _, c := range own {
		if folder := c.Labels[devcontainer.LabelLocalFolder]; folder != "" && !c.OneOff {
			d, _, err := l.labelled(ctx, c.Labels)
			if err != nil {
				return "", err
			}
			return editorURI(folder, c.Labels[devcontainer.LabelConfigFile], d.WorkspaceFolder)
		}
	}
	if len(own) == 0 {
		return "", &EmptyError{t.ID}
	}
	return "", &NoDevContainerError{t.ID}
}

// editorURI names the folder alone where the editor finds the configuration by itself, else both.
func editorURI(folder, config, inside string) (string, error) {
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

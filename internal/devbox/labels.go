package devbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// Label is the value of [engine.LabelDevContainer]: what the other labels of a dev container do not tell.
type Label struct {
	RemoteUser      string `json:"remoteUser,omitempty"`
	WorkspaceFolder string `json:"workspaceFolder,omitempty"`
	// KeyHashes has a hash of the value of each key in devcontainer.json, so that a change can be named.
	KeyHashes map[string]string `json:"said,omitempty"`
}

// String is the label's text.
func (l Label) String() string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // it has only strings
	}
	return string(b)
}

// Remote is how commands run in a dev container.
type Remote struct {
	devcontainer.Remote
	// WorkspaceFolder is the path in the container, empty if nothing tells it.
	WorkspaceFolder string
}

// RemoteOf reads the labels of a dev container. Containers made by other tools do not name the workspace folder: it
// is then read from their devcontainer.json.
func RemoteOf(ctx context.Context, labels map[string]string, lookupEnv func(string) (string, bool)) (Remote, error) {
	l, err := readLabels(ctx, labels, lookupEnv)
	return l.remote, err
}

// labeled is what the labels of a dev container tell: how commands run in it, and its metadata with the variables
// replaced that are not the container's.
type labeled struct {
	remote  Remote
	entries []devcontainer.Metadata
}

func readLabels(
	ctx context.Context, labels map[string]string, lookupEnv func(string) (string, bool),
) (labeled, error) {
	var label Label
	if text := labels[engine.LabelDevContainer]; text != "" {
		if err := json.Unmarshal([]byte(text), &label); err != nil {
			return labeled{}, fmt.Errorf("label %s: %w", engine.LabelDevContainer, err)
		}
	}
	place := devcontainer.Place{
		Path: labels[devcontainer.LabelConfigFile], Workspace: labels[devcontainer.LabelLocalFolder],
	}
	vars := devcontainer.Vars{
		Env: lookupEnv, LocalFolder: place.Workspace, ContainerFolder: label.WorkspaceFolder,
		ID: devcontainer.ID(map[string]string{
			devcontainer.LabelLocalFolder: place.Workspace, devcontainer.LabelConfigFile: place.Path,
		}),
	}
	if vars.ContainerFolder == "" && place.Path != "" {
		folder, err := workspaceFolder(ctx, place, lookupEnv)
		if err != nil {
			return labeled{}, err
		}
		vars.ContainerFolder = folder
	}
	entries, err := devcontainer.ParseMetadata(labels[devcontainer.LabelMetadata])
	if err != nil {
		return labeled{}, err
	}
	for i, e := range entries {
		if entries[i], err = e.Substitute(vars); err != nil {
			return labeled{}, err
		}
	}
	r := Remote{Remote: devcontainer.RemoteOf(entries), WorkspaceFolder: vars.ContainerFolder}
	if label.RemoteUser != "" {
		r.User = label.RemoteUser
	}
	return labeled{r, entries}, nil
}

// workspaceFolder reads the workspace's folder in the container from a devcontainer.json.
func workspaceFolder(
	ctx context.Context, place devcontainer.Place, lookupEnv func(string) (string, bool),
) (string, error) {
	c, err := devcontainer.Read(place)
	if err != nil {
		return "", err
	}
	root := ""
	if repo, err := worktree.Find(ctx, place.Workspace); err == nil && repo != nil {
		root = repo.WorkTree
	}
	vars := devcontainer.Vars{Env: lookupEnv, LocalFolder: place.Workspace, ID: devcontainer.ID(c.IDLabels())}
	if c, err = c.Substitute(vars); err != nil {
		return "", err
	}
	return c.ContainerFolder(root).Folder, nil
}

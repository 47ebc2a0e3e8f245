package loom

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// labelled reads what a dev container's labels say: who commands run as, where, and with which variables. Of a container that
// another tool made the folder is not on it, and its devcontainer.json is read.
func (l *Looms) labelled(ctx context.Context, labels map[string]string) (DevContainer, devcontainer.Remote, error) {
	var d DevContainer
	if label := labels[engine.LabelDevContainer]; label != "" {
		if err := json.Unmarshal([]byte(label), &d); err != nil {
			return d, devcontainer.Remote{}, fmt.Errorf("label %s: %w", engine.LabelDevContainer, err)
		}
	}
	place := devcontainer.Place{Path: labels[devcontainer.LabelConfigFile], Workspace: labels[devcontainer.LabelLocalFolder]}
	if d.WorkspaceFolder == "" && place.Path != "" {
		folder, err := l.readFolder(ctx, place)
		if err != nil {
			return d, devcontainer.Remote{}, err
		}
		d.WorkspaceFolder = folder
	}
	entries, err := devcontainer.ParseMetadata(labels[devcontainer.LabelMetadata])
	if err != nil {
		return d, devcontainer.Remote{}, err
	}
	vars := devcontainer.Vars{
		Env: os.LookupEnv, LocalFolder: place.Workspace, ContainerFolder: d.WorkspaceFolder,
		ID: devcontainer.ID(map[string]string{devcontainer.LabelLocalFolder: place.Workspace, devcontainer.LabelConfigFile: place.Path}),
	}
	for i, e := range entries {
		if entries[i], err = e.Substitute(vars); err != nil {
			return d, devcontainer.Remote{}, err
		}
	}
	r := devcontainer.RemoteOf(entries)
	if d.RemoteUser == "" {
		d.RemoteUser = r.User
	}
	return d, r, nil
}

// readFolder reads the workspace's folder in the container from a devcontainer.json.
func (l *Looms) readFolder(ctx context.Context, place devcontainer.Place) (string, error) {
	c, err := devcontainer.Read(place)
	if err != nil {
		return "", err
	}
	root := ""
	if repo, err := worktree.Find(ctx, place.Workspace); err == nil && repo != nil {
		root = repo.WorkTree
	}
	vars := devcontainer.Vars{Env: os.LookupEnv, LocalFolder: place.Workspace, ID: devcontainer.ID(c.IDLabels())}
	if c, err = c.Substitute(vars); err != nil {
		return "", err
	}
	return c.ContainerFolder(root).Folder, nil
}

// enter completes a command that is to run in a dev container: what the request leaves open is the user's, the folder's and the
// environment's that devcontainer.json says. What a login shell sets is for remoteUser only.
func (l *Looms) enter(ctx context.Context, c engine.Container, p *engine.Process) error {
	rt, err := l.Engine.Runtime(ctx, c.ID)
	if err != nil {
		return err
	}
	d, said, err := l.labelled(ctx, rt.Labels)
	if err != nil {
		return err
	}
	if d.RemoteUser == "" {
		d.RemoteUser = rt.User
	}
	folder, own := d.WorkspaceFolder, p.Env
	if p.User != "" && p.User != d.RemoteUser {
		if p.Dir == "" {
			p.Dir = folder
		}
		p.Env = append(devcontainer.Variables{Container: rt.Env, Remote: said.Env}.Environment(), own...)
		return nil
	}
	p.User = d.RemoteUser
	r := l.remembered(c.ID, rt, d.RemoteUser, said.Probe, folder)
	if r == nil || !r.Probed {
		now, state, err := l.remoteState(ctx, c.ID, d.RemoteUser, folder, rt)
		if err != nil {
			return err
		}
		if err := l.probe(ctx, c.ID, &now, said.Probe, state["shell"]); err != nil {
			return err
		}
		now.Hooked = r != nil && r.Hooked
		r = &now
		l.remember(c.ID, now)
	}
	if p.Dir == "" {
		p.Dir = r.Dir
	}
	p.Env = append(devcontainer.Variables{Probed: r.Env, Container: rt.Env, Remote: said.Env, Root: r.Root}.Environment(), own...)
	return nil
}

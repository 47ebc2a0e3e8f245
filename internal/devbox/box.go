// Package devbox is a dev container at work: its lifecycle hooks, and who runs commands in it, in which folder and with
// which environment.
package devbox

import (
	"context"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Box is one container of a dev container.
type Box struct {
	Engine  *engine.Engine
	Teller  tell.Teller
	Process host.Process
	// CacheDir is the folder of remembered sessions, a file for each container; empty to remember none.
	CacheDir string
	// ID is the container's.
	ID string
}

// IsDevContainer reports whether a container is a dev container: a label says which folder it is for. The metadata
// label does not say so: every container inherits it from its image.
func IsDevContainer(c engine.Container) bool {
	return c.Labels[engine.LabelDevContainer] != "" || c.Labels[devcontainer.LabelLocalFolder] != ""
}

// Enter completes a command that will run in the dev container: the user, the folder and the environment that
// devcontainer.json says, where the command leaves them open. Only remoteUser gets what its login shell sets.
func (b *Box) Enter(ctx context.Context, p *engine.Process) error {
	rt, err := b.Engine.Inspect(ctx, b.ID)
	if err != nil {
		return err
	}
	remote, err := RemoteOf(ctx, rt.Labels, b.Process.LookupEnv)
	if err != nil {
		return err
	}
	if remote.User == "" {
		remote.User = rt.User
	}
	if p.User != "" && p.User != remote.User {
		if p.Dir == "" {
			p.Dir = remote.WorkspaceFolder
		}
		p.Env = append(devcontainer.Variables{Container: rt.Env, Remote: remote.Env}.Environment(), p.Env...)
		return nil
	}
	s, err := b.session(ctx, rt, remote)
	if err != nil {
		return err
	}
	p.User = remote.User
	if p.Dir == "" {
		p.Dir = s.Dir
	}
	variables := devcontainer.Variables{Probed: s.Env, Container: rt.Env, Remote: remote.Env, Root: s.Root}
	p.Env = append(variables.Environment(), p.Env...)
	return nil
}

// Configuration is c with what the container has in its environment.
func (b *Box) Configuration(ctx context.Context, c devcontainer.Configuration) (devcontainer.Configuration, error) {
	rt, err := b.Engine.Inspect(ctx, b.ID)
	if err != nil {
		return c, err
	}
	return c.SubstituteContainerEnv(rt.Env)
}

// session returns the session of remoteUser: the remembered one, otherwise a new one with a probed environment.
func (b *Box) session(ctx context.Context, rt engine.Detail, remote Remote) (*session, error) {
	known := b.recall(rt, remote.User, remote.Probe, remote.WorkspaceFolder)
	if known != nil && known.Probed {
		return known, nil
	}
	s, user, err := b.askUser(ctx, rt, remote.User, remote.WorkspaceFolder)
	if err != nil {
		return nil, err
	}
	if err := b.probe(ctx, &s, remote.Probe, user.shell); err != nil {
		return nil, err
	}
	if known != nil {
		s.Done = known.Done
	}
	b.remember(s)
	return &s, nil
}

package loom

import (
	"context"
	"path/filepath"

	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// NoDevContainerError says that a loom has no dev container that an editor could open. Up says that it has containers.
type NoDevContainerError struct {
	Loom string
	Up   bool
}

// Error names the loom.
func (e *NoDevContainerError) Error() string { return "loom " + e.Loom + " has no dev container" }

// NextStep says what the user does next.
func (e *NoDevContainerError) NextStep() string {
	if e.Up {
		return "docker loom ps " + e.Loom + " lists the services that it has"
	}
	return "a .devcontainer/devcontainer.json describes one"
}

// DevContainer reads the dev container that a loom has or would get. config is the devcontainer.json that the user
// named, "" to look for one.
func (l *Looms) DevContainer(ctx context.Context, where Where, config string) (*survey.DevContainer, error) {
	t, err := l.Finder().Resolve(ctx, where, Making)
	if err != nil {
		return nil, err
	}
	if err := l.Finder().ReadState(ctx, t); err != nil {
		return nil, err
	}
	f, err := l.surveyor().Begin(ctx, t, t.State, survey.Options{Config: config})
	if err != nil {
		return nil, err
	}
	if f.DevErr != nil {
		return nil, f.DevErr
	}
	if f.Dev == nil {
		return nil, &NoDevContainerError{Loom: t.Name()}
	}
	return f.Dev, nil
}

// DevBox is the dev container with this container id, to work in.
func (l *Looms) DevBox(id string) *devbox.Box {
	dir := ""
	if l.Cache != "" {
		dir = filepath.Join(l.Cache, "containers")
	}
	return &devbox.Box{Engine: l.Engine, Teller: l.Teller, Process: l.Process, CacheDir: dir, ID: id}
}

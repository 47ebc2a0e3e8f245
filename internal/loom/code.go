package loom

import (
	"context"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/devbox"
)

// NoDevContainerError says that a loom has no dev container that an editor could open.
type NoDevContainerError struct{ Loom string }

// Error names the loom.
func (e *NoDevContainerError) Error() string { return "loom " + e.Loom + " has no dev container" }

// NextStep says what the user does next.
func (e *NoDevContainerError) NextStep() string {
	return "docker loom exec " + e.Loom + " -- COMMAND runs a command in one of its services"
}

// EditorURI is the address by which VS Code and its relatives open the loom's dev container.
func (l *Looms) EditorURI(ctx context.Context, where Where) (string, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return "", err
	}
	t, err := l.Finder().Resolve(ctx, where, Reading)
	if err != nil {
		return "", err
	}
	own, err := l.Containers(ctx, t.Known)
	if err != nil {
		return "", err
	}
	for _, c := range own {
		if c.Labels[devcontainer.LabelLocalFolder] != "" && !c.OneOff {
			return devbox.EditorURI(ctx, c.Labels, l.Process.LookupEnv)
		}
	}
	if len(own) == 0 {
		return "", &EmptyError{t.ID}
	}
	return "", &NoDevContainerError{t.ID}
}

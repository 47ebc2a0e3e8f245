package inside

import (
	"context"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// EditorURI is the address by which VS Code and its relatives open the loom's dev container.
func EditorURI(ctx context.Context, l *loom.Looms, where loom.Where) (string, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return "", err
	}
	t, err := l.Finder().Resolve(ctx, where, loom.Reading)
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
		return "", &loom.EmptyError{ID: t.ID}
	}
	return "", &loom.NoDevContainerError{Loom: t.ID}
}

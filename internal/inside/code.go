package inside

import (
	"context"
	"errors"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/loom"
)

// EditorURI is the address by which VS Code and its relatives open the loom's dev container.
func EditorURI(ctx context.Context, l *loom.Looms, where loom.Where) (string, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return "", err
	}
	t, err := l.Finder().Resolve(ctx, where, loom.Reading)
	if errors.As(err, new(*find.SeveralProjectsError)) {
		return onlyEditorURI(ctx, l, t, err)
	}
	if err != nil {
		return "", err
	}
	c, own, err := editedContainer(ctx, l, t)
	switch {
	case err != nil:
		return "", err
	case c != nil:
		return devbox.EditorURI(ctx, c.Labels, l.Process.LookupEnv)
	case len(own) == 0:
		return "", &loom.EmptyError{ID: t.ID}
	}
	return "", &loom.NoDevContainerError{Loom: t.ID, Up: true}
}

// onlyEditorURI is the address of the only dev container that a loom with several projects has. Without one, or with
// several, it returns the error that lists the projects.
func onlyEditorURI(ctx context.Context, l *loom.Looms, t *loom.Target, several error) (string, error) {
	var only *engine.Container
	for _, k := range t.Projects {
		c, _, err := editedContainer(ctx, l, t.Of(k))
		switch {
		case err != nil:
			return "", err
		case c == nil:
			continue
		case only != nil:
			return "", several
		}
		only = c
	}
	if only == nil {
		return "", several
	}
	return devbox.EditorURI(ctx, only.Labels, l.Process.LookupEnv)
}

// editedContainer is the dev container of a project among its containers, nil if it has none.
func editedContainer(
	ctx context.Context, l *loom.Looms, t *loom.Target,
) (dev *engine.Container, own []engine.Container, err error) {
	if own, err = l.Containers(ctx, t.Known); err != nil {
		return nil, nil, err
	}
	for i, c := range own {
		if c.Labels[devcontainer.LabelLocalFolder] != "" && !c.OneOff {
			return &own[i], own, nil
		}
	}
	return nil, own, nil
}

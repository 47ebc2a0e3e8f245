package references

import (
	"context"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/remote"
)

// Fetcher asks before it fetches files from another machine, and knows afterwards where they are.
type Fetcher struct {
	loader.ResourceLoader
	ask func(reference string) error
	// paths and folders are what Load and Dir returned.
	paths, folders map[string]string
}

// Fetchers are Compose's own loaders of remote files. An error of ask refuses a file.
func Fetchers(docker command.Cli, ask func(reference string) error) []*Fetcher {
	var list []*Fetcher
	for _, l := range []loader.ResourceLoader{
		remote.NewGitRemoteLoader(docker, false), remote.NewOCIRemoteLoader(docker, false),
	} {
		list = append(list, NewFetcher(l, ask))
	}
	return list
}

// NewFetcher returns a Fetcher that fetches with the loader.
func NewFetcher(l loader.ResourceLoader, ask func(reference string) error) *Fetcher {
	return &Fetcher{ResourceLoader: l, ask: ask, paths: map[string]string{}, folders: map[string]string{}}
}

// Load fetches what the reference names, if that may be.
func (l *Fetcher) Load(ctx context.Context, reference string) (string, error) {
	if err := l.ask(reference); err != nil {
		return "", err
	}
	path, err := l.ResourceLoader.Load(ctx, reference)
	if err == nil {
		l.paths[reference] = path
	}
	return path, err
}

// Dir is the folder of what was fetched.
func (l *Fetcher) Dir(reference string) string {
	l.folders[reference] = l.ResourceLoader.Dir(reference)
	return l.folders[reference]
}

// fetched gives what a fetcher has fetched, out of a snapshot.
type fetched struct {
	*Fetcher
	snapshot *Snapshot
}

// Load returns the file that was fetched for the reference.
func (l fetched) Load(_ context.Context, reference string) (string, error) {
	path, ok := l.paths[reference]
	if !ok {
		return "", &NotReadError{reference}
	}
	return l.snapshot.At(path), nil
}

// Dir is the folder of what was fetched.
func (l fetched) Dir(reference string) string {
	// Compose asks for the folder of a reference, and of a path that Load returned.
	dir := l.folders[l.snapshot.original(reference)]
	if dir == "" {
		return ""
	}
	return l.snapshot.At(dir)
}

package stack

import (
	"context"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/remote"
)

// fetcher asks before it fetches files from another machine, and knows afterwards where they are.
type fetcher struct {
	loader.ResourceLoader
	found *Found
	// paths and folders are what Load and Dir returned.
	paths, folders map[string]string
}

// fetchers are Compose's own loaders of remote files.
func fetchers(docker command.Cli, f *Found) []*fetcher {
	var list []*fetcher
	for _, l := range []loader.ResourceLoader{
		remote.NewGitRemoteLoader(docker, false), remote.NewOCIRemoteLoader(docker, false),
	} {
		list = append(list, newFetcher(l, f))
	}
	return list
}

func newFetcher(l loader.ResourceLoader, f *Found) *fetcher {
	return &fetcher{ResourceLoader: l, found: f, paths: map[string]string{}, folders: map[string]string{}}
}

// Load fetches what the reference names, if that may be.
func (l *fetcher) Load(ctx context.Context, reference string) (string, error) {
	if l.found.Fetch != nil {
		if err := l.found.Fetch(reference); err != nil {
			return "", err
		}
	}
	path, err := l.ResourceLoader.Load(ctx, reference)
	if err == nil {
		l.paths[reference] = path
	}
	return path, err
}

// Dir is the folder of what was fetched.
func (l *fetcher) Dir(reference string) string {
	l.folders[reference] = l.ResourceLoader.Dir(reference)
	return l.folders[reference]
}

// fetched gives what a fetcher has fetched, out of a snapshot.
type fetched struct {
	*fetcher
	snapshot *snapshot
}

// Load returns the file that was fetched for the reference.
func (l fetched) Load(_ context.Context, reference string) (string, error) {
	path, ok := l.paths[reference]
	if !ok {
		return "", &NotReadError{reference}
	}
	return l.snapshot.at(path), nil
}

// Dir is the folder of what was fetched.
func (l fetched) Dir(reference string) string {
	// Compose asks for the folder of a reference, and of a path that Load returned.
	dir := l.folders[l.snapshot.original(reference)]
	if dir == "" {
		return ""
	}
	return l.snapshot.at(dir)
}

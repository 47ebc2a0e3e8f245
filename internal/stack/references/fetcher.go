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
	asks Asks
	// paths and folders are what Load and Dir returned.
	paths, folders map[string]string
}

// Asks are asked about files of other machines, by the reference to them. An error refuses.
type Asks struct {
	// MayHave is asked whenever a file is wanted, BeforeFetch besides if it was not fetched yet.
	MayHave, BeforeFetch func(reference string) error
}

// Fetchers are Compose's own loaders of remote files.
func Fetchers(docker command.Cli) []*Fetcher {
	return []*Fetcher{
		NewFetcher(remote.NewGitRemoteLoader(docker, false)), NewFetcher(remote.NewOCIRemoteLoader(docker, false)),
	}
}

// NewFetcher returns a Fetcher that fetches with the loader.
func NewFetcher(l loader.ResourceLoader) *Fetcher {
	return &Fetcher{ResourceLoader: l, paths: map[string]string{}, folders: map[string]string{}}
}

// Asking returns the fetcher with what was fetched already, and with others to be asked.
func (l *Fetcher) Asking(a Asks) *Fetcher {
	asking := *l
	asking.asks = a
	return &asking
}

// Load fetches what the reference names, if that may be and was not done before.
func (l *Fetcher) Load(ctx context.Context, reference string) (string, error) {
	if err := l.asks.MayHave(reference); err != nil {
		return "", err
	}
	if path, ok := l.paths[reference]; ok {
		return path, nil
	}
	if err := l.asks.BeforeFetch(reference); err != nil {
		return "", err
	}
	path, err := l.ResourceLoader.Load(ctx, reference)
	if err != nil {
		return "", err
	}
	// Compose's loader asks for the folder of both.
	l.paths[reference] = path
	for _, of := range []string{reference, path} {
		l.folders[of] = l.Dir(of)
	}
	return path, nil
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
	dir := l.folders[l.snapshot.Original(reference)]
	if dir == "" {
		return ""
	}
	return l.snapshot.At(dir)
}

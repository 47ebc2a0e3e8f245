package find

import (
	"context"
	"errors"
	"slices"
)

// ResolveService is Resolve for a command on one service: if neither the folder nor the command line says which project
// of the loom is meant, it is the only one that has the service.
func (f *Finder) ResolveService(ctx context.Context, where Where, service string) (*Target, error) {
	t, err := f.Resolve(ctx, where, Reading)
	if several, ok := errors.AsType[*SeveralProjectsError](err); ok && service != "" {
		t, _, err = f.byService(ctx, Query{Where: where}, t, several, []string{service})
	}
	return t, err
}

// FindWhole is Find for a command that acts on one project, or without services on the whole loom: the target is then
// about all of its projects.
func (f *Finder) FindWhole(ctx context.Context, q Query) (*Target, []string, error) {
	t, rest, err := f.Find(ctx, q)
	var several *SeveralProjectsError
	if !errors.As(err, &several) && !errors.As(err, new(*UnknownProjectError)) || q.Project != "" {
		return t, rest, err
	}
	q.WholeLoom = true
	whole, rest, wholeErr := f.Find(ctx, q)
	if wholeErr != nil || len(rest) > 0 {
		return nil, nil, err
	}
	return whole, nil, nil
}

// byService finds the project of a loom that has the first of the words as a service.
func (f *Finder) byService(
	ctx context.Context, q Query, t *Target, several *SeveralProjectsError, words []string,
) (*Target, []string, error) {
	var found *Target
	folders := []string{}
	for _, k := range t.Projects {
		services, err := f.servicesOf(ctx, q, t.Of(k))
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(services, words[0]) {
			found = t.Of(k)
			folders = append(folders, k.Folder())
		}
	}
	switch len(folders) {
	case 0:
		return nil, nil, several
	case 1:
		return found, words, nil
	}
	slices.Sort(folders)
	return nil, nil, &SeveralProjectsError{ID: t.ID, Service: words[0], Folders: folders}
}

func (f *Finder) servicesOf(ctx context.Context, q Query, t *Target) ([]string, error) {
	if q.Services != nil {
		return q.Services(ctx, t)
	}
	return f.Services(ctx, t)
}

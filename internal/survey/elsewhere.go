package survey

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// errNotFetched keeps files of other machines from being fetched for a project that does not come up.
var errNotFetched = errors.New("not fetched for a project that does not come up")

// elsewhere reads which volumes the projects in other folders of the work tree make: those that the loom does not have
// yet. A project that cannot be read makes none.
func (s *Surveyor) elsewhere(ctx context.Context, f *Facts) error {
	f.Elsewhere = []registry.Made{}
	t := f.Target
	if t.Git == nil || t.Git.WorkTree == "" {
		return nil
	}
	folders, err := f.listComposeFolders(ctx)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		dir := filepath.Join(t.WorkTree, filepath.FromSlash(folder))
		if dir == f.Found.Dir || registry.InTree(t.Projects, t.WorkTree, dir) != nil {
			continue
		}
		made, err := s.volumesIn(ctx, f, dir)
		if err != nil {
			s.Teller.Debugf("volumes of %s: %v", dir, err)
		}
		f.Elsewhere = append(f.Elsewhere, made...)
	}
	return nil
}

// volumesIn lists the volumes that the project of a folder makes.
func (s *Surveyor) volumesIn(ctx context.Context, f *Facts, dir string) ([]registry.Made, error) {
	// Nobody is asked for what is outside of the work tree: the project does not come up.
	files := rooted.Below(f.Target.root(), nil)
	src := stack.Source{Dir: dir, Top: dir, Environ: f.Process.Environ, Reader: files}
	found, err := stack.Find(src, Ours(f.State, f.Target, s.Process))
	if err != nil {
		return nil, err
	}
	found.Fetch.MayHave = func(string) error { return errNotFetched }
	model, err := s.Stack.Load(ctx, found, found.BaseName(), nil)
	if err != nil {
		return nil, err
	}
	var list []registry.Made
	for key, v := range model.Project.Volumes {
		if !v.External {
			isDefault := v.Name == found.BaseName()+"_"+key
			list = append(list, registry.Made{Kind: "volumes", Name: v.Name, Key: key, Default: isDefault})
		}
	}
	return list, nil
}

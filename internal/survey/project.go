package survey

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// knowProject makes the entry of the project that was found the target's: which one it is only its files say.
func (f *Facts) knowProject(ctx context.Context) error {
	t := f.Target
	k := registry.InTree(t.Projects, t.WorkTree, f.Found.Dir)
	if k == nil {
		k = f.moved()
	}
	if k != nil || len(t.Projects) > 0 {
		t.Known = k
	}
	if t.ID == identity.Main || t.Git == nil || k != nil && k.Project != "" {
		return nil
	}
	if f.Found.Dir == t.WorkTree && len(t.Projects) == 0 {
		return nil
	}
	return f.listFolders(ctx)
}

// moved returns the loom's only project if its files are no longer where they were. The found project then continues
// it.
func (f *Facts) moved() *registry.Loom {
	t := f.Target
	if len(t.Projects) != 1 {
		return nil
	}
	k := t.Projects[0]
	if !host.IsDir(k.Dir) {
		return k
	}
	var files []string
	for _, c := range f.Engine.Project(k.Project) {
		if named := c.Labels[stack.LabelConfigFiles]; named != "" {
			files = append(files, strings.Split(named, ",")...)
		}
	}
	if len(files) == 0 || slices.ContainsFunc(files, host.IsFile) {
		return nil
	}
	return k
}

// ComposeFolders lists the folders of a work tree that have a compose file, as [registry.Loom.Folder] gives them.
func ComposeFolders(ctx context.Context, workTree string) ([]string, error) {
	return worktree.FoldersWith(ctx, workTree, stack.DefaultFileNames())
}

// listComposeFolders lists those of the target's work tree, with git asked once.
func (f *Facts) listComposeFolders(ctx context.Context) ([]string, error) {
	if f.composeFolders != nil {
		return f.composeFolders, nil
	}
	folders, err := ComposeFolders(ctx, f.Target.WorkTree)
	f.composeFolders = append([]string{}, folders...)
	return folders, err
}

// listFolders lists the folders of the work tree in which up finds a project.
func (f *Facts) listFolders(ctx context.Context) error {
	top := f.Target.WorkTree
	folders, err := f.listComposeFolders(ctx)
	if err != nil {
		return err
	}
	folders = slices.Clone(folders)
	if !slices.Contains(folders, ".") && SeemsProject(stack.Source{Dir: top, Top: top}) {
		folders = append(folders, ".")
	}
	f.Folders = folders
	return nil
}

// SeemsProject reports whether there is something in a folder that up makes a project of, beside a compose file with
// one of Compose's names: a Dockerfile, files that COMPOSE_FILE names, a dev container.
func SeemsProject(src stack.Source) bool {
	for _, dir := range []string{src.Dir, src.Top} {
		if dir != "" && host.IsFile(filepath.Join(dir, "Dockerfile")) {
			return true
		}
	}
	isSet := func(kv string) bool { return strings.HasPrefix(kv, "COMPOSE_FILE=") }
	env, _ := rooted.ReadFile(filepath.Join(src.Dir, overrides.EnvFile)) // without one it names no file
	if slices.ContainsFunc(src.Environ, isSet) || bytes.Contains(overrides.Cut(env), []byte("COMPOSE_FILE")) {
		return true
	}
	place, err := devcontainer.Find(devcontainer.Search{Dir: src.Dir, Top: src.Top})
	return place != nil || err != nil
}

// HasComposeDevContainer reports whether the folder has a dev container with compose files of its own.
func HasComposeDevContainer(dir string) bool {
	place, err := devcontainer.Find(devcontainer.Search{Dir: dir, Top: dir})
	if err != nil || place == nil {
		return false
	}
	text, err := rooted.ReadFile(place.Path)
	if err != nil {
		return false
	}
	c, err := devcontainer.ReadText(*place, text)
	return err == nil && c.Kind == devcontainer.KindCompose
}

// leaveOut notes that the dev container of a folder above is left out of the project.
func (t *Target) leaveOut(path, dir string) {
	note := dir + " is a project of its own: the dev container of " + path + " is left out"
	if !slices.Contains(t.Notes, note) {
		t.Notes = append(t.Notes, note)
	}
}

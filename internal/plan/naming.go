package plan

import (
	"path"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// workspaceOf is the folder of the dev container whose compose files are elsewhere, "" for any other.
func workspaceOf(f *survey.Facts) string {
	if f.Dev == nil || f.Dev.Config.Kind != devcontainer.KindCompose || f.Dev.Place.Workspace == f.Found.Dir {
		return ""
	}
	return f.Dev.Place.Workspace
}

// naming is what the name of the project is made of. The plain name, without a folder, is that of the project which has
// it already, otherwise of the repository's root, otherwise of the only folder with a project: so it does not depend on
// which comes up first.
func naming(f *survey.Facts, e *registry.Loom) identity.Naming {
	n := identity.Naming{Format: f.Settings.Container.ProjectName, Repository: e.Repository, ID: e.ID}
	folder, dir := e.Folder(), registry.FolderOf(e.WorkTree, e.Dir)
	others := slices.DeleteFunc(slices.Clone(f.Folders), func(o string) bool { return o == folder || o == dir })
	if !hasPlainName(f, e, n) && (folder == "." || len(others) == 0) {
		return n
	}
	if !slices.Contains(f.Folders, folder) && !slices.Contains(f.Folders, dir) {
		// A folder that is listed has the same name whether this one has a project or not.
		for _, k := range siblings(f.State, e) {
			others = append(others, k.Folder())
		}
	}
	n.Folder = nameOf(folder, e.Repository)
	n.Path = folder
	n.Twin = path.IsAbs(folder) || filepath.IsAbs(folder) || slices.ContainsFunc(others, func(o string) bool {
		return o != folder && identity.FolderName(nameOf(o, e.Repository)) == identity.FolderName(n.Folder)
	})
	return n
}

// nameOf is the last part of a folder; the repository's name for the top of the work tree.
func nameOf(folder, repository string) string {
	if folder == "." {
		return filepath.Base(repository)
	}
	return path.Base(folder)
}

// hasPlainName reports whether another project of the loom has the name without a folder.
func hasPlainName(f *survey.Facts, e *registry.Loom, n identity.Naming) bool {
	var plain []string
	for _, n.Crowded = range []identity.Crowded{false, true} {
		if name, err := identity.ProjectName(n); err == nil {
			plain = append(plain, name)
		}
	}
	isPlain := func(k *registry.Loom) bool { return slices.Contains(plain, k.Project) }
	return slices.ContainsFunc(siblings(f.State, e), isPlain)
}

// readsLikeAnother reports whether the repository and the folder together read like the name of another repository.
func readsLikeAnother(state *registry.State, repository string, n identity.Naming) bool {
	if n.Folder == "" {
		return false
	}
	both := identity.Sanitise(filepath.Base(repository)+"-"+n.Folder, 80)
	return slices.ContainsFunc(state.Looms, func(k *registry.Loom) bool {
		return k.Repository != repository && identity.Sanitise(filepath.Base(k.Repository), 80) == both
	})
}

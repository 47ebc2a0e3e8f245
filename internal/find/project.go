package find

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// chooseProject sets the project of the loom that the command acts on: the one that was named, otherwise the one of the
// folder. The loom's work tree is known.
func (f *Finder) chooseProject(ctx context.Context, t *Target, where Where, purpose Purpose) error {
	p := projects{t}
	if where.Project != "" {
		return p.chooseNamed(where.Project, purpose)
	}
	if where.Together {
		if err := f.findTogether(t); err != nil || len(t.Together) > 0 {
			return err
		}
	}
	k, own := p.ofFolder()
	if k == nil && own == "" && purpose != Making {
		k = p.onlyOneBelow()
	}
	switch {
	case k != nil:
		p.take(k)
	case purpose == Ending || purpose == Removing || where.WholeLoom:
		if len(t.Projects) > 0 {
			p.take(t.Projects[0])
		}
	case purpose == Making:
		t.Known = nil
		if own == "" && !p.isChosen() && !survey.SeemsProject(t.Source) {
			return f.chooseElsewhere(ctx, p)
		}
	default:
		return p.chooseToRead(own)
	}
	return nil
}

// findTogether notes the projects that the settings bring up together, if the command is at the top of the work tree.
func (f *Finder) findTogether(t *Target) error {
	if t.Source.Dir != t.WorkTree || (projects{t}).isChosen() {
		return nil
	}
	files, err := settings.ReadFiles(settings.Sources{User: f.UserSettings, WorkTree: t.WorkTree})
	if err != nil {
		return err
	}
	set, err := files.Settings()
	if err != nil {
		return err
	}
	t.SettingsFiles, t.Together = files, set.Container.Projects
	if len(t.Together) > 0 && len(t.Projects) > 0 {
		t.Known = t.Projects[0]
	}
	return nil
}

// chooseElsewhere sets the project for a command that may make one, in a folder that has none: the only one of the work
// tree, if the loom has it already.
func (f *Finder) chooseElsewhere(ctx context.Context, p projects) error {
	folders := Folders(p.Projects)
	if p.Git != nil && p.Git.WorkTree != "" {
		there, err := survey.ComposeFolders(ctx, p.WorkTree)
		if err != nil {
			return err
		}
		folders = append(folders, there...)
		slices.Sort(folders)
		folders = slices.Compact(folders)
	}
	switch {
	case len(folders) == 0:
		return nil // the survey says what there is not
	case len(folders) == 1 && len(p.Projects) == 1:
		p.take(p.Projects[0])
		return nil
	}
	return &NoProjectHereError{ID: p.ID, Dir: p.Source.Dir, Folders: folders}
}

// Folders are those of projects, sorted, each once.
func Folders(projects []*registry.Loom) []string {
	var folders []string
	for _, k := range projects {
		if folder := k.Folder(); folder != "" {
			folders = append(folders, folder)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// projects chooses among the projects of a loom.
type projects struct{ *Target }

// isChosen reports whether the command line names the project's files or folder in Compose's words.
func (p projects) isChosen() bool { return len(p.Source.Files) > 0 || p.Source.ProjectDirectory != "" }

// take makes a project of the loom the target's.
func (p projects) take(k *registry.Loom) {
	p.Known = k
	if dir := p.dirOf(k); !p.isChosen() && host.IsDir(dir) && !host.IsBelow(p.Source.Dir, dir) {
		p.lookIn(dir)
	}
}

// dirOf is the folder in which a project of the loom is looked for, "" if it is not known. The loom's work tree may be
// another than when the project came up.
func (p projects) dirOf(k *registry.Loom) string {
	folder := filepath.FromSlash(k.Folder())
	if folder == "" || filepath.IsAbs(folder) {
		return folder
	}
	return filepath.Join(p.WorkTree, folder)
}

// lookIn begins the search for the project in a folder. Above one outside of the work tree nothing is looked for.
func (p projects) lookIn(dir string) {
	p.Source.Dir = dir
	if !host.IsBelow(dir, p.WorkTree) {
		p.Source.Top = dir
	}
}

// chooseNamed sets the project of a folder that was named: below the work tree, or by its whole path.
func (p projects) chooseNamed(folder string, purpose Purpose) error {
	dir := filepath.FromSlash(folder)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.WorkTree, dir)
	}
	folder = registry.FolderOf(p.WorkTree, filepath.Clean(dir))
	k := registry.InDir(p.Projects, dir)
	if k == nil || k.Dir == "" {
		k = cmp.Or(p.onlyOne(func(o *registry.Loom) bool { return o.Folder() == folder }),
			p.onlyOne(func(o *registry.Loom) bool { return host.IsBelow(p.dirOf(o), dir) && purpose != Making }))
	}
	switch {
	case k != nil:
		if p.take(k); host.IsDir(p.dirOf(k)) {
			// The folder that the command runs in may have another project.
			p.lookIn(p.dirOf(k))
		}
		p.Part = true
		return nil
	case purpose != Making:
		return &UnknownProjectError{ID: p.ID, Folder: folder, Folders: Folders(p.Projects)}
	case !host.IsDir(dir):
		return &NoFolderError{Folder: folder, WorkTree: p.WorkTree}
	}
	p.Known = nil
	p.lookIn(dir)
	return nil
}

// ProjectIn is the target with the project of a folder, which may be new to the loom.
func ProjectIn(t *Target, folder string) (*Target, error) {
	in := *t
	err := projects{&in}.chooseNamed(folder, Making)
	in.Part = false
	return &in, err
}

// onlyOne is the only project that is wanted, nil if there are none or several.
func (p projects) onlyOne(wanted func(*registry.Loom) bool) *registry.Loom {
	var found *registry.Loom
	for _, k := range p.Projects {
		if wanted(k) {
			if found != nil {
				return nil
			}
			found = k
		}
	}
	return found
}

// ofFolder returns the loom's project of the folder: the nearest at or above it. own is a nearer folder with a compose
// file, of which the loom has no project.
func (p projects) ofFolder() (k *registry.Loom, own string) {
	if len(p.Projects) == 1 && p.Projects[0].Dir == "" {
		return p.Projects[0], ""
	}
	if dir := p.chosenDir(); dir != "" {
		return registry.InDir(p.Projects, dir), ""
	}
	for dir := p.Source.Dir; ; dir = filepath.Dir(dir) {
		for _, k := range p.Projects {
			if k.Workspace == dir {
				return k, ""
			}
		}
		if k := registry.InTree(p.Projects, p.WorkTree, dir); k != nil {
			return k, ""
		}
		if stack.HasComposeFile(dir) || len(p.Projects) > 0 && survey.HasComposeDevContainer(dir) {
			return nil, dir
		}
		if dir == p.WorkTree || dir == p.Source.Top || dir == filepath.Dir(dir) {
			break
		}
	}
	return nil, ""
}

// onlyOneBelow is the loom's only project, if it is below the folder.
func (p projects) onlyOneBelow() *registry.Loom {
	if len(p.Projects) == 1 && host.IsBelow(p.dirOf(p.Projects[0]), p.Source.Dir) {
		return p.Projects[0]
	}
	return nil
}

// chosenDir is the project directory that the command line names, "" if it names none.
func (p projects) chosenDir() string {
	dir := p.Source.ProjectDirectory
	if dir == "" && len(p.Source.Files) > 0 {
		dir = filepath.Dir(p.Source.Files[0])
	}
	if dir != "" && !filepath.IsAbs(dir) {
		dir = filepath.Join(p.Source.Dir, dir)
	}
	return dir
}

// chooseToRead sets the project for a command on what is there. own is as in ofFolder.
func (p projects) chooseToRead(own string) error {
	switch only := p.onlyOne(func(*registry.Loom) bool { return true }); {
	case len(p.Projects) == 0:
		return nil // it was made for an id that no loom has
	case only != nil && (own == "" || only.Dir == "" || p.isChosen() || host.IsBelow(p.dirOf(only), own)):
		p.take(only)
		return nil
	case own != "":
		return &UnknownProjectError{
			ID: p.ID, Folder: registry.FolderOf(p.WorkTree, own), Folders: Folders(p.Projects),
		}
	}
	p.Known = nil // none of them is where the search begins
	return &SeveralProjectsError{ID: p.ID, Folders: Folders(p.Projects)}
}

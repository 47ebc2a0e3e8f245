package registry

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
)

// Made is a network or volume that a project makes for its loom.
type Made struct {
	Kind    string `json:"kind"`              // networks or volumes
	Name    string `json:"name"`              // what it is called without a loom
	As      string `json:"as"`                // the loom's name for it
	Key     string `json:"key"`               // in the project's files
	Default bool   `json:"default,omitempty"` // the files give no name
	// Pools are the subnets that the files give a network, in the order of its leased ones.
	Pools []string `json:"pools,omitempty"`
}

// IsSame reports whether two entries say the same.
func (m Made) IsSame(o Made) bool { return reflect.DeepEqual(m, o) }

// Means reports whether two projects mean the same: they give it the same name, and it is not by chance that of two
// projects in folders of one name.
func (m Made) Means(o Made) bool {
	return m.Kind == o.Kind && m.Name == o.Name && (!m.Default || !o.Default)
}

// mainID is the loom main. Compose chooses the names of its projects, at each up.
const mainID = "main"

// Folder is the folder of the project as users name it: below the work tree with slashes, "." for its top; the whole
// path of a folder outside; "" if it is not known.
func (l *Loom) Folder() string { return FolderOf(l.WorkTree, cmp.Or(l.Workspace, l.Dir)) }

// FolderOf is the folder of a project directory in a work tree, see [Loom.Folder].
func FolderOf(workTree, dir string) string {
	if dir == "" || workTree == "" {
		return ""
	}
	rel, err := filepath.Rel(workTree, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return filepath.ToSlash(filepath.Clean(dir))
	}
	return filepath.ToSlash(rel)
}

// Projects returns all projects of a loom, the oldest first. What is changed in them is changed in the state.
func (s *State) Projects(repository, id string) []*Loom {
	var all []*Loom
	for _, l := range s.Looms {
		if l.hasName(repository, id) {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b *Loom) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Dir, b.Dir))
	})
	return all
}

// OnePerLoom leaves the first project of each loom.
func OnePerLoom(looms []*Loom) []*Loom {
	var list []*Loom
	for _, l := range looms {
		if !slices.ContainsFunc(list, func(k *Loom) bool { return k.hasName(l.Repository, l.ID) }) {
			list = append(list, l)
		}
	}
	return list
}

// ByLoom groups projects by their looms, the oldest project of each first.
func ByLoom(projects []*Loom) [][]*Loom {
	var looms [][]*Loom
	state := &State{Looms: projects}
	for _, l := range OnePerLoom(projects) {
		looms = append(looms, state.Projects(l.Repository, l.ID))
	}
	return looms
}

// Clones copies looms, as [Loom.Clone] does.
func Clones(looms []*Loom) []*Loom {
	list := make([]*Loom, len(looms))
	for i, l := range looms {
		list[i] = l.Clone()
	}
	return list
}

// InDir returns the project of a Compose project directory among those of one loom, or nil. A single project whose
// folder is not known is that of any folder.
func InDir(projects []*Loom, dir string) *Loom {
	for _, l := range projects {
		if l.Dir != "" && same(l.Dir, dir) {
			return l
		}
	}
	if len(projects) == 1 && (projects[0].Dir == "" || dir == "") {
		return projects[0]
	}
	return nil
}

// InTree is InDir for a loom that goes on in a work tree: a project that has another one, which may be gone, is looked
// for by its folder.
func InTree(projects []*Loom, workTree, dir string) *Loom {
	if l := InDir(projects, dir); l != nil {
		return l
	}
	for _, l := range projects {
		if l.Dir != "" && !same(l.WorkTree, workTree) && FolderOf(l.WorkTree, l.Dir) == FolderOf(workTree, dir) {
			return l
		}
	}
	return nil
}

// ProjectOf returns the entry that holds l, or a copy of it: of the same loom and folder; nil if there is none. If the
// folder moved or is not known, the project's name tells. What is changed in it is changed in the state.
func (s *State) ProjectOf(l *Loom) *Loom {
	all := s.Projects(l.Repository, l.ID)
	if k := InTree(all, l.WorkTree, l.Dir); k != nil && (k.Dir != "" && l.Dir != "" || !l.hasOtherProject(k)) {
		return k
	}
	for _, k := range all {
		if l.ID != mainID && l.Project != "" && k.Project == l.Project {
			return k
		}
	}
	return nil
}

// hasOtherProject reports whether the names say that two entries are of different projects.
func (l *Loom) hasOtherProject(k *Loom) bool {
	return l.ID != mainID && l.Project != "" && k.Project != "" && l.Project != k.Project
}

// RemoveProject ends all promises to one project of a loom.
func (s *State) RemoveProject(l *Loom) {
	own := s.ProjectOf(l)
	s.Looms = slices.DeleteFunc(s.Looms, func(k *Loom) bool { return k == own })
}

// Join makes l a project of the loom that has of: what all projects of a loom have in common, it has too. It moves with
// the work tree, but its generated files do not.
func (l *Loom) Join(of *Loom) {
	if l == of {
		return
	}
	if !same(l.WorkTree, of.WorkTree) {
		l.MoveTo(of.WorkTree)
	}
	l.WorkTree, l.Hold = of.WorkTree, of.Hold
	l.Offset, l.Pinned = of.Offset, of.Pinned
	l.shareTrust(of)
}

// MoveTo gives the project the same folder in another work tree, where it has no generated files yet.
func (l *Loom) MoveTo(workTree string) {
	for _, at := range []*string{&l.Dir, &l.Workspace} {
		if folder := FolderOf(l.WorkTree, *at); folder != "" && filepath.IsLocal(filepath.FromSlash(folder)) {
			*at = filepath.Join(workTree, filepath.FromSlash(folder))
		}
	}
	l.WorkTree, l.Files = workTree, false
}

// shareTrust notes that others may have written the work tree, if of says so. Nothing takes that back.
func (l *Loom) shareTrust(of *Loom) {
	if (of.Untrusted || of.Sandboxed) && !l.Untrusted && !l.Sandboxed {
		l.WrittenSince = of.WrittenSince
	}
	l.Untrusted, l.Sandboxed = l.Untrusted || of.Untrusted, l.Sandboxed || of.Sandboxed
	l.Origin = cmp.Or(l.Origin, of.Origin)
}

package trust

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/host"
)

// Folders are those whose content is the loom's own: its work tree and the repository's git folder. An empty path is
// not a folder.
type Folders struct{ Tree, Git string }

func (f Folders) contain(path string) bool {
	return slices.ContainsFunc([]string{f.Tree, f.Git}, func(dir string) bool {
		return dir != "" && host.IsBelow(path, dir)
	})
}

// access collects what a project asks of the host.
type access struct {
	set  map[string]bool
	own  Folders
	real func(string) string
	mask Mask
}

// add adds a line of a subject and what is said of it. Values are masked.
func (a *access) add(subject, format string, values ...string) {
	masked := make([]any, 0, len(values))
	for _, v := range values {
		masked = append(masked, a.mask.Text(v))
	}
	a.set[subject+fmt.Sprintf(format, masked...)] = true
}

// outside reports whether an absolute path leads out of the loom's own folders, its links followed.
func (a *access) outside(path string) bool {
	return path != "" && filepath.IsAbs(path) && !a.own.contain(a.real(path))
}

// HostAccess lists what the project asks of the host beyond containers, networks and volumes of its own, one line
// each, sorted. real follows the links of a path: one in the work tree may lead anywhere. Which variables the files use
// is told by [Variables].
func HostAccess(p *types.Project, real func(string) string, own Folders, mask Mask) []string {
	a := &access{set: map[string]bool{}, own: own, real: real, mask: mask}
	a.fields(p)
	if a.outside(p.WorkingDir) {
		a.add("the project's folder", " is %s, outside of the work tree", p.WorkingDir)
	}
	for name, s := range p.AllServices() {
		(&service{access: a, name: name, project: p.Name}).addAll(s)
		a.passedVariables(s)
		a.mounts(p, s)
	}
	for key, v := range p.Volumes {
		a.volume(p, key, v)
	}
	for key, n := range p.Networks {
		a.network(p, key, n)
	}
	for key, s := range p.Secrets {
		a.object("secret "+key, types.FileObjectConfig(s))
	}
	for key, c := range p.Configs {
		a.object("config "+key, types.FileObjectConfig(c))
	}
	return slices.Sorted(maps.Keys(a.set))
}

// EnvFiles lists the files outside of the loom's own folders that services take variables from. The project is that of
// the files: in a resolved one the variables are there and the files are not.
func EnvFiles(files *types.Project, real func(string) string, own Folders, mask Mask) []string {
	a := &access{set: map[string]bool{}, own: own, real: real, mask: mask}
	for name, s := range files.AllServices() {
		for _, e := range s.EnvFiles {
			if a.outside(e.Path) {
				a.add("service "+name, " reads %s", e.Path)
			}
		}
	}
	return slices.Sorted(maps.Keys(a.set))
}

func (a *access) variable(name string) {
	if !IsHarmlessVariable(name) {
		a.set[ReadsVariable+name] = true
	}
}

// Variables lists the access of files that use variables, by name alone.
func Variables(reads map[string]bool) []string {
	a := &access{set: map[string]bool{}}
	for name := range reads {
		a.variable(name)
	}
	return slices.Sorted(maps.Keys(a.set))
}

// passedVariables adds the variables that a service or its build takes from the user's environment by name alone.
func (a *access) passedVariables(s types.ServiceConfig) {
	passed := []types.MappingWithEquals{s.Environment}
	if s.Build != nil {
		passed = append(passed, s.Build.Args)
	}
	for _, list := range passed {
		for key, value := range list {
			if value == nil {
				a.variable(key)
			}
		}
	}
}

// mounts adds what a service mounts of the loom's own folders.
func (a *access) mounts(p *types.Project, s types.ServiceConfig) {
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind && !a.outside(v.Source) && !a.isInShownGit(s, v) {
			a.ownFolder(a.real(v.Source), v.ReadOnly)
		}
		device := p.Volumes[v.Source].DriverOpts["device"]
		if v.Type == types.VolumeTypeVolume && v.Volume != nil && v.Volume.Subpath != "" && filepath.IsAbs(device) &&
			!a.outside(device) {
			a.ownFolder(a.real(filepath.Join(device, v.Volume.Subpath)), v.ReadOnly)
		}
	}
}

// isInShownGit reports whether a bind is of a part of the git folder, and the service writes to all of it already.
func (a *access) isInShownGit(s types.ServiceConfig, v types.ServiceVolumeConfig) bool {
	return a.own.Git != "" && v.Source != a.own.Git && host.IsBelow(v.Source, a.own.Git) &&
		slices.ContainsFunc(s.Volumes, func(o types.ServiceVolumeConfig) bool {
			return o.Type == types.VolumeTypeBind && !o.ReadOnly && o.Source == a.own.Git
		})
}

// ownFolder adds what the bind of a path in the loom's own folders gives away.
func (a *access) ownFolder(path string, readOnly bool) {
	for _, guarded := range []string{".git", ".iloom"} {
		if readOnly && path == filepath.Join(a.own.Tree, guarded) {
			return
		}
	}
	switch {
	case a.own.Git != "" && host.IsBelow(path, a.own.Git):
		if !readOnly {
			a.add(WritesGit, "%s", path)
		}
	case path != a.own.Tree && host.IsBelow(path, a.own.Tree):
		if rel, err := filepath.Rel(a.own.Tree, path); err == nil {
			a.add(MountsTree, "%s", rel)
		}
	}
}

func (a *access) volume(p *types.Project, key string, v types.VolumeConfig) {
	if bool(v.External) || v.Name != "" && v.Name != p.Name+"_"+key {
		a.add("volume "+key, " is %s, which is not the loom's", v.Name)
	}
	if device := v.DriverOpts["device"]; filepath.IsAbs(device) && !a.outside(device) {
		a.ownFolder(a.real(device), false)
	}
}

func (a *access) network(p *types.Project, key string, n types.NetworkConfig) {
	if bool(n.External) || n.Name != "" && n.Name != p.Name+"_"+key {
		a.add("network "+key, " is %s, which is not the loom's", n.Name)
	}
}

func (a *access) object(name string, o types.FileObjectConfig) {
	if a.outside(o.File) {
		a.add(name, " reads %s", o.File)
	}
	if o.Environment != "" {
		a.add(name, " reads the variable %s", o.Environment)
		a.variable(o.Environment)
	}
	if o.File != "" && !a.outside(o.File) {
		a.ownFolder(a.real(o.File), true)
	}
}

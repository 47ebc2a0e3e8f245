package overrides

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// MountedPaths lists the files and folders of the work tree that services mount, sorted, with their links resolved. A
// process that can write the tree must not be able to replace one by a link: the engine would follow it the next time a
// container starts.
func MountedPaths(p *types.Project, tree string, real func(string) string) []string {
	var list []string
	add := func(path string) {
		if path = real(path); path != tree && within(path, tree) && filepath.IsAbs(path) {
			list = append(list, path)
		}
	}
	for _, s := range p.AllServices() {
		for _, v := range s.Volumes {
			if source := hostPath(p, v); source != "" {
				add(source)
			}
		}
		for _, ref := range s.Secrets {
			add(p.Secrets[ref.Source].File)
		}
		for _, ref := range s.Configs {
			add(p.Configs[ref.Source].File)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// protectMounts adds read-only binds to each writable bind of the work tree: of the paths in it whose content the host
// obeys, and binds of what other services mount, so that it cannot be replaced.
func (c *confiner) protectMounts(name string, s types.ServiceConfig) {
	e := ProtectMounts{Service: name}
	for _, v := range s.Volumes {
		source := hostPath(c.p, v)
		if source == "" {
			continue
		}
		if real := c.in.ResolveLinks(source); real != source {
			if v.Type == types.VolumeTypeBind && within(source, c.in.Tree) {
				// A link can be changed later: the bind is of its target.
				v.Source = real
				e.Mounts = append(e.Mounts, v)
			}
			source = real
		}
		if v.ReadOnly {
			continue
		}
		c.pinMounted(&e, s, v, source)
		c.mountReadOnly(&e, s, v, source)
		if c.in.Common != "" && within(c.in.Common, source) && !within(c.in.Common, c.in.Tree) && name != c.in.Dev {
			c.openPath(name, "writes to the repository's git folder %s", c.in.Common)
		}
	}
	if len(e.Mounts) > 0 {
		c.edit(e)
	}
	if name == c.in.Dev && slices.Contains(c.in.ReadOnly, filepath.Join(c.in.Tree, ".git")) {
		c.openPath(name, "is the dev container: it writes to the git folders, hooks and configuration too")
	}
}

// pinMounted keeps what services mount below source, which v shows, from being replaced.
func (c *confiner) pinMounted(e *ProtectMounts, s types.ServiceConfig, v types.ServiceVolumeConfig, source string) {
	for _, path := range c.mounted {
		if path != source && within(path, source) && !c.isReadOnly(path) {
			e.pinFolders(s, v, source, filepath.Dir(path))
			e.add(s, path, strings.TrimSuffix(v.Target, "/")+"/"+filepath.ToSlash(path[len(source)+1:]), false)
		}
	}
}

// mountReadOnly mounts the read-only paths below source, which v shows.
func (c *confiner) mountReadOnly(e *ProtectMounts, s types.ServiceConfig, v types.ServiceVolumeConfig, source string) {
	for _, path := range c.in.ReadOnly {
		if e.Service == c.in.Dev && path == filepath.Join(c.in.Tree, ".git") {
			continue
		}
		if within(source, path) {
			// The bind is of the read-only folder itself, or of something in it.
			v.ReadOnly = true
			e.Mounts = append(e.Mounts, v)
			continue
		}
		rel, err := filepath.Rel(source, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		target := strings.TrimSuffix(v.Target, "/") + "/" + filepath.ToSlash(rel)
		e.pinFolders(s, v, source, filepath.Dir(path))
		e.add(s, path, target, true)
	}
}

// isReadOnly reports whether services get the path, or a folder that it is in, read-only.
func (c *confiner) isReadOnly(path string) bool {
	return slices.ContainsFunc(c.in.ReadOnly, func(g string) bool { return within(path, g) })
}

// hostPath is the file or folder of the host that a volume of a service shows, "" for none.
func hostPath(p *types.Project, v types.ServiceVolumeConfig) string {
	switch v.Type {
	case types.VolumeTypeBind:
		return v.Source
	case types.VolumeTypeVolume:
		if device := p.Volumes[v.Source].DriverOpts["device"]; filepath.IsAbs(device) {
			if v.Volume != nil {
				return filepath.Join(device, v.Volume.Subpath)
			}
			return device
		}
	}
	return ""
}

// ProtectMounts keeps a service from writing what the host obeys. It adds mounts, or replaces those that have the same
// target.
type ProtectMounts struct {
	Service string
	// Mounts are all of them, Added the ones whose target is new.
	Mounts, Added []types.ServiceVolumeConfig
}

// add mounts a path of the host, unless the files mount something there themselves.
func (e *ProtectMounts) add(s types.ServiceConfig, source, target string, readOnly bool) {
	for _, v := range append(slices.Clone(s.Volumes), e.Mounts...) {
		if filepath.Clean(v.Target) == filepath.Clean(target) {
			return
		}
	}
	v := types.ServiceVolumeConfig{
		Type: types.VolumeTypeBind, Source: source, Target: target, ReadOnly: readOnly, Bind: &types.ServiceVolumeBind{},
	}
	e.Mounts, e.Added = append(e.Mounts, v), append(e.Added, v)
}

// pinFolders mounts on themselves the folders between source, which v shows, and at. A mountpoint cannot be renamed,
// but the folder that it is in could be.
func (e *ProtectMounts) pinFolders(s types.ServiceConfig, v types.ServiceVolumeConfig, source, at string) {
	for ; at != source && within(at, source); at = filepath.Dir(at) {
		e.add(s, at, strings.TrimSuffix(v.Target, "/")+"/"+filepath.ToSlash(at[len(source)+1:]), false)
	}
}

// Apply adds the mounts.
func (e ProtectMounts) Apply(p *types.Project) {
	service(p, e.Service, func(s *types.ServiceConfig) {
		s.Volumes = slices.Clone(s.Volumes)
		for _, v := range e.Mounts {
			sameTarget := func(o types.ServiceVolumeConfig) bool { return o.Target == v.Target }
			if i := slices.IndexFunc(s.Volumes, sameTarget); i >= 0 {
				s.Volumes[i] = v
			} else {
				s.Volumes = append(s.Volumes, v)
			}
		}
	})
}

// Render adds the mounts; Compose replaces one that has the same target.
func (e ProtectMounts) Render(d *Document) {
	for _, v := range e.Mounts {
		d.append(v, "services", e.Service, "volumes")
	}
}

func (e ProtectMounts) String() string {
	var targets []string
	for _, v := range e.Mounts {
		targets = append(targets, v.Target)
	}
	return fmt.Sprintf("service %s: %s cannot be written or replaced", e.Service, strings.Join(targets, ", "))
}

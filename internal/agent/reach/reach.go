// Package reach says what an agent reaches by way of a loom's services: the outside, the host, and what the host obeys.
package reach

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// ways are what an agent gets by way of a service, beside the way out: the host, and what the host obeys.
func ways(p *plan.Plan, name string) []string {
	s := p.Project.Services[name]
	var list []string
	if p.Confined() == nil {
		if s.NetworkMode == "host" {
			list = append(list, "is in the host's network")
		}
		list = append(list, overrides.HostAccess(s, func(path string) bool { return leadsOutside(p, path) })...)
	}
	for _, path := range p.Open {
		if path.Service == name {
			list = append(list, path.What)
		}
	}
	for _, path := range writesGuarded(p, name) {
		list = append(list, "writes to "+path)
	}
	return list
}

// leadsOutside reports whether a path of the host is neither in the work tree nor in the repository's git folder.
func leadsOutside(p *plan.Plan, path string) bool {
	path = host.RealPath(path)
	return !host.IsBelow(path, p.RealWorkTree) && (p.CommonDir == "" || !host.IsBelow(path, p.CommonDir))
}

// leaves reports whether a service reaches the outside or this machine without the sidecar.
func leaves(p *plan.Plan, name string) bool {
	mode := p.Project.Services[name].NetworkMode
	if joined, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
		return leaves(p, joined)
	}
	if p.Confined() == nil {
		return mode != "none"
	}
	return slices.ContainsFunc(p.Open, func(path overrides.OpenPath) bool { return path.Service == name && path.Network })
}

// writesGuarded are those of git's folders and the settings that a service can write: what is in them makes this
// machine do something.
func writesGuarded(p *plan.Plan, name string) []string {
	s := p.Project.Services[name]
	tree := p.RealWorkTree
	var list []string
	guarded := []string{filepath.Join(tree, ".git"), filepath.Join(tree, survey.SettingsFolder)}
	if p.CommonDir != "" {
		guarded = append(guarded, p.CommonDir)
	}
	for _, path := range guarded {
		if _, err := os.Lstat(path); err != nil || slices.Contains(list, path) {
			continue
		}
		for _, v := range s.Volumes {
			rel, err := filepath.Rel(host.RealPath(v.Source), path)
			if v.Type != types.VolumeTypeBind || v.ReadOnly || err != nil || !filepath.IsLocal(rel) && rel != "." {
				continue
			}
			target := filepath.Join(v.Target, rel)
			covered := slices.ContainsFunc(s.Volumes, func(o types.ServiceVolumeConfig) bool {
				return filepath.Clean(o.Target) == target && o.ReadOnly
			})
			if !covered {
				list = append(list, path)
				break
			}
		}
	}
	return list
}

// ServiceMounts are the files and folders of the work tree that services mount, of those that there are. Links lead
// somewhere else each time one looks, so that none is held.
func ServiceMounts(p *plan.Plan) []string {
	tree := p.RealWorkTree
	return slices.DeleteFunc(overrides.MountedPaths(p.Project, tree, host.RealPath), func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil || slices.Contains(strings.Split(path[len(tree):], string(filepath.Separator)), ".git")
	})
}

// ByServices says what the agent reaches by way of each of the loom's services.
func ByServices(p *plan.Plan) []sandbox.ServiceAccess {
	list := []sandbox.ServiceAccess{}
	for _, name := range slices.Sorted(maps.Keys(p.Project.Services)) {
		if name != plan.EgressService {
			list = append(list, sandbox.ServiceAccess{Name: name, Open: leaves(p, name), Ways: ways(p, name)})
		}
	}
	return list
}

// Aliases are the names that services have on networks of the files beside their own.
func Aliases(p *plan.Plan) []string {
	var list []string
	if p.Project == nil {
		return nil
	}
	for _, s := range p.Project.Services {
		for _, network := range s.Networks {
			if network != nil {
				list = append(list, network.Aliases...)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

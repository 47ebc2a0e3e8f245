package sandbox

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/sandbox/paths"
)

// bind is a mount of the sandbox's container.
type bind struct {
	source, target string
	readOnly       bool
	isVolume       bool // source is the key of a volume
	// unhashed mounts may come and go without the sandbox being recreated.
	unhashed bool
}

func (b bind) volume() types.ServiceVolumeConfig {
	v := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: b.source, Target: b.target, ReadOnly: b.readOnly}
	if b.isVolume {
		v.Type, v.Volume = types.VolumeTypeVolume, &types.ServiceVolumeVolume{NoCopy: true}
		return v
	}
	// A missing source is then an error. Otherwise the engine makes a folder that belongs to root.
	v.Bind = &types.ServiceVolumeBind{CreateHostPath: false, Propagation: "rprivate"}
	return v
}

// errMountedTwice is returned for two mounts with one target.
var errMountedTwice = errors.New("mounted twice")

// binds returns all mounts, sorted by the depth of their targets: the engine makes them in this order, so a mount
// inside another one comes later.
func (s Spec) binds() ([]bind, error) {
	settings := filepath.Join(s.WorkTree, ".iloom")
	all := []bind{
		{source: s.WorkTree, target: s.WorkTree, readOnly: s.ReadOnly},
		{source: settings, target: settings, readOnly: true},
	}
	all = append(all, s.gitBinds()...)
	all = append(all, bind{source: HomeName(s.Agent), target: Home, isVolume: true})
	for _, f := range s.Files {
		all = append(all, bind{source: f.Source, target: f.Target, readOnly: !f.Writable})
	}
	for _, m := range s.Mounts {
		all = append(all, bind{source: m.Source, target: m.Target, readOnly: m.ReadOnly})
	}
	if s.DockerSocket != "" {
		all = append(all, bind{source: s.DockerSocket, target: "/var/run/docker.sock"})
	}
	all = append(all, s.serviceBinds(all)...)
	slices.SortStableFunc(all, func(a, b bind) int {
		if d := paths.Depth(a.target) - paths.Depth(b.target); d != 0 {
			return d
		}
		return strings.Compare(a.target, b.target)
	})
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.target == b.target {
			if a.source != b.source || a.readOnly != b.readOnly {
				return nil, fmt.Errorf("%s: %w, from %s and from %s", b.target, errMountedTwice, a.source, b.source)
			}
			all = slices.Delete(all, i, i+1)
			i--
		}
	}
	return all, nil
}

// gitBinds returns the mounts of the work tree's repository.
func (s Spec) gitBinds() []bind {
	if s.Git == nil {
		return nil
	}
	mounts := s.Git.Mounts(s.WorkTree)
	if s.ReadOnly {
		mounts = s.Git.ReadOnlyMounts(s.WorkTree)
	}
	var all []bind
	for _, m := range mounts {
		all = append(all, bind{source: m.Source, target: m.Target, readOnly: m.ReadOnly, unhashed: m.Unhashed})
	}
	if s.hasView() {
		all = append(all, bind{source: GitName(s.Agent), target: s.Git.Common, isVolume: true})
	}
	return all
}

// serviceBinds mounts each of ServiceMounts and the folders above it on itself, so that the agent cannot rename it: a
// mountpoint cannot be renamed, but its parent could. Inside a read-only mount nothing can be renamed.
func (s Spec) serviceBinds(others []bind) []bind {
	var all []bind
	for _, path := range s.ServiceMounts {
		isReadOnly := slices.ContainsFunc(others, func(b bind) bool {
			return b.readOnly && b.target != s.WorkTree && paths.Contains(b.target, path)
		})
		if isReadOnly || !paths.Contains(s.WorkTree, path) {
			continue
		}
		for _, p := range append(paths.Between(s.WorkTree, path), path) {
			if !slices.ContainsFunc(slices.Concat(others, all), func(b bind) bool { return b.target == p }) {
				all = append(all, bind{source: p, target: p, readOnly: s.ReadOnly})
			}
		}
	}
	return all
}

func (s Spec) hasView() bool { return s.Git.HasView() && !s.ReadOnly }

// View returns the view of the repository's common dir, or nil if the sandbox has none.
func (s Spec) View() (*gitview.View, error) {
	if !s.hasView() {
		return nil, nil
	}
	binds, err := s.binds()
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, b := range binds {
		targets = append(targets, b.target)
	}
	return s.Git.View(GitName(s.Agent), targets), nil
}

// Folders returns the folders below [Home] in which files are mounted, parents first. They must belong to the agent
// before the container starts; otherwise the engine makes them, and they belong to root.
func Folders(s Spec) []string {
	var all []string
	for _, f := range s.Files {
		all = append(all, homeFolders(f.Target)...)
	}
	for _, m := range s.Mounts {
		all = append(all, homeFolders(m.Target)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// homeFolders returns the folders between [Home] and target.
func homeFolders(target string) []string {
	var all []string
	for dir := path.Dir(target); strings.HasPrefix(dir, Home+"/"); dir = path.Dir(dir) {
		all = append(all, dir)
	}
	return all
}

package trust

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// service collects what one service asks of the host by the values of its fields: which folders, networks and
// containers are the loom's own.
type service struct {
	*access
	name string
}

func (s *service) add(format string, args ...any) {
	s.access.add("%s", "service "+s.name+" "+fmt.Sprintf(format, args...))
}

func (s *service) addAll(c types.ServiceConfig) {
	for _, capability := range c.CapAdd {
		s.add("has the capability %s", strings.TrimPrefix(strings.ToUpper(capability), "CAP_"))
	}
	s.namespaces(c)
	s.files(c)
	if c.Provider != nil {
		s.add("is provided by the program %s on this machine", c.Provider.Type)
	}
	if c.Build != nil {
		s.build(c.Build)
	}
	if c.Develop != nil {
		for _, w := range c.Develop.Watch {
			if s.outside(w.Path) {
				s.add("is updated from %s", w.Path)
			}
		}
	}
}

func (s *service) namespaces(c types.ServiceConfig) {
	switch mode := c.NetworkMode; {
	case mode == "", mode == "none", strings.HasPrefix(mode, types.ServicePrefix):
	case mode == "host", strings.HasPrefix(mode, types.ContainerPrefix):
		s.add("joins the network namespace %s", mode)
	default:
		// The engine takes the name of any network there: its own bridge, or another loom's.
		s.add("is on the engine's network %s", mode)
	}
	for _, from := range c.VolumesFrom {
		if strings.HasPrefix(from, types.ContainerPrefix) {
			s.add("has the volumes of %s", from)
		}
	}
}

func (s *service) files(c types.ServiceConfig) {
	for _, path := range c.LabelFiles {
		if s.outside(path) {
			s.add("reads %s", path)
		}
	}
	for _, v := range c.Volumes {
		s.volume(v)
	}
	for _, e := range c.EnvFiles {
		if s.outside(e.Path) {
			s.add("reads %s", e.Path)
		}
	}
}

func (s *service) volume(v types.ServiceVolumeConfig) {
	switch v.Type {
	case types.VolumeTypeVolume, types.VolumeTypeTmpfs, types.VolumeTypeImage:
	case types.VolumeTypeBind:
		switch {
		case strings.HasSuffix(v.Source, "docker.sock"):
			s.add("has the socket %s", v.Source)
		case !s.outside(v.Source):
		case v.ReadOnly:
			s.add("reads %s", v.Source)
		default:
			s.add("writes to %s", v.Source)
		}
	default:
		s.add("mounts the %s %s", v.Type, v.Source)
	}
}

func (s *service) build(b *types.BuildConfig) {
	dockerfile := b.Dockerfile
	if dockerfile != "" && !filepath.IsAbs(dockerfile) && filepath.IsAbs(b.Context) {
		dockerfile = filepath.Join(b.Context, dockerfile)
	}
	for _, source := range append([]string{b.Context, dockerfile}, slices.Sorted(maps.Values(b.AdditionalContexts))...) {
		if s.outside(source) || isRemote(source) {
			s.add("is built with %s", source)
		}
	}
}

// isRemote reports whether a build context is neither a path nor one of the project's own services, or an image.
func isRemote(source string) bool {
	return strings.Contains(source, ":") && !filepath.IsAbs(source) &&
		!strings.HasPrefix(source, types.ServicePrefix) && !strings.HasPrefix(source, "docker-image://")
}

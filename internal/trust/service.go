package trust

import (
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
	name, project string
}

func (s *service) add(format string, values ...string) {
	s.access.add("service "+s.name+" ", format, values...)
}

func (s *service) addAll(c types.ServiceConfig) {
	for _, capability := range c.CapAdd {
		s.add("has the capability %s", strings.TrimPrefix(strings.ToUpper(capability), "CAP_"))
	}
	for _, d := range c.Devices {
		if d.Permissions == "" || d.Permissions == "rwm" {
			s.add("has the device %s", d.Source)
		} else {
			s.add("has the device %s for %s", d.Source, d.Permissions)
		}
	}
	s.namespaces(c)
	s.files(c)
	if c.Provider != nil {
		s.add("is provided by the program %s on this machine", c.Provider.Type)
	}
	if c.Build != nil {
		s.build(c.Build)
		s.builtImage(c.Image)
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
}

func (s *service) volume(v types.ServiceVolumeConfig) {
	if v.Bind != nil && !slices.Contains([]string{"", "private", "rprivate"}, v.Bind.Propagation) {
		// What is mounted in the container would be mounted on the host too, or the other way round.
		s.add("mounts %s with the propagation %s", v.Source, v.Bind.Propagation)
	}
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

// builtImage adds the name that a build gives its image, unless Compose or docker loom names it after the project: the
// build would take the name from an image of the user's, which others run. Looms but main have names of their own.
func (s *service) builtImage(image string) {
	own := s.project + "-" + s.name
	if image != "" && image != own && image != own+"-base" && !strings.HasPrefix(image, own+"-base-") {
		s.add("is built as the image %s", image)
	}
}

// isRemote reports whether a build context is neither a path nor one of the project's own services, or an image.
func isRemote(source string) bool {
	return strings.Contains(source, ":") && !filepath.IsAbs(source) &&
		!strings.HasPrefix(source, types.ServicePrefix) && !strings.HasPrefix(source, "docker-image://")
}

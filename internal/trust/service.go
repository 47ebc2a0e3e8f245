package trust

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// service collects what one service asks of the host.
type service struct {
	*access
	name string
}

func (s *service) add(format string, args ...any) {
	s.access.add("%s", "service "+s.name+" "+fmt.Sprintf(format, args...))
}

func (s *service) addAll(c types.ServiceConfig) {
	s.privileges(c)
	s.devices(c)
	s.namespaces(c)
	s.programs(c)
	s.files(c)
	if c.Build != nil {
		s.build(c.Build)
	}
}

func (s *service) privileges(c types.ServiceConfig) {
	if c.Privileged {
		s.add("is privileged")
	}
	for _, capability := range c.CapAdd {
		s.add("has the capability %s", strings.TrimPrefix(strings.ToUpper(capability), "CAP_"))
	}
	for _, o := range c.SecurityOpt {
		opt := strings.ReplaceAll(o, "=", ":")
		if opt != "no-new-privileges:true" && opt != "no-new-privileges" {
			s.add("has the security option %s", o)
		}
	}
	for _, hook := range slices.Concat(c.PostStart, c.PreStop) {
		if hook.Privileged {
			s.add("runs a privileged hook")
		}
	}
	if c.OomKillDisable || c.OomScoreAdj < 0 {
		s.add("is spared where memory runs out")
	}
	if c.CgroupParent != "" {
		s.add("has the control group %s", c.CgroupParent)
	}
	if c.Runtime != "" {
		s.add("has the runtime %s", c.Runtime)
	}
}

func (s *service) devices(c types.ServiceConfig) {
	for _, d := range c.Devices {
		s.add("has the device %s", d.Source)
	}
	for _, rule := range c.DeviceCgroupRules {
		s.add("has the device rule %s", rule)
	}
	if len(c.Gpus) > 0 || c.Deploy != nil && c.Deploy.Resources.Reservations != nil &&
		len(c.Deploy.Resources.Reservations.Devices) > 0 {
		s.add("has devices such as GPUs")
	}
}

func (s *service) namespaces(c types.ServiceConfig) {
	for _, ns := range []struct{ kind, mode string }{
		{"network", c.NetworkMode},
		{"pid", c.Pid},
		{"ipc", c.Ipc},
		{"uts", c.Uts},
		{"user", c.UserNSMode},
		{"cgroup", c.Cgroup},
	} {
		if ns.mode == "host" || strings.HasPrefix(ns.mode, types.ContainerPrefix) {
			s.add("joins the %s namespace %s", ns.kind, ns.mode)
		}
	}
	switch mode := c.NetworkMode; {
	case mode == "", mode == "none", mode == "host",
		strings.HasPrefix(mode, types.ServicePrefix), strings.HasPrefix(mode, types.ContainerPrefix):
	default:
		// The engine takes the name of any network there: its own bridge, or another loom's.
		s.add("is on the engine's network %s", mode)
	}
}

// programs adds what programs of the host do for the service.
func (s *service) programs(c types.ServiceConfig) {
	if c.UseAPISocket {
		s.add("has the Docker socket")
	}
	if l := c.Logging; l != nil && !slices.Contains([]string{"", "json-file", "local", "none"}, l.Driver) {
		s.add("sends its log by the driver %s, from this machine", l.Driver)
	}
	for name := range c.Models {
		s.add("has the model %s, which a program on this machine runs", name)
	}
	if c.Provider != nil {
		s.add("is provided by the program %s on this machine", c.Provider.Type)
	}
}

func (s *service) files(c types.ServiceConfig) {
	for _, path := range c.LabelFiles {
		if s.outside(path) {
			s.add("reads %s", path)
		}
	}
	for _, v := range c.Volumes {
		switch {
		case v.Type == types.VolumeTypeNamedPipe, strings.HasSuffix(v.Source, "docker.sock"):
			s.add("has the socket %s", v.Source)
		case v.Type == types.VolumeTypeBind && s.outside(v.Source):
			mode := "writes to"
			if v.ReadOnly {
				mode = "reads"
			}
			s.add("%s %s", mode, v.Source)
		}
	}
	for _, from := range c.VolumesFrom {
		if strings.HasPrefix(from, types.ContainerPrefix) {
			s.add("has the volumes of %s", from)
		}
	}
	for _, e := range c.EnvFiles {
		if s.outside(e.Path) {
			s.add("reads %s", e.Path)
		}
	}
}

func (s *service) build(b *types.BuildConfig) {
	dockerfile := b.Dockerfile
	if dockerfile != "" && !filepath.IsAbs(dockerfile) && filepath.IsAbs(b.Context) {
		dockerfile = filepath.Join(b.Context, dockerfile)
	}
	for _, dir := range append([]string{b.Context, dockerfile}, slices.Sorted(maps.Values(b.AdditionalContexts))...) {
		if s.outside(dir) {
			s.add("is built with %s", dir)
		}
	}
	for _, key := range b.SSH {
		s.add("is built with the SSH agent or key %s", cmp.Or(key.Path, key.ID))
	}
	for _, cache := range slices.Concat(b.CacheFrom, b.CacheTo) {
		for field := range strings.SplitSeq(cache, ",") {
			key, path, _ := strings.Cut(field, "=")
			if (key == "dest" || key == "src") && (s.outside(path) || !filepath.IsAbs(path)) {
				s.add("keeps its build's cache in %s", path)
			}
		}
	}
	if b.Privileged || len(b.Entitlements) > 0 {
		s.add("is built with privileges %s", strings.Join(b.Entitlements, " "))
	}
	if b.Network == "host" {
		s.add("is built in the host's network")
	}
}

package overrides

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// OpenPath is a way past confinement that a service keeps: out of the loom, or to files whose content the host obeys.
type OpenPath struct {
	Service string
	What    string
	// Network is true if it leads out without the sidecar.
	Network bool
}

func (p OpenPath) String() string { return "service " + p.Service + " " + p.What }

func (c *confiner) openPath(service, format string, args ...any) {
	c.paths = append(c.paths, OpenPath{Service: service, What: fmt.Sprintf(format, args...)})
}

func (c *confiner) bypass(service, format string, args ...any) {
	c.paths = append(c.paths, OpenPath{service, fmt.Sprintf(format, args...), true})
}

// openPaths finds what lets the service reach the outside or the host nevertheless.
func (c *confiner) openPaths(name string, s types.ServiceConfig) {
	switch mode := s.NetworkMode; {
	case mode == "host":
		c.bypass(name, "is in the host's network")
	case strings.HasPrefix(mode, types.ContainerPrefix):
		c.bypass(name, "is in the network of %s, which is not the loom's", mode)
	case mode != "" && mode != "none" && !strings.HasPrefix(mode, types.ServicePrefix):
		c.bypass(name, "is on the engine's network %s", mode)
	case mode == "":
		for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
			if slices.Contains(c.closed, key) {
				continue
			}
			n := c.p.Networks[key]
			if n.Driver != "" && n.Driver != "bridge" && !bool(n.External) && !slices.Contains(c.in.Share, key) {
				c.bypass(name, "is on network %s, whose driver %s cannot be isolated", key, n.Driver)
			} else {
				c.bypass(name, "is on network %s, which is shared", key)
			}
		}
	}
	for _, path := range HostAccess(s, c.in.writesOutside) {
		c.openPath(name, "%s", path)
	}
}

// writesOutside reports whether a path of the host is neither in the work tree nor in the repository's git folder.
func (in Confinement) writesOutside(path string) bool {
	path = in.ResolveLinks(path)
	return !within(path, in.Tree) && (in.Common == "" || !within(path, in.Common))
}

// HostAccess names what gives a service access to the host, except its networks. outside reports whether a path of the
// host is not the loom's.
func HostAccess(s types.ServiceConfig, outside func(path string) bool) []string {
	var list []string
	if s.Privileged {
		list = append(list, "is privileged")
	}
	if s.Pid == "host" {
		list = append(list, "sees the host's processes")
	}
	if s.UseAPISocket {
		list = append(list, "has the Docker socket")
	}
	if s.Provider != nil {
		list = append(list, "is run by the program "+s.Provider.Type+" on this machine")
	}
	for _, name := range s.CapAdd {
		switch name = capability(name); name {
		case "ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF", "PERFMON",
			netRaw, "NET_ADMIN":
			list = append(list, "has the capability "+name)
		}
	}
	if len(s.Devices) > 0 {
		list = append(list, "has devices of the host")
	}
	if l := s.Logging; l != nil && !slices.Contains([]string{"", "json-file", "local", "none", "journald"}, l.Driver) {
		list = append(list, "has its log sent by the engine's driver "+l.Driver)
	}
	for _, v := range s.Volumes {
		switch {
		case v.Type != types.VolumeTypeBind:
		case strings.HasSuffix(v.Source, ".sock"):
			list = append(list, "has the socket "+v.Source)
		case !v.ReadOnly && outside(v.Source):
			list = append(list, "writes to "+v.Source)
		}
	}
	return list
}

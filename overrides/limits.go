package overrides

import (
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// limits finds what no edit can isolate.
func (b *planner) limits(name string, s types.ServiceConfig) {
	subject := "service " + name
	if s.NetworkMode == "host" {
		b.find(finding.Warning, subject,
			"runs in the host's network: its ports cannot be moved", "use ports instead of network_mode: host")
	}
	for _, ns := range []struct{ kind, mode string }{{"pid", s.Pid}, {"ipc", s.Ipc}} {
		if ns.mode == "host" {
			b.find(finding.Warning, subject,
				"shares the host's "+ns.kind+" namespace with every loom", "take "+ns.kind+": host out")
		}
	}
	if len(s.Devices) > 0 {
		b.find(finding.Warning, subject, "uses devices of the host, which all looms share", "")
	}
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind || v.ReadOnly {
			continue
		}
		switch {
		case strings.HasSuffix(v.Source, "docker.sock"):
			b.find(finding.Warning, subject, "has the Docker socket: it sees and controls every loom", "")
		case !within(v.Source, b.in.Dir) && (b.in.Common == "" || !within(v.Source, b.in.Common)):
			b.find(finding.Warning, subject,
				fmt.Sprintf("writes to %s, outside the work tree: all looms share it", v.Source),
				"mount it read-only, or use a named volume")
		}
	}
}

func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

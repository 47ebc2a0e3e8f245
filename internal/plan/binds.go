package plan

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/survey"
)

// ColonError says that a service mounts a path with a colon in it. Compose puts the parts of a bind into one text for
// the engine, with colons between them.
type ColonError struct{ Service, Path string }

// Error names the service and the path.
func (e *ColonError) Error() string {
	return fmt.Sprintf("service %s mounts %s, and the engine mounts no path with a colon", e.Service, e.Path)
}

// NextStep says what the user does next.
func (*ColonError) NextStep() string {
	return "rename the folder; for a work tree, git worktree move does that"
}

// CheckBinds returns a [*ColonError] or a [*survey.MissingBindError] if the engine would refuse a bind of a service
// that is started. missing are the paths that must exist for its dev container and do not. Without containers nothing
// is mounted.
func (p *Plan) CheckBinds(missing []string) error {
	if p.Stop == AfterFiles {
		return nil
	}
	if len(missing) > 0 {
		if _, starts := p.Project.Services[p.Dev.Service]; starts {
			return &survey.MissingBindError{Config: p.Dev.Path, Source: missing[0]}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Project.Services)) {
		for _, v := range p.Project.Services[name].Volumes {
			if v.Type != types.VolumeTypeBind || isMountAlone(v.Bind) {
				continue
			}
			for _, path := range []string{v.Source, v.Target} {
				if strings.Contains(strings.TrimPrefix(path, filepath.VolumeName(path)), ":") {
					return &ColonError{name, path}
				}
			}
		}
	}
	return nil
}

// isMountAlone reports whether Compose gives the engine the parts of a bind each by itself. It does so if the bind has
// options that the one text cannot have.
func isMountAlone(bind *types.ServiceVolumeBind) bool {
	return bind != nil && (!bind.CreateHostPath || bind.Propagation != "" || bind.Recursive != "")
}

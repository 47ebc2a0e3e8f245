package stack

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"
)

// ServiceHash is the configuration hash that Compose puts on a container of the service.
func ServiceHash(s types.ServiceConfig) (string, error) {
	if s.Deploy != nil {
		// Compose clears the replicas through this pointer, in the caller's project.
		deploy := *s.Deploy
		s.Deploy = &deploy
	}
	return compose.ServiceHash(s)
}

// NetworkHash is the configuration hash that Compose puts on a network.
func NetworkHash(n types.NetworkConfig) (string, error) { return compose.NetworkHash(&n) }

// VolumeHash is the configuration hash that Compose puts on a volume.
func VolumeHash(v types.VolumeConfig) (string, error) { return compose.VolumeHash(v) }

// Seen is what is known of an existing container for comparing it with its service.
type Seen struct {
	Service string
	Labels  map[string]string
	// Up is true if it runs, is not paused, and is not unhealthy; or if it is a one-shot that exited 0.
	Up bool
}

// Change is what Up will do to the containers of a service.
type Change string

// The changes. ChangeUnsure leaves the decision to Compose.
const (
	ChangeKeep     Change = "keep"
	ChangeCreate   Change = "create"
	ChangeRecreate Change = "recreate"
	ChangeStart    Change = "start"
	ChangeUnsure   Change = "check"
)

// Compare returns for each service what Up will do to its containers. imageID gives the local image's ID of a
// reference, "" if there is none; it is asked only for services that have containers.
func Compare(p *types.Project, seen []Seen, imageID func(ref string) string) map[string]Change {
	changes := map[string]Change{}
	for name, s := range p.Services {
		own := slices.DeleteFunc(slices.Clone(seen), func(c Seen) bool { return c.Service != name })
		switch {
		case len(own) == 0 && s.GetScale() == 0:
			changes[name] = ChangeKeep
		case len(own) == 0:
			changes[name] = ChangeCreate
		case len(own) != s.GetScale() || composeDecides(s):
			changes[name] = ChangeUnsure
		default:
			changes[name] = compareService(s, own, imageID(api.GetImageNameOrDefault(s, p.Name)))
		}
	}
	return changes
}

// compareService compares a service with its containers, all of which are expected to be there.
func compareService(s types.ServiceConfig, own []Seen, image string) Change {
	hash, err := ServiceHash(s)
	change := ChangeKeep
	for _, c := range own {
		if err != nil || c.Labels[api.ConfigHashLabel] != hash || hasOldContents(s, c.Labels) ||
			image == "" || c.Labels[api.ImageDigestLabel] != image {
			return ChangeRecreate
		}
		if !c.Up {
			change = ChangeStart
		}
	}
	return change
}

// composeDecides reports whether only Compose knows what becomes of the service: what it pulls, or which container the
// service refers to.
func composeDecides(s types.ServiceConfig) bool {
	switch s.PullPolicy {
	case types.PullPolicyAlways, types.PullPolicyBuild, types.PullPolicyRefresh, "daily", "weekly":
		return true
	}
	return strings.HasPrefix(s.PullPolicy, "every_") || s.Provider != nil || len(s.Models) > 0 || refersToContainers(s)
}

// Converged reports whether the containers are exactly those that Up would leave, so that Up can be skipped:
// Compose's own no-op takes half a second if a service has a healthcheck. It answers false whenever it is not
// sure. networks are the labels of the project's networks, changes those that Compare returned.
func Converged(p *types.Project, seen []Seen, networks []map[string]string, changes map[string]Change) bool {
	for _, labels := range networks {
		n, ok := p.Networks[labels[api.NetworkLabel]]
		if !ok {
			continue
		}
		if hash, err := NetworkHash(n); err != nil || madeFrom(labels) != hash {
			return false
		}
	}
	for _, c := range seen {
		if _, ok := p.Services[c.Service]; !ok {
			return false
		}
	}
	for _, change := range changes {
		if change != ChangeKeep {
			return false
		}
	}
	return true
}

// refersToContainers reports whether Compose puts container IDs into the service before it hashes it.
func refersToContainers(s types.ServiceConfig) bool {
	for _, ns := range []string{s.NetworkMode, s.Ipc, s.Pid} {
		if strings.HasPrefix(ns, types.ServicePrefix) {
			return true
		}
	}
	return len(s.VolumesFrom) > 0
}

// BuiltImage is the name that Compose gives what it builds for a service.
func BuiltImage(project, service string) string {
	return api.GetImageNameOrDefault(types.ServiceConfig{Name: service}, project)
}

// Image is the reference of the image that a service runs, the implicit one for a service that is only built.
func Image(s types.ServiceConfig, project string) string {
	return api.GetImageNameOrDefault(s, project)
}

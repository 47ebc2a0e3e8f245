package stack

import (
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

// Converged reports whether the containers are exactly those that Up would leave, so that Up can be skipped:
// Compose's own no-op takes half a second if a service has a healthcheck. It answers false whenever it is not
// sure. networks are the labels of the project's networks; imageID gives the local image's ID of a reference, ""
// if there is none.
func Converged(p *types.Project, seen []Seen, networks []map[string]string, imageID func(ref string) string) bool {
	for _, labels := range networks {
		n, ok := p.Networks[labels[api.NetworkLabel]]
		if !ok {
			continue
		}
		if hash, err := NetworkHash(n); err != nil || madeFrom(labels) != hash {
			return false
		}
	}
	count := map[string]int{}
	for _, c := range seen {
		s, ok := p.Services[c.Service]
		if !ok || !c.Up || refersToContainers(s) {
			return false
		}
		switch s.PullPolicy {
		case types.PullPolicyAlways, types.PullPolicyBuild, types.PullPolicyRefresh, "daily", "weekly":
			return false
		}
		if strings.HasPrefix(s.PullPolicy, "every_") || s.Provider != nil || len(s.Models) > 0 {
			return false
		}
		hash, err := ServiceHash(s)
		if err != nil || c.Labels[api.ConfigHashLabel] != hash {
			return false
		}
		image := imageID(api.GetImageNameOrDefault(s, p.Name))
		if image == "" || c.Labels[api.ImageDigestLabel] != image {
			return false
		}
		count[c.Service]++
	}
	for name, s := range p.Services {
		if count[name] != s.GetScale() {
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

// Image is the reference of the image that a service runs, the implicit one for a service that is only built.
func Image(s types.ServiceConfig, project string) string {
	return api.GetImageNameOrDefault(s, project)
}

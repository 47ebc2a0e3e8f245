package plan

import (
	"maps"
	"slices"

	"github.com/docker-loom/docker-loom/overrides"
)

// keepWorkTrees keeps git in services, which mount the repository's git folder, from forgetting work trees. The dev
// container has the mounts for that already.
func keepWorkTrees(m *maker) {
	var edits []overrides.Edit
	services := m.model.Project.AllServices()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if m.facts.Dev != nil && name == m.facts.Dev.Service {
			continue
		}
		if more := m.facts.Git.Keeping(m.facts.Followed(services[name].Volumes)); len(more) > 0 {
			edits = append(edits, overrides.ProtectMounts{Service: name, Mounts: more, Added: more})
		}
	}
	m.edits = append(m.edits, edits...)
	overrides.Apply(m.model.Project, edits)
}

// mountsGit reports whether a service mounts the folder in which git registers work trees.
func mountsGit(m *maker) bool {
	for _, s := range m.Project.AllServices() {
		if m.facts.Git.Shows(m.facts.Followed(s.Volumes)) {
			return true
		}
	}
	return false
}

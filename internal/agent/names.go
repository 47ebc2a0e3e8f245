package agent

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// serviceNames says by which names a sandbox reaches the services of a loom: by the service's name, and by that with
// the name of the project's folder, as in db.api. A name that two projects have stays with the older one, so that what
// the agent reaches does not change when a project is added.
type serviceNames struct {
	// folders are the names of the projects' folders, owners the projects that have a name. Both go by Compose projects.
	folders, owners map[string]string
	// all are the names by which the services are reached, sorted.
	all []string
}

// namesOf names the services of a loom's projects, which are given the oldest first.
func namesOf(projects []*registry.Loom, servicesIn func(*registry.Loom) []string) serviceNames {
	n := serviceNames{folders: folderNames(projects), owners: map[string]string{}}
	for _, k := range projects {
		for _, service := range servicesIn(k) {
			for _, name := range n.candidates(k.Project, service) {
				if n.owners[name] == "" {
					n.owners[name] = k.Project
				}
			}
		}
	}
	for _, k := range projects {
		for _, service := range servicesIn(k) {
			n.all = append(n.all, n.reachedBy(k.Project, service)...)
		}
	}
	slices.Sort(n.all)
	n.all = slices.Compact(n.all)
	return n
}

// namesOfContainers are the names of the services that have containers.
func namesOfContainers(projects []*registry.Loom, own []engine.Container) serviceNames {
	return namesOf(projects, func(k *registry.Loom) []string { return servicesOf(inProject(own, k)) })
}

// folderNames names the folder of each project by its last part. If an older project has the name, more parts are in
// it.
func folderNames(projects []*registry.Loom) map[string]string {
	names, taken := map[string]string{}, map[string]bool{"": true}
	for _, k := range projects {
		folder := k.Folder()
		if folder == "." || folder == "" {
			folder = filepath.Base(k.Repository)
		}
		parts := strings.Split(folder, "/")
		name := ""
		for i := len(parts) - 1; i >= 0 && taken[name]; i-- {
			name = identity.Sanitise(strings.Join(parts[i:], "-"), 63)
		}
		if taken[name] {
			name = strings.TrimPrefix(identity.Sanitise(path.Base(folder), 50)+"-", "-") + identity.ShortHash(folder)
		}
		names[k.Project], taken[name] = name, true
	}
	return names
}

// candidates are the names of a service, whoever has them.
func (n serviceNames) candidates(project, service string) []string {
	return []string{service, service + "." + n.folders[project]}
}

// mayUse reports whether a name is not another project's.
func (n serviceNames) mayUse(project, name string) bool {
	owner := n.owners[name]
	return owner == "" || owner == project
}

// reachedBy are the names that a service is reached by. Those with the folder are left out of a loom with one project.
func (n serviceNames) reachedBy(project, service string) []string {
	names := n.candidates(project, service)
	if len(n.folders) < 2 {
		names = names[:1]
	}
	return slices.DeleteFunc(names, func(name string) bool { return !n.mayUse(project, name) })
}

// aliases are those that a container has on a sandbox's network: its own, without names that are another project's.
func (n serviceNames) aliases(c engine.Container, own []string) []string {
	names := slices.Clone(own)
	if !c.OneOff {
		names = append(names, n.candidates(c.Project, c.Service)...)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return !n.mayUse(c.Project, name) })
}

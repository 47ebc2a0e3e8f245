package inventory

import (
	"path/filepath"
	"slices"

	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// part is one project of a loom with what there is to list of it.
type part struct {
	entry *registry.Loom
	item  Listed
}

// join makes one loom of its projects.
func join(parts []part, dir string) Listed {
	loom := parts[0].item
	loom.Project = ofFolder(parts, dir).entry.Project
	for _, p := range parts[1:] {
		loom.Health = worse(loom.Health, p.item.Health)
		loom.State = together(loom.State, p.item.State)
		loom.Ports = slices.Concat(loom.Ports, p.item.Ports)
		loom.Projects = append(loom.Projects, p.item.Projects...)
		loom.Running += p.item.Running
		loom.Containers += p.item.Containers
		loom.Known = loom.Known || p.item.Known
		if !loom.Held {
			loom.Held, loom.HeldUntil = p.item.Held, p.item.HeldUntil
		}
	}
	return loom
}

// ofFolder is the project whose folder is nearest to dir, otherwise the oldest.
func ofFolder(parts []part, dir string) part {
	found := parts[0]
	at := ""
	for _, p := range parts {
		for _, folder := range []string{p.entry.Dir, p.entry.Workspace} {
			if folder != "" && len(folder) > len(at) && dir != "" && host.IsBelow(dir, filepath.Clean(folder)) {
				found, at = p, folder
			}
		}
	}
	return found
}

// together is the state of two projects as one: a project without containers does not count beside one that has some.
func together(a, b string) string {
	switch {
	case a == b, b == "down":
		return a
	case a == "down":
		return b
	case a == "running", b == "running", a == "partial", b == "partial":
		return "partial"
	}
	return "stopped" // one is stopped, the other created
}

package plan

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// SharedDataError says that two looms in one folder would write the same data.
type SharedDataError struct {
	Service, Source, Other string
}

// Error names the service and the folder it writes to.
func (e *SharedDataError) Error() string {
	return fmt.Sprintf("service %s writes data to %s, which loom %s in this folder uses too", e.Service, e.Source, e.Other)
}

// NextStep says what the user does next.
func (*SharedDataError) NextStep() string {
	return "give this loom a work tree of its own: docker loom up ID --worktree"
}

// boundFolder is a folder of the work tree that a service may write.
type boundFolder struct{ service, source, target string }

// holdsData reports whether the folder is mounted where databases keep their data. Such a folder may have a tracked
// .gitignore, so git alone cannot decide.
func (b boundFolder) holdsData() bool {
	return strings.HasPrefix(b.target, "/var/lib/") || strings.HasPrefix(b.target, "/data")
}

// refuseSharedData returns an error if two looms in one folder would write the same data: another loom uses the
// project's folder, or plain docker compose runs there, and a service writes a folder of the work tree that holds data.
// Data is what git does not track; without git, what is mounted where databases keep their data.
func (m *maker) refuseSharedData() error {
	m.noteOwner()
	if m.facts.Target.Making != nil {
		return nil
	}
	other := m.otherInFolder()
	if other == "" {
		return nil
	}
	git := m.facts.Target.Git
	folders := m.boundFolders()
	i := slices.IndexFunc(folders, func(b boundFolder) bool {
		switch {
		case git == nil:
			return b.holdsData()
		case b.source == git.WorkTree:
			return false
		}
		return !m.tracked(b.source) || b.holdsData()
	})
	if i < 0 || len(m.needs.Tracked) > 0 {
		return nil
	}
	return &SharedDataError{Service: folders[i].service, Source: folders[i].source, Other: other}
}

func (m *maker) boundFolders() []boundFolder {
	var folders []boundFolder
	for _, name := range m.base.Project.ServiceNames() {
		for _, v := range m.base.Project.Services[name].Volumes {
			rel, err := filepath.Rel(m.WorkTree, v.Source)
			if v.Type == types.VolumeTypeBind && !v.ReadOnly && err == nil && filepath.IsLocal(rel) {
				folders = append(folders, boundFolder{name, v.Source, v.Target})
			}
		}
	}
	return folders
}

// tracked reports whether git tracks the path, as the facts have it.
func (m *maker) tracked(path string) bool {
	tracked, known := m.facts.Tracked[path]
	if !known {
		m.needs.Tracked = append(m.needs.Tracked, path)
	}
	return tracked
}

// otherInFolder returns another loom that uses the project's folder, "" if there is none.
func (m *maker) otherInFolder() string {
	dir := m.facts.Found.Dir
	if owner := m.facts.State.FilesOwner(dir); owner != nil && !m.Entry.Files && !m.IsPlain() {
		return owner.ID
	}
	for _, c := range m.facts.Engine.Containers {
		if c.Project != "" && c.Labels[stack.LabelWorkingDir] == dir && c.Project != m.Entry.Project {
			return cmp.Or(c.Labels[engine.LabelLoom], identity.Main)
		}
	}
	return ""
}

// moveVariables decides which port variables the block in .env sets, so that other uses of them follow the port. The
// others keep their value, and a finding says why. The bases of moved variables go into the registry: later the shell
// may have a leased port in the variable, which must not be taken for the base.
func (m *maker) moveVariables() error {
	if m.IsPlain() {
		return nil
	}
	reads := m.base.ReadsDotEnv()
	bases, kept := map[string]string{}, map[string]string{}
	for _, v := range m.base.Variables {
		switch {
		case v.Ours():
		case v.Entangled != "":
			kept[v.Name] = "it is used in " + v.Entangled + " too"
		case len(reads) > 0:
			kept[v.Name] = "service " + reads[0] + " gets it through env_file: .env"
		}
		if m.Base.Moves[v.Name] = kept[v.Name] == ""; m.Base.Moves[v.Name] {
			bases[v.Name] = v.Published
		}
	}
	for _, v := range m.base.Variables {
		why := kept[v.Name]
		if why == "" {
			continue
		}
		delete(kept, v.Name)
		by := "by the override alone"
		if names := m.Base.variablesOf(v.Service, v.Port()); len(names) > 0 {
			by = "by " + names[0]
		}
		m.find(finding.Finding{
			Level: finding.Info, Subject: "variable " + v.Name,
			Message: why + ": it keeps its value, and port " + v.Published + " of service " + v.Service + " moves " + by,
		})
	}
	m.Entry.Variables = nil
	if len(bases) > 0 {
		m.Entry.Variables = bases
	}
	return nil
}

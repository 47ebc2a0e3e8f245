package plan

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/survey"
)

// Identify decides the loom's entry in the registry, except its leases. The important part is the name of its Compose
// project, which the project is loaded with. For main it is empty: Compose chooses the name.
func Identify(f *survey.Facts, c Choices) (registry.Loom, error) {
	if !f.Settings.Container.Enabled {
		return registry.Loom{}, &DisabledError{f.Settings.Files}
	}
	if f.DevErr != nil {
		return registry.Loom{}, f.DevErr
	}
	t := f.Target
	var e registry.Loom
	if t.Known != nil {
		e = *t.Known.Clone()
		if t.Known.Space != "" && t.Known.Space != f.Space {
			// The leases are of another engine's host, and say nothing about this one.
			e.Ports, e.Subnets = nil, nil
		}
	} else if any := t.Any(); any != nil {
		e.Join(any)
	}
	if t.ID == identity.Main {
		// The name is chosen again each time: by docker compose, or for a dev container as the reference CLI does.
		e.Project = ""
		if f.Dev != nil {
			e.Project = f.Dev.DerivedProject
		}
	}
	if c.Config != "" {
		e.DevContainer = c.Config
	}
	if now := ConfinementOf(t); now != nil {
		confined := *now
		confined.Image = cmp.Or(c.SidecarImage, now.Image)
		e.Confined = &confined
	}
	e.ID, e.Repository, e.WorkTree, e.Dir, e.Space = t.ID, t.Repository, t.WorkTree, f.Found.Dir, f.Space
	e.Workspace = workspaceOf(f)
	e.Inherit(f.State, f.Written)
	if identity.IsPullRequest(t.ID) {
		e.Untrusted, e.Origin = true, cmp.Or(e.Origin, registry.FromPullRequest(t.ID))
	}
	if c.Offset != nil {
		if e.Pinned = true; len(e.Ports) > 0 && e.Offset != *c.Offset {
			e.Ports = nil
		}
		e.Offset = *c.Offset
	}
	if err := chooseProject(f, &e); err != nil {
		return registry.Loom{}, err
	}
	e.Files = ownsFiles(f, &e)
	return e, nil
}

// isPlain reports whether a loom is main as docker compose up would make it.
func isPlain(e *registry.Loom) bool { return e.ID == identity.Main && !e.Pinned }

// chooseProject keeps the project name that the loom has, or chooses one that nobody else has.
func chooseProject(f *survey.Facts, e *registry.Loom) error {
	if e.Project != "" || e.ID == identity.Main {
		return nil
	}
	if name := derivedProject(f, e); name != "" {
		e.Project = name
		return nil
	}
	n := naming(f, e)
	for _, n.Crowded = range []identity.Crowded{false, true} {
		name, err := identity.ProjectName(n)
		if err != nil {
			return err
		}
		if n.Format != "" && bool(n.Crowded) {
			name += "-" + identity.ShortHash(strings.TrimSuffix(e.Repository+"\x00"+e.ID+"\x00"+n.Path, "\x00"))
		}
		e.Project = name
		taken := f.State.ByProject(name) != nil || slices.Contains(f.Target.Foreign, name)
		if !taken && (bool(n.Crowded) || !sharesName(f.State, e.Repository) && !readsLikeAnother(f.State, e.Repository, n)) {
			return nil
		}
	}
	return nil
}

// sharesName reports whether another repository has looms under this one's name.
func sharesName(state *registry.State, repository string) bool {
	return slices.ContainsFunc(state.Looms, func(k *registry.Loom) bool {
		return k.Repository != repository && filepath.Base(k.Repository) == filepath.Base(repository) && k.ID != identity.Main
	})
}

// derivedProject returns the project name of a loom whose .env must not be written: the name that the reference CLI
// derives, if nobody else has it.
func derivedProject(f *survey.Facts, e *registry.Loom) string {
	d := f.Dev
	if d == nil || d.DerivedProject == "" || !f.Tracked[d.DotEnv] && !f.Links[d.DotEnv] {
		return ""
	}
	if other := f.State.ByProject(d.DerivedProject); other != nil && other != f.State.ProjectOf(e) {
		return ""
	}
	return d.DerivedProject
}

// filesOwner returns the other loom that owns the generated files of the folder, nil if they are this loom's. The first
// loom of a folder owns them.
func filesOwner(f *survey.Facts, e *registry.Loom) *registry.Loom {
	owner := f.State.FilesOwner(f.Found.Dir)
	if f.Target.Making != nil || owner == nil || owner == f.State.ProjectOf(e) {
		return nil
	}
	return owner
}

func ownsFiles(f *survey.Facts, e *registry.Loom) bool { return !isPlain(e) && filesOwner(f, e) == nil }

// noteOwner adds a finding if the folder's files are another loom's.
func (m *maker) noteOwner() {
	if owner := filesOwner(m.facts, &m.Entry); owner != nil && !m.IsPlain() {
		m.Notes = append(m.Notes, fmt.Sprintf(
			"the generated files of %s belong to loom %s: "+
				"loom %s runs from memory, and plain docker compose there does not see it",
			m.facts.Found.Dir, owner.ID, m.ID))
	}
}

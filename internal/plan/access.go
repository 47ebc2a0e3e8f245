package plan

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/overrides"
)

// Reserved are names and labels of docker loom's own.
var Reserved = trust.Reserved{
	Sidecar: EgressService, Outer: EgressOuter, Sandbox: sandbox.ServiceName(sandbox.DefaultAgent),
	Labels: []string{engine.LabelLoom, engine.LabelRepo, survey.LabelBuild},
}

// listAccess lists what the project asks of the host, and the other files that decide what up does.
func (m *maker) listAccess() error {
	requested := m.requested()
	own := trust.Folders{Tree: m.WorkTree, Git: m.facts.Target.CommonDir()}
	reads := m.base.Reads()
	access := trust.HostAccess(requested, m.real, own, reads)
	access = append(access, Reserved.InProject(requested)...)
	access = append(access, Reserved.InFiles(m.base.Project)...)
	access = append(access, trust.PublishedBeyondLoopback(m.Project, EgressService)...)
	access = append(access, m.facts.PolicyAccess...)
	access = append(access, m.facts.Includes...)
	m.Obeyed = slices.Clone(m.facts.Settings.Files)
	if d := m.facts.Dev; d != nil {
		base := m.devBase()
		build := &types.Project{Services: types.Services{base.Name: base}}
		access = append(access, trust.HostAccess(build, m.real, own, reads)...)
		for _, name := range slices.Sorted(maps.Keys(d.UserVariables)) {
			access = append(access, trust.ReadsVariable+name)
		}
		m.Obeyed = append(m.Obeyed, d.Place.Path)
		if c := d.Config.InitializeCommand; c != nil {
			access = append(access, trust.RunsOnHost(*c))
		}
	}
	for _, s := range m.Project.Services {
		if s.Build != nil && s.Build.Dockerfile != "" && s.Build.DockerfileInline == "" {
			m.Obeyed = append(m.Obeyed, filepath.Join(s.Build.Context, s.Build.Dockerfile))
		}
	}
	access = m.facts.WithoutUnset(access)
	slices.Sort(access)
	m.Access = slices.Compact(access)
	slices.Sort(m.Obeyed)
	return nil
}

// DryRunFindings returns the findings about steps that a dry run leaves out.
func (p *Plan) DryRunFindings(f *survey.Facts) []finding.Finding {
	if f.Dev == nil || f.Dev.Config.InitializeCommand == nil {
		return nil
	}
	return []finding.Finding{{
		Level: finding.Info, Subject: "file " + filepath.Base(f.Dev.Place.Path),
		Message: "initializeCommand is not run for a plan: what it writes is as it was",
	}}
}

// requested returns the project as its files ask for it, without the mounts that confinement adds.
func (m *maker) requested() *types.Project {
	return m.withoutDevLabels(withoutGuards(m.Project, m.edits))
}

func withoutGuards(of *types.Project, edits []overrides.Edit) *types.Project {
	project := *of
	project.Services = maps.Clone(of.Services)
	for _, e := range edits {
		guard, ok := e.(overrides.ProtectMounts)
		s, there := project.Services[guard.Service]
		if !ok || !there {
			continue
		}
		s.Volumes = slices.DeleteFunc(slices.Clone(s.Volumes), func(v types.ServiceVolumeConfig) bool {
			return slices.ContainsFunc(guard.Added, func(o types.ServiceVolumeConfig) bool { return o.Target == v.Target })
		})
		project.Services[guard.Service] = s
	}
	delete(project.Services, EgressService)
	return &project
}

// withoutDevLabels returns the project without the labels by which tools find the dev container: docker loom says
// what is in them.
func (m *maker) withoutDevLabels(of *types.Project) *types.Project {
	if m.Dev == nil {
		return of
	}
	project := *of
	project.Services = maps.Clone(of.Services)
	s, there := project.Services[m.Dev.Service]
	if !there {
		return of
	}
	s.Labels = maps.Clone(s.Labels)
	for _, name := range []string{
		devcontainer.LabelLocalFolder, devcontainer.LabelConfigFile, devcontainer.LabelMetadata,
	} {
		if s.Labels[name] == m.compiled.Service.Labels[name] {
			delete(s.Labels, name)
		}
	}
	project.Services[m.Dev.Service] = s
	return &project
}

package plan

import (
	"maps"
	"path/filepath"
	"regexp"
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
	requested, mask := m.requested(), maskOf(m.facts)
	own := trust.Folders{Tree: m.WorkTree, Git: m.facts.Target.CommonDir()}
	access := trust.HostAccess(requested, m.real, own, mask)
	access = append(access, trust.EnvFiles(m.base.Project, m.real, own, mask)...)
	access = append(access, trust.Variables(m.base.Reads())...)
	access = append(access, Reserved.InProject(requested)...)
	access = append(access, Reserved.InFiles(m.withoutDevLabels(m.base.Project))...)
	access = append(access, trust.PublishedBeyondLoopback(m.Project, EgressService)...)
	access = append(access, m.facts.PolicyAccess...)
	access = append(access, m.facts.Includes...)
	m.Obeyed = slices.Clone(m.facts.Settings.Files)
	if d := m.facts.Dev; d != nil {
		base := m.devBase()
		build := &types.Project{Name: m.base.Project.Name, Services: types.Services{base.Name: base}}
		access = append(access, trust.HostAccess(build, m.real, own, mask)...)
		access = append(access, trust.Variables(d.UserVariables)...)
		fields, err := trust.DevContainer(d.Read.Raw)
		if err != nil {
			return err
		}
		access = append(access, fields...)
		m.Obeyed = append(m.Obeyed, d.Place.Path)
		if c := d.Read.InitializeCommand; c != nil {
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

// maskOf hides the values of the user's variables that the files use. A variable that .env names too is the file's:
// many shells load it, and whoever writes the file could give it another value. Its value stays in what is recorded.
func maskOf(f *survey.Facts) trust.Mask {
	values, files := map[string]string{}, [][]byte{f.DotEnv}
	names := slices.Collect(maps.Keys(f.Base.Reads()))
	if d := f.Dev; d != nil {
		names = slices.AppendSeq(names, maps.Keys(d.UserVariables))
		files = append(files, d.DotEnvText)
	}
	for _, name := range names {
		value, set := f.Host.LookupEnv(name)
		if set && !slices.ContainsFunc(files, func(text []byte) bool { return setsVariable(text, name) }) {
			values[name] = value
		}
	}
	return trust.NewMask(values)
}

// setsVariable reports whether the text of a .env may set a variable, whichever of its dialects is read.
func setsVariable(text []byte, name string) bool {
	before := regexp.MustCompile(`(?:^|\W)` + regexp.QuoteMeta(name) + `\s*[=:]`)
	return before.Match(text)
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

// requested returns the project as its files ask for it, without what confinement adds. What the loom's projects share
// is its own.
func (m *maker) requested() *types.Project {
	return m.withoutDevLabels(withoutGuards(m.Project, m.edits))
}

func withoutGuards(of *types.Project, edits []overrides.Edit) *types.Project {
	project := *of
	project.Services, project.Networks = maps.Clone(of.Services), maps.Clone(of.Networks)
	project.Volumes = maps.Clone(of.Volumes)
	for _, e := range edits {
		if join, ok := e.(overrides.Join); ok {
			asOwn(&project, join)
		}
		if isolated, ok := e.(overrides.Isolated); ok {
			project.Networks[isolated.Network] = isolated.Was
		}
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
	delete(project.Networks, EgressOuter)
	return &project
}

// asOwn shows what another project of the loom makes as the project's own: it is the loom's.
func asOwn(project *types.Project, join overrides.Join) {
	own := project.Name + "_" + join.Key
	if join.Kind == "networks" {
		project.Networks[join.Key] = types.NetworkConfig{Name: own}
	} else {
		project.Volumes[join.Key] = types.VolumeConfig{Name: own}
	}
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
		devcontainer.LabelLocalFolder, devcontainer.LabelConfigFile, devcontainer.LabelMetadata, survey.LabelBuild,
	} {
		if s.Labels[name] == m.compiled.Service.Labels[name] {
			delete(s.Labels, name)
		}
	}
	project.Services[m.Dev.Service] = s
	return &project
}

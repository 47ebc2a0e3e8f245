package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/devbox"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/overrides"
)

// LabelImage is the label with the image name that the files give a dev container, if the loom's image has another.
const LabelImage = "ai.iloom.image"

// develop puts the dev container into the base project.
func (m *maker) develop() error {
	d := m.facts.Dev
	if d == nil {
		return nil
	}
	m.findMissingImages()
	m.Dev = &DevContainer{
		Service: d.Service, Path: d.Place.Path, IDLabels: d.Read.IDLabels(), NameInFiles: d.Base.NameInFiles,
	}
	if c := d.Container; c != nil {
		m.Dev.ContainerID, m.Dev.LentImage = c.ID, c.ImageID
	}
	if err := m.extend(m.base.Project); err != nil {
		return err
	}
	if m.ID == identity.Main {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m.compiled.Volumes)) {
		v := m.compiled.Volumes[key]
		if !bool(v.External) && !slices.Contains(m.facts.Settings.Container.Share, key) {
			m.find(finding.Finding{
				Level: finding.Info, Subject: "volume " + key,
				Message: "of mounts in " + filepath.Base(d.Place.Path) + " is the loom's own",
				Remedy:  "name it in container.share to have one for all looms",
			})
		}
	}
	return nil
}

// findMissingImages adds a finding for each image and feature that the plan lacks, because it is not there yet.
func (m *maker) findMissingImages() {
	d := m.facts.Dev
	if d.Base.Info.ID == "" {
		m.find(finding.Finding{
			Level: finding.Info, Subject: "image " + d.Base.Ref, Message: "is not here yet: the plan does without what it says",
			Remedy: "docker loom up " + m.ID + " brings it",
		})
	}
	if d.FeaturesErr != nil {
		m.find(finding.Finding{
			Level: finding.Info, Subject: "features",
			Message: "are not known yet, the plan does without them: " + d.FeaturesErr.Error(),
		})
	}
	if d.Install != nil && d.Installed.Info.ID == "" {
		m.find(finding.Finding{Level: finding.Info, Subject: "image " + d.Installed.Ref, Message: "is not built yet"})
	}
}

// extend adds the dev container to a loaded project: the base, or the one with moved variables.
func (m *maker) extend(project *types.Project) error {
	compiled, findings, err := m.facts.Dev.Compile(project)
	if err != nil {
		return err
	}
	m.devBuild = project.AllServices()[m.facts.Dev.Base.Service.Name].Build
	if m.compiled == nil {
		m.Findings = append(m.Findings, findings...)
	}
	m.compiled, m.Dev.Compiled = compiled, compiled
	c := devcontainer.ReadConfiguration(m.facts.Dev.Config, m.facts.Dev.Workspace, compiled.Merged)
	m.Dev.Configuration = &c
	m.devEdits = devEdits(m.facts.Dev.Service, compiled, project)
	overrides.Apply(project, m.devEdits)
	return nil
}

// devEdits returns the edits that add the compiled dev container to the project.
func devEdits(service string, compiled *compile.Compiled, project *types.Project) []overrides.Edit {
	var edits []overrides.Edit
	all := project.AllServices()
	if was, ok := all[service]; ok {
		edits = append(edits, overrides.Extend{Was: was, Is: compiled.Service, Volumes: compiled.Volumes})
	} else {
		edits = append(edits, overrides.AddService{
			Service: compiled.Service, Volumes: compiled.Volumes, Networks: compiled.Networks,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(compiled.Others)) {
		edits = append(edits, overrides.Extend{Was: all[name], Is: compiled.Others[name]})
	}
	return edits
}

// finishDev removes the services that the devcontainer.json does not start, and completes the dev container's service.
func (m *maker) finishDev() error {
	d := m.facts.Dev
	if run := m.compiled.RunServices; len(run) > 0 {
		var err error
		m.Project, err = m.Project.WithSelectedServices(append(slices.Clone(run), m.choices.Services...))
		if err != nil {
			return fmt.Errorf("%s: runServices: %w", d.Place.Path, err)
		}
	}
	s, ok := m.Project.Services[d.Service]
	if !ok {
		return nil
	}
	s.CustomLabels = maps.Clone(s.CustomLabels)
	s.CustomLabels[engine.LabelDevContainer] = m.devLabel().String()
	if d.Base.NameInFiles != "" {
		s.CustomLabels[LabelImage] = d.Base.NameInFiles
	}
	if m.compiled.UID.Needed && (d.Base.Outdated || m.choices.Build) {
		// The image below the UID step has changed, so the step must run again.
		s.PullPolicy = types.PullPolicyBuild
	}
	m.Project.Services[d.Service] = s
	return nil
}

// devLabel returns the content of the dev container's label.
func (m *maker) devLabel() devbox.Label {
	return devbox.Label{
		RemoteUser: m.compiled.RemoteUser, WorkspaceFolder: m.compiled.WorkspaceFolder,
		KeyHashes: m.facts.Dev.KeyHashes(),
	}
}

// whyRecreated returns the reason why the dev container will be recreated, "" if it stays. The reason is a change of
// its files.
func (m *maker) whyRecreated() string {
	d := m.facts.Dev
	if d == nil || d.Container == nil {
		return ""
	}
	service, ok := m.Project.Services[d.Service]
	if !ok {
		return ""
	}
	have := *d.Container
	hash, err := stack.ServiceHash(service)
	if err != nil || have.Labels[stack.LabelConfigHash] == hash && !d.Base.Outdated {
		return ""
	}
	var was devbox.Label
	if text := have.Labels[engine.LabelDevContainer]; text == "" || json.Unmarshal([]byte(text), &was) != nil {
		return "its files have changed"
	}
	return whatChanged(d, was.KeyHashes, m.devLabel().KeyHashes)
}

// whatChanged names the keys whose values have changed.
func whatChanged(d *survey.DevContainer, was, now map[string]string) string {
	keys := maps.Clone(was)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, now)
	var changed []string
	dockerfile := false
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch {
		case was[key] == now[key]:
		case key == "Dockerfile":
			dockerfile = true
		default:
			changed = append(changed, key)
		}
	}
	var why []string
	if len(changed) > 0 {
		why = append(why, fmt.Sprintf("%s changed (%s)", filepath.Base(d.Place.Path), strings.Join(changed, ", ")))
	}
	if dockerfile && !slices.Contains(changed, "build") {
		why = append(why, "the Dockerfile changed")
	}
	if len(why) == 0 {
		why = append(why, "the compose files, the image or the ports changed")
	}
	return strings.Join(why, " and ")
}

// IsForwarded reports whether the devcontainer.json forwards a port.
func (d *DevContainer) IsForwarded(service string, target int) bool {
	return d != nil && slices.ContainsFunc(d.Compiled.Forwards, func(f compile.Forward) bool {
		return f.Service == service && f.Port == target
	})
}

// MayBeSilent reports whether a port may have no listener yet: in a dev container the user starts the program that
// listens.
func (d *DevContainer) MayBeSilent(service string, target int) bool {
	return d != nil && (service == d.Service || d.IsForwarded(service, target))
}

// PortAttributes are what portsAttributes say of a port.
func (d *DevContainer) PortAttributes(service string, target int) devcontainer.PortAttributes {
	if d == nil {
		return devcontainer.PortAttributes{}
	}
	name := ""
	for _, f := range d.Compiled.Forwards {
		if f.Service == service && f.Port == target {
			name = f.Host
		}
	}
	if name == "" && service != d.Service && !d.IsForwarded(service, target) {
		name = service
	}
	return d.Compiled.Merged.Attributes(name, target, "")
}

// ReadConfiguration is what the reference CLI's read-configuration prints of the plan's dev container, nil if there is
// none.
func (p *Plan) ReadConfiguration() *devcontainer.Configuration {
	if p.Dev == nil {
		return nil
	}
	return p.Dev.Configuration
}

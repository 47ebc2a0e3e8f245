package plan

import (
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// isolate plans the edits, the block and the files.
func (m *maker) isolate() error {
	m.model = m.base
	programs{m}.decidePorts()
	if !m.IsPlain() {
		if err := m.edit(); err != nil {
			return err
		}
	}
	m.findExported()
	paths := m.facts.Found.Paths
	for _, file := range m.Files {
		if file.Path != m.facts.Found.DotEnv() && file.Content != nil {
			paths = append(slices.Clone(paths), file.Path)
		}
	}
	if err := m.enableServices(); err != nil {
		return err
	}
	labels := CustomLabels(m.Plan)
	labels[engine.LabelVersion] = m.choices.Version
	project, err := m.model.Finish(paths, labels)
	if err != nil {
		return err
	}
	if err := stack.RecordHooks(project); err != nil {
		return err
	}
	m.Project = project
	if m.facts.Dev != nil {
		if err := m.finishDev(); err != nil {
			return err
		}
	}
	if m.choices.FromMemory {
		m.Memory, err = m.fromMemory()
	}
	for _, e := range m.edits {
		m.Edits = append(m.Edits, fmt.Sprint(e))
	}
	return err
}

// keepBase stores the project, as the files say it, in the plan.
func (m *maker) keepBase() {
	found := m.facts.Found
	m.Base = Base{
		Project: m.base.Project, Dir: found.Dir, Dockerfile: found.Dockerfile, Paths: found.Paths, DotEnv: found.DotEnv(),
		EnvFiles: found.EnvFiles, Profiles: found.Profiles, Env: found.Env,
		Variables: m.base.Variables, Uses: m.base.Uses, Moves: map[string]bool{},
	}
}

// edit makes the edits and decides the files. A plain main has neither.
func (m *maker) edit() error {
	named := overrides.PortVars(m.base.Project, m.Entry.Ports, m.Base.variablesOf)
	dotEnv := m.facts.Found.DotEnv()
	named = append(named, programs{m}.dotEnvVars(dotEnv, m.facts.DotEnv, named)...)
	if err := m.shift(named); err != nil {
		return err
	}
	m.Env = append(m.Env, overrides.Var{Name: "COMPOSE_PROJECT_NAME", Value: m.Entry.Project})
	m.Env = append(m.Env, overrides.Var{Name: "ILOOM_LOOM", Value: m.ID})
	m.Env = append(m.Env, named...)

	m.edits = slices.Clone(m.devEdits)
	edits, findings := overrides.Plan(m.model.Project, m.input())
	m.edits, m.Findings = append(m.edits, edits...), append(m.Findings, findings...)
	overrides.Apply(m.model.Project, edits)
	keepWorkTrees(m)
	if err := m.confine(); err != nil {
		return err
	}
	if err := m.decideFiles(); err != nil {
		return err
	}
	m.useBlock()
	return nil
}

// shift compiles the project again with the leased values of the variables, if files use them in other places than
// ports.
func (m *maker) shift(named []overrides.Var) error {
	vars := map[string]string{"ILOOM_LOOM": m.ID}
	elsewhere := false
	for _, v := range named {
		vars[v.Name] = v.Value
		elsewhere = elsewhere || m.base.Uses[v.Name]
	}
	if !elsewhere {
		var err error
		m.model, err = copyModel(m.base)
		return err
	}
	var err error
	if m.model, err = m.base.Recompile(m.Entry.Project, vars); err != nil || m.facts.Dev == nil {
		return err
	}
	return m.extend(m.model.Project)
}

func (m *maker) input() overrides.Input {
	set, sharing := m.facts.Settings.Container, m.shared.input()
	in := overrides.Input{
		Labels:    map[string]string{engine.LabelLoom: m.ID, engine.LabelRepo: m.Repository},
		Base:      sharing.Base,
		Leases:    m.Entry.Ports,
		Beside:    besideLeases(m.facts.State, &m.Entry),
		Ports:     map[string][]types.ServicePortConfig{},
		Subnets:   registry.Prefixes(m.Entry.Subnets),
		Share:     sharing.Share,
		Isolate:   sharing.Isolate,
		Join:      sharing.Join,
		PortsOnly: m.ID == identity.Main,
		Dir:       m.WorkTree,

		From:          m.facts.From,
		NamedContexts: m.facts.Engine.NamedContexts,

		Common: m.facts.Target.CommonDir(),

		RewriteLocalhost: set.RewriteLocalhost,
		PageHost:         m.facts.Host.Names.Browser(),
		Vars:             m.Env,
		Texts:            m.facts.Texts,
	}
	for name, s := range m.base.Project.AllServices() {
		in.Ports[name] = s.Ports
	}
	return in
}

// CustomLabels are the labels of a loom's containers that Compose does not hash.
func CustomLabels(p *Plan) map[string]string {
	labels := map[string]string{engine.LabelWorkTree: p.WorkTree, engine.LabelOffset: fmt.Sprint(p.Entry.Offset)}
	if p.ID == identity.Main {
		// main has no labels in its services: its hashes must be those of plain docker compose.
		labels[engine.LabelLoom], labels[engine.LabelRepo] = p.ID, p.Repository
	}
	return labels
}

// checkServices returns an error for a service that the user named and the files do not have. It runs before anything
// is leased.
func (m *maker) checkServices() error {
	for _, name := range m.choices.Services {
		if !stack.HasService(m.base.Project, name) {
			return &NoServiceError{Service: name, Loom: m.ID}
		}
	}
	return nil
}

// enableServices switches on the profiles of the services that the user named.
func (m *maker) enableServices() error {
	if len(m.choices.Services) == 0 {
		return nil
	}
	project, err := m.model.Project.WithServicesEnabled(m.choices.Services...)
	if err == nil {
		m.model.Project = project
	}
	return err
}

// findExported warns of variables in the user's shell that override the block in .env.
func (m *maker) findExported() {
	for _, v := range m.Env {
		if v.Name != "COMPOSE_PROJECT_NAME" && v.Name != "COMPOSE_FILE" {
			continue
		}
		if have, ok := m.facts.Host.LookupEnv(v.Name); ok && have != v.Value {
			m.find(finding.Finding{
				Level: finding.Warning, Subject: "variable " + v.Name,
				Message: "is exported as " + have +
					", which beats .env: plain docker compose in this shell acts on another project",
				Remedy: "unset " + v.Name,
			})
		}
	}
}

// fromMemory returns an override that makes the loom as planned, whatever generated files are on the disk. Without base
// files it is the whole project.
func (m *maker) fromMemory() ([]byte, error) {
	if len(m.Base.Paths) == 0 {
		return overrides.Whole(m.Project, m.Name())
	}
	edits := slices.Clone(m.edits)
	if m.IsPlain() {
		edits = slices.Clone(m.devEdits)
	}
	for _, name := range m.base.ReadsDotEnv() {
		if s, ok := m.Project.Services[name]; ok {
			edits = append(edits, environment{service: name, values: s.Environment})
		}
	}
	return overrides.Render(m.Project, m.Name(), edits)
}

// environment is an edit that sets a service's whole environment: its env_file may be a .env with another loom's block.
type environment struct {
	service string
	values  types.MappingWithEquals
}

// Apply does nothing: the project has its environment.
func (e environment) Apply(*types.Project) {}

// Render writes the environment in place of the one that the files give.
func (e environment) Render(d *overrides.Document) {
	d.Set(e.values, "!override", "services", e.service, "environment")
	d.Reset("services", e.service, "env_file")
}

// String names the service.
func (e environment) String() string { return fmt.Sprintf("service %s: environment", e.service) }

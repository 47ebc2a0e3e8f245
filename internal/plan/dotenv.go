package plan

import (
	"slices"
	"strconv"

	"github.com/docker-loom/docker-loom/internal/dotenv"
	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/overrides"
)

// programs decides what programs on the host are told.
type programs struct{ *maker }

// decidePorts decides how programs name the loom's ports. Those of the plain main stay.
func (m programs) decidePorts() {
	if m.IsPlain() {
		return
	}
	names := m.facts.Host.Names
	m.Programs = endpoint.Moved{
		Ports:   overrides.MovedPorts(m.Entry.Ports, besideLeases(m.facts.State, &m.Entry)),
		Browser: names.Browser(), Schemes: true,
	}
	if !m.facts.Host.Local {
		m.Programs.Machine = names.Host
	}
}

// dotEnvVars are the user's variables of a .env that name a moved port of this host, as its block gives them: if the
// settings ask for it. given are those that the block has already. A number that the project's files use too may mean a
// port inside containers: it stays.
func (m programs) dotEnvVars(path string, text []byte, given []overrides.Var) []overrides.Var {
	if !m.Settings.Container.RewriteLocalhost || m.facts.Tracked[path] || m.facts.Links[path] {
		return nil
	}
	values := dotenv.Values{}
	if err := values.Read(overrides.Cut(text), m.Base.Env.Resolve); err != nil {
		return nil // Compose cannot read it either, and says so if it has to.
	}
	moved := values.Moved(m.Programs)
	var vars []overrides.Var
	for _, name := range moved.Names() {
		_, err := strconv.Atoi(moved[name])
		_, ok := overrides.Quote(moved[name])
		isGiven := slices.ContainsFunc(given, func(v overrides.Var) bool { return v.Name == name })
		if ok && !isGiven && (err != nil || !m.Base.Uses[name] && !m.givesPort(name)) {
			vars = append(vars, overrides.Var{Name: name, Value: moved[name]})
		}
	}
	return vars
}

// givesPort reports whether the variable gives a published port.
func (m programs) givesPort(name string) bool { _, ok := m.Base.Moves[name]; return ok }

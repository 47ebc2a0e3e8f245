package inside

import (
	"path"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/overrides"
)

// environ makes one list of the variables of a loom's projects.
type environ struct {
	projects []projectEnv
	// own says that the first project is meant: its variables are what they are, whatever the others have.
	own bool
}

// env joins the variables. The other projects give those that tell their ports: a name that no other project has is as
// it is, any other carries the project's folder. If no project is meant, each also gives the variables of its files
// that no other gives another value. COMPOSE_PROJECT_NAME and PORT are about one project, and left out then.
func (e environ) env(id string) *Env {
	all := &Env{Loom: id}
	taken := map[string]bool{}
	add := func(v overrides.Var) {
		taken[v.Name] = true
		all.Vars = append(all.Vars, v)
	}
	for i, p := range e.projects {
		for _, file := range p.watch {
			if !slices.Contains(all.Watch, file) {
				all.Watch = append(all.Watch, file)
			}
		}
		for _, v := range p.vars {
			if e.isOwn(i) || isPort(v) && !e.isShared(i, v.Name) || e.isOfAll(v) && !taken[v.Name] {
				add(v)
			}
		}
	}
	for i, p := range e.projects {
		for _, v := range p.vars {
			if e.isOwn(i) || !isPort(v) || !e.isShared(i, v.Name) {
				continue
			}
			for _, folder := range e.foldersOf(i) {
				if name := withFolder(v.Name, folder); !taken[name] {
					add(overrides.Var{Name: name, Value: v.Value})
					break
				}
			}
		}
	}
	return all
}

// isOwn reports whether a project is meant.
func (e environ) isOwn(i int) bool { return e.own && i == 0 }

// foldersOf are what a variable's name can have of a project's folder: its last part, unless another project's folder
// ends alike, otherwise all of it.
func (e environ) foldersOf(of int) []string {
	folder := e.projects[of].folder
	last := path.Base(folder)
	for i, p := range e.projects {
		if i != of && variablePart(path.Base(p.folder)) == variablePart(last) {
			return []string{folder}
		}
	}
	return []string{last, folder}
}

// isShared reports whether another project has a variable of this name.
func (e environ) isShared(of int, name string) bool {
	for i, p := range e.projects {
		if i != of && slices.ContainsFunc(p.vars, func(v overrides.Var) bool { return v.Name == name }) {
			return true
		}
	}
	return false
}

// isOfAll reports whether a variable that tells no port is about all of the loom: no project has another value of it.
func (e environ) isOfAll(v overrides.Var) bool {
	if e.own || isPort(v) || v.Name == "COMPOSE_PROJECT_NAME" || v.Name == "PORT" {
		return false
	}
	for _, p := range e.projects {
		if slices.ContainsFunc(p.vars, func(o overrides.Var) bool { return o.Name == v.Name && o.Value != v.Value }) {
			return false
		}
	}
	return true
}

// isPort reports whether a variable tells a host port or its base.
func isPort(v overrides.Var) bool {
	return strings.HasPrefix(v.Name, overrides.PortPrefix) || strings.HasPrefix(v.Name, BasePrefix)
}

// withFolder is the name of a port's variable with a project in it: ILOOM_PORT_API_DB.
func withFolder(name, folder string) string {
	for _, prefix := range []string{overrides.PortPrefix, BasePrefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return prefix + variablePart(folder) + "_" + rest
		}
	}
	return name
}

// variablePart is a text as a part of a variable's name, as overrides names those of services.
func variablePart(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(strings.Trim(text, "/")))
}

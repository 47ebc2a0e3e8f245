package inside

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/dotenv"
	"github.com/docker-loom/docker-loom/internal/endpoint"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/overrides"
)

// programs finds the user's own variables that programs on the host read from .env files, and that name a moved port.
type programs struct {
	*loom.Looms
	plans []*loom.Plan
	// folder is the one that the command is run in.
	folder string
	// own says that the first plan is the project that is meant.
	own bool
}

// addTo adds the variables that are not there yet, and the files that they come from.
func (r programs) addTo(e *Env) {
	values, files := r.read()
	isWatched := func(path string) bool { return slices.Contains(e.Watch, path) }
	e.Watch = append(e.Watch, slices.DeleteFunc(files, isWatched)...)
	moved := values.Moved(r.moved())
	for _, name := range moved.Names() {
		if !slices.ContainsFunc(e.Vars, func(v overrides.Var) bool { return v.Name == name }) {
			e.Vars = append(e.Vars, overrides.Var{Name: name, Value: moved[name]})
		}
	}
	var names []string
	for _, v := range e.Vars {
		if !strings.HasPrefix(v.Name, "ILOOM_") && v.Name != "COMPOSE_PROJECT_NAME" {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		e.Vars = append(e.Vars, overrides.Var{Name: survey.Rewritten, Value: strings.Join(names, " ")})
	}
}

// moved says where the ports went. If no project is meant, a base that leads to several of them stays.
func (r programs) moved() endpoint.Moved {
	m := r.plans[0].Programs
	if r.own {
		return m
	}
	ports := map[int]int{}
	for base, to := range m.Ports {
		isSame := func(p *loom.Plan) bool { return p.Programs.Ports[base] == to }
		if !slices.ContainsFunc(r.plans, func(p *loom.Plan) bool { return !isSame(p) }) {
			ports[base] = to
		}
	}
	m.Ports = ports
	return m
}

// read reads the .env files of the work tree: from its top to the project's folder and to that of the command, the
// nearest last. A work tree without any has those of the main one. If others may have written the work tree, its values
// could make the user's shell run what they like: then those of the main one count.
func (r programs) read() (dotenv.Values, []string) {
	p := r.plans[0]
	if !trust.WrittenByOthers(&p.Entry) {
		if values, files := r.readBelow(p.WorkTree); len(files) > 0 || p.WorkTree == p.Repository {
			return values, files
		}
	} else if p.WorkTree == p.Repository {
		return dotenv.Values{}, nil
	}
	return r.readBelow(p.Repository)
}

func (r programs) readBelow(top string) (values dotenv.Values, files []string) {
	values = dotenv.Values{}
	for _, path := range r.paths(top) {
		text, err := rooted.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = values.Read(overrides.Cut(text), r.plans[0].Base.Env.Resolve)
		}
		if err != nil {
			r.Teller.Sayf("%s is left out: %v", path, tell.FirstLine(err))
			continue
		}
		files = append(files, path)
	}
	return values, files
}

// paths are the .env files of a work tree that programs read, the strongest last. Those of --env-file are named.
func (r programs) paths(top string) []string {
	p := r.plans[0]
	mode := r.Process.Getenv("NODE_ENV")
	if mode == "" || strings.ContainsAny(mode, `/\`) {
		mode = "development"
	}
	folders := folderChain(within(p.WorkTree, p.Base.Dir))
	here := within(p.WorkTree, r.folder)
	if here == "." {
		here = within(p.Repository, r.folder)
	}
	for _, folder := range folderChain(here) {
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	var paths []string
	for _, folder := range folders {
		for _, name := range []string{".env", ".env." + mode, ".env.local", ".env." + mode + ".local"} {
			paths = append(paths, filepath.Join(top, folder, name))
		}
	}
	return append(paths, p.Base.EnvFiles...)
}

// within is a folder's path below top, "." if it is not below.
func within(top, folder string) string {
	if rel, err := filepath.Rel(host.RealPath(top), host.RealPath(folder)); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return "."
}

// folderChain is a path below a folder with all the folders that lead there, "." first.
func folderChain(rel string) []string {
	chain := []string{"."}
	if rel == "." {
		return chain
	}
	at := ""
	for part := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
		at = filepath.Join(at, part)
		chain = append(chain, at)
	}
	return chain
}

// Over returns an environment with the variables. Those of a loom that the shell had before are not in it.
func (e *Env) Over(environ []string) []string {
	replaced := map[string]bool{"ILOOM_LOOM": true, survey.Rewritten: true}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if isPort(overrides.Var{Name: name}) {
			replaced[name] = true
		}
		if name == survey.Rewritten {
			for _, other := range strings.Fields(value) {
				replaced[other] = true
			}
		}
	}
	for _, v := range e.Vars {
		replaced[v.Name] = true
	}
	var list []string
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); !replaced[name] {
			list = append(list, kv)
		}
	}
	for _, v := range e.Vars {
		list = append(list, v.Name+"="+v.Value)
	}
	return list
}

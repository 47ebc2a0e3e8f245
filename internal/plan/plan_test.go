package plan

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/davecgh/go-spew/spew"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/worldtest"
	"github.com/docker-loom/docker-loom/overrides"
)

// factsOf reads the facts of a loom in a folder, as a command does that plans it.
func factsOf(w *worldtest.World, dir, id string, c Choices) *survey.Facts {
	w.T.Helper()
	ctx, s := w.T.Context(), surveyor(w)
	state, err := w.Registry.Read(ctx)
	assert.NilError(w.T, err)
	target := &survey.Target{
		ID: id, Repository: dir, WorkTree: dir, Known: state.Find(dir, id),
		Source: stack.Source{Dir: dir, Top: dir, Environ: os.Environ()},
	}
	f, err := s.Begin(ctx, target, state, survey.Options{})
	assert.NilError(w.T, err)
	assert.NilError(w.T, s.Observe(ctx, f))
	assert.NilError(w.T, s.Find(ctx, f))
	entry, err := Identify(f, c)
	assert.NilError(w.T, err)
	assert.NilError(w.T, s.Load(ctx, f, entry))
	return f
}

// complete reads what the plan finds missing, until nothing is. Making a plan, whole or not, changes nothing in the
// facts.
func complete(w *worldtest.World, f *survey.Facts, c Choices) *Plan {
	w.T.Helper()
	for range 100 {
		before := factsText(f)
		p, err := Make(f, c)
		assert.Equal(w.T, factsText(f), before)
		needs, ok := errors.AsType[*NeedsError](err)
		if !ok {
			assert.NilError(w.T, err)
			return p
		}
		assert.NilError(w.T, surveyor(w).Complete(w.T.Context(), f, needs.Needs))
	}
	w.T.Fatal("the facts never suffice")
	return nil
}

// TestAPlanIsData looks for what cannot be printed or compared, and for what could do something.
func TestAPlanIsData(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var walk func(at string, of reflect.Type)
	walk = func(at string, of reflect.Type) {
		if seen[of] {
			return
		}
		seen[of] = true
		assert.Check(t, !slices.Contains([]string{"net", "os", "context"}, of.PkgPath()), "%s is a %s", at, of)
		assert.Check(t, of != reflect.TypeFor[engine.Engine](), "%s is the engine", at)
		switch of.Kind() {
		case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Uintptr:
			t.Errorf("%s is a %s", at, of)
		case reflect.Interface:
			// What files have in free form is decoded into these.
			assert.Check(t, of.NumMethod() == 0, "%s is the interface %s", at, of)
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(at, of.Elem())
		case reflect.Map:
			walk(at+" key", of.Key())
			walk(at, of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				walk(at+"."+of.Field(i).Name, of.Field(i).Type)
			}
		}
	}
	walk("Plan", reflect.TypeFor[Plan]())
	assert.Assert(t, seen[reflect.TypeFor[types.ServiceConfig]()] && seen[reflect.TypeFor[registry.Loom]()])
}

// situation is a machine with a loom to be planned.
type situation struct {
	id      string
	files   map[string]string
	known   *registry.Loom
	running []worldtest.Container
	choices Choices
}

// situations cover the ways that a plan goes.
func situations() map[string]situation {
	const variables = `services:
  web:
    image: nginx
    ports: ["${WEB_PORT:-3000}:80"]
    environment: {URL: "http://localhost:${WEB_PORT:-3000}/"}
    volumes: [".:/src", "data:/data"]
    healthcheck: {test: [CMD, "true"], interval: 5s}
  debug: {image: nginx, profiles: [debug], ports: ["9000:90"]}
volumes: {data: {}}
`
	const dev = `{"image": "x", "forwardPorts": [3000], "containerEnv": {"A": "1"}, "portsAttributes": {"3000": {"label": "web"}},
		"mounts": ["source=cache,target=/cache,type=volume"], "postCreateCommand": "true"}`
	confined := &registry.Loom{ID: "7", Project: "p", Sandboxed: true, Confined: &registry.Confined{Mode: "restricted", Allow: []string{"example.com"}, Image: "egress"}}
	ours := worldtest.Container{Name: "iloom-shop-5-web-1", Project: "iloom-shop-5", Service: "web", Published: []string{"0.0.0.0:8085:80/tcp"}}
	all := Choices{Version: "test", Compare: true, FromMemory: true, SidecarImage: "egress:1"}
	named := all
	named.Services = []string{"debug"}
	return map[string]situation{
		"a loom":           {id: "5", files: map[string]string{"compose.yaml": worldtest.Shop, ".env": "A=1\n"}, choices: all},
		"main":             {id: "main", files: map[string]string{"compose.yaml": worldtest.Shop}, choices: all},
		"moved variables":  {id: "5", files: map[string]string{"compose.yaml": variables}, choices: named},
		"one that runs":    {id: "5", files: map[string]string{"compose.yaml": worldtest.Shop}, running: []worldtest.Container{ours}, choices: all},
		"confined":         {id: "7", files: map[string]string{"compose.yaml": variables}, known: confined, choices: all},
		"a dev container":  {id: "5", files: map[string]string{".devcontainer.json": dev}, choices: all},
		"one with compose": {id: "5", files: map[string]string{"compose.yaml": variables, ".devcontainer.json": dev}, choices: all},
		"a Dockerfile":     {id: "5", files: map[string]string{"Dockerfile": "FROM scratch\nEXPOSE 3000\n"}, choices: all},
	}
}

// planned reads the facts of a situation and makes its plan.
func (s situation) planned(t *testing.T) (*survey.Facts, *Plan) {
	t.Helper()
	w := worldtest.New(t, worldtest.Local)
	dir := w.Path("shop")
	for name, text := range s.files {
		w.Write(text, "shop", name)
	}
	w.Run(s.running...)
	if s.known != nil {
		known := *s.known
		known.Repository, known.WorkTree = dir, dir
		w.Know(known)
	}
	f := factsOf(w, dir, s.id, s.choices)
	return f, complete(w, f, s.choices)
}

// factsText is text of facts. Of the loaded project it is the public part: the printer cannot sort what stack keeps to
// itself, the bytes of the files.
func factsText(f *survey.Facts) string {
	others := *f
	others.Base = nil
	return text(others) + text(f.Base.Project) + text(f.Base.Variables) + text(f.Base.Uses)
}

// text is a value with all that it leads to, what it keeps to itself too.
func text(of any) string {
	printer := spew.ConfigState{
		Indent: " ", DisableMethods: true, DisablePointerMethods: true, DisablePointerAddresses: true, DisableCapacities: true,
		SortKeys: true, SpewKeys: true,
	}
	return printer.Sdump(of)
}

func TestMakeIsPure(t *testing.T) {
	t.Parallel()
	for name, s := range situations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, first := s.planned(t)
			before, plan := factsText(f), text(first)
			second, err := Make(f, s.choices)
			assert.NilError(t, err)
			assert.Equal(t, text(second), plan)
			assert.DeepEqual(t, hashes(t, second.Project), hashes(t, first.Project))
			assert.Equal(t, text(first), plan, "the second changes nothing in the first")
			assert.Equal(t, factsText(f), before, "nor in the facts")
		})
	}
}

func TestAPlanSurvivesJSON(t *testing.T) {
	t.Parallel()
	for name, s := range situations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p := s.planned(t)
			p = readable(p)
			b, err := json.Marshal(p)
			assert.NilError(t, err)
			var back Plan
			assert.NilError(t, json.Unmarshal(b, &back))

			assert.DeepEqual(t, hashes(t, back.Project), hashes(t, p.Project))
			assert.DeepEqual(t, hashes(t, back.Base.Project), hashes(t, p.Base.Project))
			back.Project, back.Base.Project = p.Project, p.Base.Project
			if back.Dev != nil {
				// The name of a service is the key that it stands under.
				back.Dev.Compiled.Service.Name = p.Dev.Service
			}
			assert.Equal(t, text(back), text(*p))
		})
	}
}

// readable is a plan without what encoding/json writes in a form that it cannot read again: numbers that Compose writes
// as texts with a unit, and what a devcontainer.json says in the form of the reference CLI.
func readable(p *Plan) *Plan {
	q := *p
	q.Project, q.Base.Project = withoutUnits(p.Project), withoutUnits(p.Base.Project)
	if p.Dev != nil {
		dev, compiled := *p.Dev, *p.Dev.Compiled
		compiled.Merged = nil
		dev.Compiled, dev.Configuration = &compiled, nil
		q.Dev = &dev
	}
	return &q
}

// withoutUnits is a project whose services have no limits of memory, and no times in healthchecks.
func withoutUnits(of *types.Project) *types.Project {
	project := *of
	project.Services = types.Services{}
	for name, s := range of.Services {
		s.MemLimit, s.MemSwapLimit, s.MemReservation, s.ShmSize = 0, 0, 0, 0
		if s.HealthCheck != nil {
			check := *s.HealthCheck
			check.Interval, check.Timeout, check.StartPeriod, check.StartInterval = nil, nil, nil, nil
			s.HealthCheck = &check
		}
		project.Services[name] = s
	}
	return &project
}

// hashes are the names and hashes of a project's services. JSON leaves out of a project the environment, the folders,
// the compose files, the disabled services and the labels that Compose does not hash.
func hashes(t *testing.T, p *types.Project) map[string]string {
	t.Helper()
	list := map[string]string{"project": p.Name}
	for name, s := range p.Services {
		hash, err := stack.ServiceHash(s)
		assert.NilError(t, err)
		list["service "+name] = hash
	}
	return list
}

func TestAPathWithAColonIsAPlainError(t *testing.T) {
	t.Parallel()
	bind := func(source, target string, options *types.ServiceVolumeBind) *Plan {
		return &Plan{Project: &types.Project{Services: types.Services{"web": {Volumes: []types.ServiceVolumeConfig{
			{Type: types.VolumeTypeBind, Source: source, Target: target, Bind: options},
		}}}}}
	}
	made := &types.ServiceVolumeBind{CreateHostPath: true}
	for _, p := range []*Plan{
		bind("/a", "/b", made), bind("/a:b", "/b", &types.ServiceVolumeBind{}),
		bind("/a:b", "/b", &types.ServiceVolumeBind{CreateHostPath: true, Propagation: "rprivate"}),
	} {
		assert.NilError(t, p.CheckBinds(nil))
	}
	for path, p := range map[string]*Plan{"/a:b/c": bind("/a:b/c", "/d", made), "/w:x": bind("/a", "/w:x", nil)} {
		err := p.CheckBinds(nil)
		assert.Error(t, err, "service web mounts "+path+", and the engine mounts no path with a colon")
		p.Stop = AfterFiles
		assert.NilError(t, p.CheckBinds(nil))
	}
}

func TestComposeFileNamesOnlyWhatItsReadersTakeApart(t *testing.T) {
	t.Parallel()
	v, ok := composeFileVar([]string{"a b.yaml", "$x.yaml"}, ":")
	assert.Assert(t, ok)
	assert.Equal(t, v, overrides.Var{Name: "COMPOSE_FILE", Value: "a b.yaml:$x.yaml"})
	for _, path := range []string{"a:b.yaml", "a\nb.yaml", "it's `x`.yaml"} {
		_, ok := composeFileVar([]string{"compose.yaml", path}, ":")
		assert.Assert(t, !ok, path)
	}
	_, ok = composeFileVar([]string{"it's.yaml", "`x`.yaml"}, ":")
	assert.Assert(t, !ok, "each can be quoted, but not both together")
}

package trust_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/plan"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/survey"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// project is a folder whose loom is planned again and again.
type project struct {
	*worldtest.World
	id string
}

func newProject(t *testing.T, id string) *project {
	t.Helper()
	w := worldtest.New(t, worldtest.Remote)
	for name, text := range map[string]string{
		"Dockerfile": "FROM scratch\n", "own.txt": "x", "other.yaml": "services: {db: {image: x, init: true}}\n", "other.env": "A=1\n",
		"seccomp.json": "{}", ".devcontainer/feature/install.sh": "true\n", ".devcontainer/other.yaml": "services: {web: {image: z}}\n",
		".devcontainer/Dockerfile": "FROM scratch\n",
		"third.yaml":               "services: {third: {image: x}}\n",
		".devcontainer/feature/devcontainer-feature.json": `{"id": "feature", "version": "1", "privileged": true}`,
	} {
		w.Write(text, "shop", name)
	}
	return &project{w, id}
}

// plan plans the loom with a document in place of one of its files.
func (p *project) plan(file string, document object) (*plan.Plan, error) {
	text, err := json.Marshal(document)
	assert.NilError(p.T, err)
	p.Write(string(text), "shop", file)
	ctx, dir, none := p.T.Context(), p.Path("shop"), plan.Choices{}
	s := &survey.Surveyor{
		Stack: p.Stack, Engine: p.Engine, Registry: p.Registry, UserSettings: p.UserSettings(), Teller: p.Teller(),
		Process: host.Current(), Features: &features.Store{Dir: p.Path("features")},
	}
	target := &survey.Target{
		ID: p.id, Repository: dir, WorkTree: dir, Source: stack.Source{Dir: dir, Top: dir, Environ: os.Environ()},
	}
	f, err := s.Begin(ctx, target, p.State(), survey.Options{})
	if err = errors.Join(err, f.DevErr); err != nil {
		return nil, err
	}
	if err := errors.Join(s.Observe(ctx, f), s.Find(ctx, f)); err != nil {
		return nil, err
	}
	entry, err := plan.Identify(f, none)
	assert.NilError(p.T, err)
	if err := s.Load(ctx, f, entry); err != nil {
		return nil, err
	}
	if f.Dev != nil {
		f.Dev.Host.GPU = true
	}
	for {
		made, err := plan.Make(f, none)
		needs, ok := errors.AsType[*plan.NeedsError](err)
		if !ok {
			return made, err
		}
		assert.NilError(p.T, s.Complete(ctx, f, needs.Needs))
	}
}

// changed lists the values that one plan's project has and the other's has not. Labels of the dev container repeat its
// file for tools.
func changed(was, now *plan.Plan) []trust.Value {
	before, after := trust.ValuesOf(was.Project), trust.ValuesOf(now.Project)
	var list []trust.Value
	for _, pair := range [][2]map[trust.Value]bool{{before, after}, {after, before}} {
		for v := range pair[1] {
			if !pair[0][v] && !strings.Contains(v.Path, ".labels.devcontainer.") {
				list = append(list, v)
			}
		}
	}
	return list
}

// verdict is what became of a mutation.
type verdict struct {
	asked   []string
	changed []trust.Value
}

// try plans with each mutation alone, and holds that it is asked about or changes only what the table calls harmless.
func (p *project) try(file string, base object, mutations []mutation) map[string]verdict {
	was, err := p.plan(file, base)
	assert.NilError(p.T, err)
	verdicts := map[string]verdict{}
	for _, m := range mutations {
		now, err := p.plan(file, merge(merge(base, beside[m.field]), m.value))
		if !assert.Check(p.T, err == nil, "%s: no valid example: %v\n%v", m.field, err, m.value) {
			continue
		}
		v := verdict{changed: changed(was, now)}
		for _, line := range now.Access {
			if !slices.Contains(was.Access, line) {
				v.asked = append(v.asked, line)
			}
		}
		verdicts[m.field] = v
		if len(v.asked) > 0 {
			continue
		}
		for _, value := range v.changed {
			assert.Check(p.T, value.IsHarmless(), "%s changes %v without a question", m.field, value)
		}
	}
	return verdicts
}

// composeProjects are the kinds of project that have compose files: the loom's id and a devcontainer.json, if there is
// one.
var composeProjects = map[string][2]string{
	"a loom": {"5"}, "main": {"main"},
	"a dev container": {"5", `{"dockerComposeFile": "compose.yaml", "service": "web", "workspaceFolder": "/src"}`},
}

func TestEachPropertyOfComposeIsHarmlessOrAskedAbout(t *testing.T) {
	t.Parallel()
	mutations := composeMutations(t)
	for name, of := range composeProjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, of[0])
			if of[1] != "" {
				p.Write(of[1], "shop", ".devcontainer.json")
			}
			verdicts := p.try("compose.yaml", base(), mutations)
			for _, field := range dangerous {
				assert.Check(t, len(verdicts[field].asked) > 0, "%s is dangerous, and nobody is asked", field)
			}
			if of[0] != "main" {
				return
			}
			for _, field := range dangerousInMain {
				assert.Check(t, len(verdicts[field].asked) > 0, "%s is dangerous in main, and nobody is asked", field)
			}
			// In main the project is as the files say it: a mutation that changes nothing there tries nothing.
			for field, v := range verdicts {
				tried := len(v.asked) > 0 || len(v.changed) > 0
				assert.Check(t, tried != slices.Contains(unchanging, field), "%s changes something: %t", field, tried)
			}
		})
	}
}

func TestEachPropertyOfADevContainerIsHarmlessOrAskedAbout(t *testing.T) {
	t.Parallel()
	mutations := devContainerMutations(t)
	for name, of := range map[string]struct {
		file      object
		dangerous []string
	}{
		"an image":          {object{"image": "x"}, dangerousInRun},
		"a Dockerfile":      {object{"build": object{"dockerfile": "../Dockerfile"}}, slices.Concat(dangerousInRun, dangerousInBuild)},
		"a Compose project": {object{"dockerComposeFile": "../compose.yaml", "service": "web", "workspaceFolder": "/src"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, "5")
			if of.dangerous == nil {
				p.Write("services: {web: {image: x}, db: {image: y}}\n", "shop", "compose.yaml")
			}
			verdicts := p.try(".devcontainer/devcontainer.json", of.file, mutations)
			for _, field := range slices.Concat(devContainerDangerous, of.dangerous, []string{"invented"}) {
				assert.Check(t, len(verdicts[field].asked) > 0, "%s is dangerous, and nobody is asked", field)
			}
		})
	}
}

package loom

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
)

// folder writes files into a folder of its own.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	for name, text := range files {
		path := filepath.Join(dir, name)
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

func devOf(t *testing.T, dir, chosen string) *dev {
	t.Helper()
	target := &Target{ID: "5", WorkTree: dir, Source: stack.Source{Dir: dir, Top: dir}}
	d, err := findDev(target, &settings.Settings{}, chosen)
	assert.NilError(t, err)
	return d
}

func TestTheProjectOfADevContainer(t *testing.T) {
	t.Parallel()
	compose := "services: {app: {image: x}}\n"
	tests := map[string]struct {
		files   map[string]string
		dir     string   // below the folder
		paths   []string // below the folder
		chosen  bool
		derived string // with % for the folder's name
	}{
		"an image alone": {
			files: map[string]string{".devcontainer.json": `{"image": "x"}`},
		},
		"an image beside a Dockerfile is alone": {
			files: map[string]string{".devcontainer.json": `{"image": "x"}`, "Dockerfile": "FROM x"},
		},
		"an image joins the compose file": {
			files: map[string]string{".devcontainer.json": `{"image": "x"}`, "compose.yaml": compose},
			paths: []string{"compose.yaml"},
		},
		"files that docker compose finds itself": {
			files: map[string]string{".devcontainer.json": `{"dockerComposeFile": ["compose.yaml"], "service": "app"}`, "compose.yaml": compose},
			paths: []string{"compose.yaml"}, derived: "%",
		},
		"below .devcontainer": {
			files: map[string]string{".devcontainer/devcontainer.json": `{"dockerComposeFile": "docker-compose.yml", "service": "app"}`, ".devcontainer/docker-compose.yml": compose},
			dir:   ".devcontainer", paths: []string{".devcontainer/docker-compose.yml"}, derived: "%_devcontainer",
		},
		"without the override that docker compose would add": {
			files:  map[string]string{".devcontainer.json": `{"dockerComposeFile": "compose.yaml", "service": "app"}`, "compose.yaml": compose, "compose.override.yaml": compose},
			paths:  []string{"compose.yaml"},
			chosen: true, derived: "%",
		},
		"several files": {
			files:  map[string]string{".devcontainer.json": `{"dockerComposeFile": ["a.yaml", "b.yaml"], "service": "app"}`, "a.yaml": compose + "name: mine\n", "b.yaml": compose},
			paths:  []string{"a.yaml", "b.yaml"},
			chosen: true, derived: "mine",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, tt.files)
			d := devOf(t, dir, "")
			found, err := findProject(stack.Source{Dir: dir, Top: dir}, d, stack.Ours{})
			assert.NilError(t, err)
			assert.Equal(t, found.Dir, filepath.Join(dir, tt.dir))
			assert.Equal(t, found.Dockerfile, "")
			assert.Equal(t, found.Chosen, tt.chosen)
			var paths []string
			for _, p := range tt.paths {
				paths = append(paths, filepath.Join(dir, p))
			}
			assert.DeepEqual(t, found.Paths, paths)
			derived := tt.derived
			if len(derived) > 0 && derived[0] == '%' {
				derived = stack.DefaultName(dir) + derived[1:]
			}
			assert.Equal(t, d.derived, derived)
		})
	}
}

func TestWhatWasChosenComesBeforeTheSettings(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		".devcontainer/a/devcontainer.json": `{"image": "a"}`, ".devcontainer/b/devcontainer.json": `{"image": "b"}`, ".devcontainer/c/devcontainer.json": `{"image": "c"}`,
	})
	set := &settings.Settings{}
	target := &Target{ID: "5", WorkTree: dir, Source: stack.Source{Dir: dir, Top: dir}}
	_, err := findDev(target, set, "")
	assert.ErrorType(t, err, &devcontainer.SeveralError{})
	set.Container.ConfigPath = ".devcontainer/a/devcontainer.json"
	d, err := findDev(target, set, "")
	assert.NilError(t, err)
	assert.Equal(t, d.config.Image, "a")
	target.Known = &registry.Loom{ID: "5", DevContainer: filepath.Join(dir, ".devcontainer/b/devcontainer.json")}
	d, err = findDev(target, set, "")
	assert.NilError(t, err)
	assert.Equal(t, d.config.Image, "b")
	d, err = findDev(target, set, filepath.Join(dir, ".devcontainer/c/devcontainer.json"))
	assert.NilError(t, err)
	assert.Equal(t, d.config.Image, "c")
}

func TestAChangeIsNamed(t *testing.T) {
	t.Parallel()
	const was = `{"build": {"dockerfile": "Dockerfile"}, "containerEnv": {"A": "1"}}`
	built := func(dir string) string {
		hash, err := buildHash(&types.BuildConfig{Context: dir, Dockerfile: "Dockerfile"})
		assert.NilError(t, err)
		return hash
	}
	tests := map[string]struct {
		file, dockerfile, want string
	}{
		"a key":           {`{"build": {"dockerfile": "Dockerfile"}, "containerEnv": {"A": "2"}}`, "FROM x", "devcontainer.json changed (containerEnv)"},
		"a key more":      {`{"build": {"dockerfile": "Dockerfile"}, "containerEnv": {"A": "1"}, "init": true}`, "FROM x", "devcontainer.json changed (init)"},
		"a key less":      {`{"build": {"dockerfile": "Dockerfile"}}`, "FROM x", "devcontainer.json changed (containerEnv)"},
		"a comment":       {"// comment\n" + was, "FROM x", "the compose files, the image or the ports changed"},
		"the Dockerfile":  {was, "FROM y", "the Dockerfile changed"},
		"both":            {`{"build": {"dockerfile": "Dockerfile"}, "containerEnv": {}}`, "FROM y", "devcontainer.json changed (containerEnv) and the Dockerfile changed"},
		"something other": {was, "FROM x", "the compose files, the image or the ports changed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{".devcontainer/devcontainer.json": was, ".devcontainer/Dockerfile": "FROM x"})
			before := devOf(t, dir, "")
			before.is, before.built = &compile.Compiled{}, built(before.config.BuildContext())
			have := engine.Container{Labels: map[string]string{stack.LabelConfigHash: "old", engine.LabelDevContainer: before.told().Label()}}

			assert.NilError(t, os.WriteFile(filepath.Join(dir, ".devcontainer/devcontainer.json"), []byte(tt.file), 0o644))
			assert.NilError(t, os.WriteFile(filepath.Join(dir, ".devcontainer/Dockerfile"), []byte(tt.dockerfile), 0o644))
			after := devOf(t, dir, "")
			after.is, after.built = &compile.Compiled{}, built(after.config.BuildContext())
			service := types.ServiceConfig{Name: devcontainer.Service, Image: "x"}
			project := &types.Project{Name: "p", Services: types.Services{devcontainer.Service: service}}
			assert.Equal(t, after.drift(project, have), tt.want)

			hash, err := stack.ServiceHash(service)
			assert.NilError(t, err)
			have.Labels[stack.LabelConfigHash] = hash
			assert.Equal(t, after.drift(project, have), "", "a container that stays")
		})
	}
}

func TestForwardedPortsHaveTheirAttributes(t *testing.T) {
	t.Parallel()
	p := &Plan{dev: &dev{service: "app", is: &compile.Compiled{
		Forwards: []compile.Forward{{Service: "app", Port: 3000}, {Service: "db", Port: 5432, Host: "db"}},
		Merged:   &devcontainer.Merged{PortsAttributes: map[string]devcontainer.PortAttributes{"3000": {Label: "web", Protocol: "https"}, "db:5432": {Label: "data"}}},
	}}}
	assert.Equal(t, p.dev.attributes("app", 3000).Label, "web")
	assert.Equal(t, p.dev.attributes("db", 5432).Label, "data")
	assert.Equal(t, p.dev.attributes("app", 5432).Label, "")
	assert.Assert(t, p.dev.forwarded("db", 5432) && !p.dev.forwarded("app", 5432))
	assert.Assert(t, p.dev.quiet("app", 80) && p.dev.quiet("db", 5432) && !p.dev.quiet("db", 80))
	var none *dev
	assert.Assert(t, !none.quiet("app", 3000))
	assert.Assert(t, !none.forwarded("app", 3000))
	assert.Equal(t, none.attributes("app", 3000).Label, "")
}

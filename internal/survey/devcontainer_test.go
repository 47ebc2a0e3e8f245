package survey

import (
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/internal/host"
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

// factsIn are the facts of a loom of a folder before anything of its project is read.
func factsIn(dir string) *Facts {
	f := &Facts{
		Target:   &Target{ID: "5", WorkTree: dir, Source: stack.Source{Dir: dir, Top: dir}},
		Settings: &settings.Settings{},
	}
	f.open(host.Process{}, nil)
	return f
}

func devOf(t *testing.T, dir, chosen string) *DevContainer {
	t.Helper()
	d, err := reader().findDev(factsIn(dir), Options{Config: chosen})
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
			found, err := reader().findProject(stack.Source{Dir: dir, Top: dir, Reader: stack.Anywhere}, d, stack.Ours{})
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
			assert.Equal(t, d.DerivedProject, derived)
		})
	}
}

func TestWhatWasChosenComesBeforeTheSettings(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		".devcontainer/a/devcontainer.json": `{"image": "a"}`, ".devcontainer/b/devcontainer.json": `{"image": "b"}`, ".devcontainer/c/devcontainer.json": `{"image": "c"}`,
	})
	facts := factsIn(dir)
	_, err := reader().findDev(facts, Options{})
	assert.ErrorType(t, err, &devcontainer.SeveralError{})
	facts.Settings.Container.ConfigPath = ".devcontainer/a/devcontainer.json"
	d, err := reader().findDev(facts, Options{})
	assert.NilError(t, err)
	assert.Equal(t, d.Config.Image, "a")
	facts.Target.Known = &registry.Loom{ID: "5", DevContainer: filepath.Join(dir, ".devcontainer/b/devcontainer.json")}
	d, err = reader().findDev(facts, Options{})
	assert.NilError(t, err)
	assert.Equal(t, d.Config.Image, "b")
	d, err = reader().findDev(facts, Options{Config: filepath.Join(dir, ".devcontainer/c/devcontainer.json")})
	assert.NilError(t, err)
	assert.Equal(t, d.Config.Image, "c")
}

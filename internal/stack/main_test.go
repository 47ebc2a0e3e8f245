package stack_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestMain(m *testing.M) {
	// The variables of whoever runs the tests must not reach the projects.
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.Contains([]string{"HOME", "PATH", "TMPDIR", "TMP", "TEMP", "USERPROFILE", "SYSTEMROOT", "DOCKER_HOST", "DOCKER_CONFIG"}, strings.ToUpper(name)) {
			_ = os.Unsetenv(name)
		}
	}
	logrus.SetLevel(logrus.ErrorLevel)
	os.Exit(m.Run())
}

// folder makes a folder of files; a name that ends in / is a folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			assert.NilError(t, os.MkdirAll(path, 0o755))
			continue
		}
		assert.NilError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		assert.NilError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

const small = "services: {web: {image: app}}\n"

// loadFiles finds and loads the project in dir under the name shop.
func loadFiles(t *testing.T, dir string, vars map[string]string) *stack.Model {
	t.Helper()
	f, err := stack.Find(stack.Source{Dir: dir, Top: dir, Environ: os.Environ()}, stack.Ours{})
	assert.NilError(t, err)
	m, err := new(stack.Stack).Load(t.Context(), f, "shop", vars)
	assert.NilError(t, err)
	return m
}

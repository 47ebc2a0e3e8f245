package stack_test

import (
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
)

func TestTheExposedPortIsTheFinalStages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, dockerfile string
		want             int
	}{
		{"none", "FROM a\n", 0},
		{"one", "FROM a\nEXPOSE 80\n", 80},
		{"the last of several", "FROM a\nEXPOSE 80 443\nEXPOSE 8080\n", 8080},
		{"protocol", "FROM a\nEXPOSE 80/tcp\n", 80},
		{"udp is none", "FROM a\nEXPOSE 80\nEXPOSE 53/udp\n", 80},
		{"range", "FROM a\nEXPOSE 8000-8010\n", 8000},
		{"variable", "FROM a\nARG PORT=3000\nEXPOSE $PORT\n", 3000},
		{"environment", "FROM a\nENV PORT=3001\nEXPOSE ${PORT}/tcp\n", 3001},
		{"global argument", "ARG PORT=3002\nFROM a\nARG PORT\nEXPOSE $PORT\n", 3002},
		{"unknown variable", "FROM a\nEXPOSE $PORT\n", 0},
		{"another stage", "FROM a AS build\nEXPOSE 1\nFROM b\n", 0},
		{"from an earlier stage", "FROM a AS Base\nEXPOSE 3003\nFROM base\nRUN x\n", 3003},
		{"a number names an image", "FROM a\nEXPOSE 3004\nFROM 0\n", 0},
		{"its own beats the earlier one's", "FROM a AS base\nEXPOSE 1\nFROM base\nEXPOSE 2\n", 2},
		{"lower case and line ends", "from a\r\nexpose 80\r\n", 80},
		{"no number", "FROM a\nEXPOSE http\n", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"Dockerfile": test.dockerfile})
			got, err := stack.Exposed(stack.Anywhere, filepath.Join(dir, "Dockerfile"))
			assert.NilError(t, err)
			assert.Equal(t, got, test.want)
		})
	}
	for _, text := range []string{"", "RUN x\n", "FROM\n"} {
		path := filepath.Join(folder(t, map[string]string{"Dockerfile": text}), "Dockerfile")
		_, err := stack.Exposed(stack.Anywhere, path)
		assert.ErrorContains(t, err, path, "%q", text)
	}
}

func TestADockerfileIsAProjectOfOneService(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"My App/Dockerfile": "FROM a\n", "My App/.env": "A=1"})
	f, err := stack.Find(stack.Source{Dir: filepath.Join(dir, "My App")}, stack.Ours{})
	assert.NilError(t, err)
	m, err := stack.LoadDockerfile(t.Context(), f, "", 3000, 80)
	assert.NilError(t, err)
	assert.Equal(t, m.Project.Name, "myapp")
	s := m.Project.Services[stack.DockerfileService]
	assert.Equal(t, s.Build.Context, filepath.Join(dir, "My App"))
	assert.Equal(t, s.Build.Dockerfile, "Dockerfile")
	assert.Equal(t, s.Ports[0].Published, "3000")
	assert.Equal(t, s.Ports[0].Target, uint32(80))
	p, err := m.Finish(nil, nil)
	assert.NilError(t, err)
	assert.Equal(t, len(p.Networks), 1)
	m, err = stack.LoadDockerfile(t.Context(), f, "iloom-x-1", 3000, 80)
	assert.NilError(t, err)
	assert.Equal(t, m.Project.Name, "iloom-x-1")
}

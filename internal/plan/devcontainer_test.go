package plan

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestAChangeIsNamed(t *testing.T) {
	t.Parallel()
	const was = `{"build": {"dockerfile": "Dockerfile"}, "containerEnv": {"A": "1"}}`
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
			w := worldtest.New(t, worldtest.Remote)
			dir := w.Path("shop")
			w.Write(was, "shop", ".devcontainer", "devcontainer.json")
			w.Write("FROM x", "shop", ".devcontainer", "Dockerfile")
			maker := func() *maker {
				service := types.ServiceConfig{Name: devcontainer.Service, Image: "x"}
				return &maker{
					facts: factsOf(w, dir, "5", Choices{}), compiled: &compile.Compiled{},
					Plan: &Plan{Project: &types.Project{Name: "p", Services: types.Services{devcontainer.Service: service}}},
				}
			}
			have := engine.Container{Labels: map[string]string{stack.LabelConfigHash: "old", engine.LabelDevContainer: maker().devLabel().String()}}

			assert.NilError(t, os.WriteFile(filepath.Join(dir, ".devcontainer/devcontainer.json"), []byte(tt.file), 0o644))
			assert.NilError(t, os.WriteFile(filepath.Join(dir, ".devcontainer/Dockerfile"), []byte(tt.dockerfile), 0o644))
			after := maker()
			after.facts.Dev.Container = &have
			assert.Equal(t, after.whyRecreated(), tt.want)

			hash, err := stack.ServiceHash(after.Project.Services[devcontainer.Service])
			assert.NilError(t, err)
			have.Labels[stack.LabelConfigHash] = hash
			assert.Equal(t, after.whyRecreated(), "", "a container that stays")
		})
	}
}

func TestForwardedPortsHaveTheirAttributes(t *testing.T) {
	t.Parallel()
	p := &Plan{Dev: &DevContainer{Service: "app", Compiled: &compile.Compiled{
		Forwards: []compile.Forward{{Service: "app", Port: 3000}, {Service: "db", Port: 5432, Host: "db"}},
		Merged:   &devcontainer.Merged{PortsAttributes: map[string]devcontainer.PortAttributes{"3000": {Label: "web", Protocol: "https"}, "db:5432": {Label: "data"}}},
	}}}
	assert.Equal(t, p.Dev.PortAttributes("app", 3000).Label, "web")
	assert.Equal(t, p.Dev.PortAttributes("db", 5432).Label, "data")
	assert.Equal(t, p.Dev.PortAttributes("app", 5432).Label, "")
	assert.Assert(t, p.Dev.IsForwarded("db", 5432) && !p.Dev.IsForwarded("app", 5432))
	assert.Assert(t, p.Dev.MayBeSilent("app", 80) && p.Dev.MayBeSilent("db", 5432) && !p.Dev.MayBeSilent("db", 80))
	var none *DevContainer
	assert.Assert(t, !none.MayBeSilent("app", 3000))
	assert.Assert(t, !none.IsForwarded("app", 3000))
	assert.Equal(t, none.PortAttributes("app", 3000).Label, "")
}

package overrides_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

func TestAWholeProjectReloadsWithTheSameHashes(t *testing.T) {
	t.Parallel()
	// Compose would take the $ for a variable.
	dir := filepath.Join(t.TempDir(), "a$b")
	assert.NilError(t, os.Mkdir(dir, 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o644))
	v := variant{dir: dir}
	f, err := stack.Find(v.source(), ours)
	assert.NilError(t, err)
	m, err := stack.LoadDockerfile(t.Context(), f, "iloom-ab-7", 3000, 80)
	assert.NilError(t, err)
	edits, findings := overrides.Plan(m.Project, overrides.Input{
		Labels: map[string]string{"ai.iloom.loom": "7"}, Base: f.BaseName(), Dir: dir,
		Leases:  []ports.Lease{{Protocol: "tcp", Base: 3000, Count: 1, Host: 3007}},
		Subnets: map[string][]netip.Prefix{"default": {netip.MustParsePrefix("10.176.7.0/24")}},
	})
	assert.Equal(t, len(findings), 0)
	overrides.Apply(m.Project, edits)
	text, err := overrides.Whole(m.Project, "ab/7")
	assert.NilError(t, err)
	path := filepath.Join(dir, filepath.FromSlash(overrides.NamedFile))
	env := overrides.Add(nil, "7", []overrides.Var{{Name: "COMPOSE_PROJECT_NAME", Value: m.Project.Name}, {Name: "COMPOSE_FILE", Value: overrides.NamedFile}})
	_, err = overrides.Write([]overrides.File{{Path: path, Content: text}, {Path: filepath.Join(dir, ".env"), Content: env}})
	assert.NilError(t, err)
	assert.Assert(t, overrides.Generated(path))

	disk, err := composes(t.Context(), v.source())
	assert.NilError(t, err)
	memory, err := m.Finish([]string{path}, nil)
	assert.NilError(t, err)
	problems := sameHashes(memory, disk)
	assert.Assert(t, len(problems) == 0, "%v", problems)
	assert.Equal(t, disk.Name, "iloom-ab-7")
	assert.Equal(t, disk.Services[stack.DockerfileService].Build.Context, dir)
	assert.Equal(t, disk.Services[stack.DockerfileService].Ports[0].Published, "3007")
}

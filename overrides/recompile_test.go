package overrides_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

// A project that was loaded compiles again from what was read: to the same project, also under other variables, and when
// its files are gone.
func TestAProjectCompilesAgainWithoutItsFiles(t *testing.T) {
	t.Parallel()
	from := []string{filepath.Join("testdata", "corpus"), filepath.Join("testdata", "traps")}
	if *corpus != "" {
		from = []string{*corpus}
	}
	for _, from := range from {
		t.Run(filepath.Base(from), func(t *testing.T) {
			t.Parallel()
			dir := copied(t, from)
			var all [][]compiled
			for _, p := range projects(t, dir) {
				for _, v := range trapVariants(t, p) {
					all = append(all, loadedUnderSeveralVariables(t, v))
				}
			}
			assert.NilError(t, os.Rename(dir, dir+".gone"))
			defer func() { assert.NilError(t, os.Rename(dir+".gone", dir)) }()
			same := 0
			for _, list := range all {
				for _, want := range list {
					again, err := list[0].model.Recompile(want.name, want.vars)
					assert.NilError(t, err, "%s", want)
					assert.DeepEqual(t, describe(again), want.description)
					again, err = again.Recompile(list[0].name, list[0].vars)
					assert.NilError(t, err, "%s", want)
					assert.DeepEqual(t, describe(again), list[0].description)
					same++
				}
			}
			assert.Assert(t, same > 0)
			t.Log(same, "compilations")
		})
	}
}

// compiled is what loading a project under some variables gave.
type compiled struct {
	dir         string
	name        string
	vars        map[string]string
	model       *stack.Model
	description string
}

func (c compiled) String() string { return fmt.Sprintf("%s as %s under %v", c.dir, c.name, c.vars) }

// loadedUnderSeveralVariables loads a project under its base variables, and then with all variables of its ports at others.
func loadedUnderSeveralVariables(t *testing.T, v variant) (list []compiled) {
	t.Helper()
	found, err := stack.Find(v.source(), ours)
	assert.NilError(t, err)
	base := map[string]string{"ILOOM_LOOM": "1"}
	for n, port := range v.settings {
		base[overrides.PortPrefix+n] = fmt.Sprint(port)
	}
	m, err := new(stack.Stack).Load(t.Context(), found, "base", base)
	if err != nil {
		return nil // Compose refuses some projects of the corpus.
	}
	list = append(list, compiled{v.dir, "base", base, m, describe(m)})
	moved := map[string]string{"ILOOM_LOOM": "2"}
	for n := range base {
		moved[n] = "2"
	}
	for i, x := range m.Variables {
		moved[x.Name] = fmt.Sprint(40000 + i)
	}
	under, err := new(stack.Stack).Load(t.Context(), found, "moved", moved)
	assert.NilError(t, err)
	return append(list, compiled{v.dir, "moved", moved, under, describe(under)})
}

// describe is all that a model says, as loaded and finished.
func describe(m *stack.Model) string {
	text := map[string]any{
		"project": m.Project, "disabled": m.Project.DisabledServices, "dir": m.Project.WorkingDir, "files": m.Project.ComposeFiles,
		"environment": m.Project.Environment, "profiles": m.Project.Profiles, "variables": m.Variables, "uses": m.Uses,
		"includes": m.Includes, "readers": m.ReadsDotEnv(),
	}
	project, err := m.Finish(m.Paths, map[string]string{"ours": "1"})
	if err != nil {
		text["error"] = err.Error()
	} else {
		text["finished"], text["hashes"] = project, hashes(project)
	}
	out, err := json.MarshalIndent(text, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func hashes(p *types.Project) map[string]string {
	all := map[string]string{}
	put := func(name, hash string, err error) {
		if err != nil {
			hash = err.Error()
		}
		all[name] = hash
	}
	for name, s := range p.Services {
		hash, err := stack.ServiceHash(s)
		put("service "+name, hash, err)
	}
	for key, n := range p.Networks {
		hash, err := stack.NetworkHash(n)
		put("network "+key, hash, err)
	}
	for key, v := range p.Volumes {
		hash, err := stack.VolumeHash(v)
		put("volume "+key, hash, err)
	}
	return all
}

package wanted

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/sandbox"
)

func TestTheEnvironmentNarrowsAndNeverWidens(t *testing.T) {
	t.Parallel()
	policy := func(w *Sandbox) string {
		return fmt.Sprintf("%s %t %q %dm %g %d", w.Policy.Egress, w.Policy.DockerSocket != "", w.Policy.Runtime,
			w.Policy.Limits.Memory>>20, w.Policy.Limits.CPUs, w.Policy.Limits.PIDs)
	}
	const wide = `"agent": {"egress": {"mode": "open"}, "dockerAccess": "socket", "runtime": "runc", "memory": "1g", "cpus": 3, "pids": 100}`
	const named = `"agents": {"x": {"egress": {"mode": "none"}, "runtime": "runsc"}}`
	for _, c := range []struct{ set, agent, variables, want string }{
		{"", "", "", `restricted false "" 4096m 2 512`},
		{"", "", "AGENT_EGRESS=none", `none false "" 4096m 2 512`},
		{"", "", "AGENT_EGRESS=restricted AGENT_DOCKER_ACCESS=none", `restricted false "" 4096m 2 512`},
		{"", "", "AGENT_RUNTIME=runsc", `restricted false "runsc" 4096m 2 512`},
		{"", "", "AGENT_MEMORY_LIMIT=9g AGENT_CPU_LIMIT=9 AGENT_PIDS_LIMIT=999", `restricted false "" 9216m 9 999`},
		{wide, "", "", `open true "runc" 1024m 3 100`},
		{wide, "", "AGENT_EGRESS=restricted AGENT_DOCKER_ACCESS=0 AGENT_RUNTIME=kata", `restricted false "kata" 1024m 3 100`},
		{wide, "", "AGENT_DOCKER_ACCESS=socket AGENT_MEMORY_LIMIT=512m AGENT_CPU_LIMIT=1 AGENT_PIDS_LIMIT=100", `open true "runc" 512m 1 100`},
		{named, "x", "AGENT_RUNTIME=runsc", `none false "runsc" 4096m 2 512`},

		{"", "", "AGENT_EGRESS=open", "AGENT_EGRESS=open asks for more than the settings allow: container.agent.egress.mode is restricted"},
		{"", "", "AGENT_EGRESS=all", `AGENT_EGRESS must be none, restricted or open, not "all"`},
		{"", "", "AGENT_DOCKER_ACCESS=socket", "AGENT_DOCKER_ACCESS=socket asks for more than the settings allow: container.agent.dockerAccess is none"},
		{"", "", "AGENT_RUNTIME=nvidia", "AGENT_RUNTIME=nvidia asks for more than the settings allow: container.agent.runtime is the engine's default"},
		{"", "", "AGENT_RUNTIME=runc", "AGENT_RUNTIME=runc asks for more than the settings allow: container.agent.runtime is the engine's default"},
		{wide, "", "AGENT_MEMORY_LIMIT=2g", "AGENT_MEMORY_LIMIT=2g asks for more than the settings allow: container.agent.memory is 1g"},
		{wide, "", "AGENT_CPU_LIMIT=4", "AGENT_CPU_LIMIT=4 asks for more than the settings allow: container.agent.cpus is 3"},
		{wide, "", "AGENT_PIDS_LIMIT=101", "AGENT_PIDS_LIMIT=101 asks for more than the settings allow: container.agent.pids is 100"},
		{named, "x", "AGENT_EGRESS=restricted", "AGENT_EGRESS=restricted asks for more than the settings allow: container.agents.x.egress.mode is none"},
		{named, "x", "AGENT_RUNTIME=kata", "AGENT_RUNTIME=kata asks for more than the settings allow: container.agents.x.runtime is runsc"},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(c.variables) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		w, err := wantedFor(t, c.set, c.agent, Flags{}, env)
		if err != nil {
			assert.Equal(t, err.Error(), c.want)
			continue
		}
		assert.Equal(t, policy(w), c.want, "%s with %s", c.set, c.variables)
	}
	err := &WiderError{Variable: "AGENT_EGRESS", Setting: "container.agent.egress.mode"}
	assert.Equal(t, err.NextStep(), "unset AGENT_EGRESS, or set container.agent.egress.mode in ~/.config/iloom-ai/settings.json")
}

// The flag is what the user types; a variable may come with a project.
func TestAFlagIsNotHeldToTheEnvironment(t *testing.T) {
	t.Parallel()
	w, err := wantedFor(t, "", "", Flags{Egress: "open"}, map[string]string{"AGENT_EGRESS": "none"})
	assert.NilError(t, err)
	assert.Equal(t, string(w.Policy.Egress), "open")
}

var (
	variable = regexp.MustCompile(`"((?:ILOOM_)?AGENT_[A-Z_]+)"`)
	tableRow = regexp.MustCompile("(?m)^\\| `((?:ILOOM_)?AGENT_[A-Z_]+)` \\|([^|]*)\\| ([^|]*) \\|$")
)

func TestTheGuideListsEveryVariableOfAgents(t *testing.T) {
	t.Parallel()
	const top = "../../.."
	read := map[string]bool{}
	for _, dir := range []string{"internal", "plugin", "overrides", "devcontainer", "cmd"} {
		assert.NilError(t, filepath.WalkDir(filepath.Join(top, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range variable.FindAllSubmatch(text, -1) {
				read[string(m[1])] = true
			}
			return err
		}))
	}
	text, err := os.ReadFile(filepath.Join(top, "docs/guide/sandbox.md"))
	assert.NilError(t, err)
	defaults := map[string]string{}
	for _, m := range tableRow.FindAllSubmatch(text, -1) {
		defaults[string(m[1])] = string(m[3])
	}
	assert.DeepEqual(t, slices.Sorted(maps.Keys(defaults)), slices.Sorted(maps.Keys(read)))

	w, err := wantedFor(t, "", "", Flags{}, nil)
	assert.NilError(t, err)
	limits := sandbox.DefaultLimits()
	for name, want := range map[string]string{
		"AGENT_EGRESS": string(w.Policy.Egress), "AGENT_DOCKER_ACCESS": "none", "AGENT_RUNTIME": "the engine's",
		"AGENT_MEMORY_LIMIT": fmt.Sprintf("%dg", limits.Memory>>30),
		"AGENT_CPU_LIMIT":    fmt.Sprint(limits.CPUs), "AGENT_PIDS_LIMIT": fmt.Sprint(limits.PIDs),
	} {
		assert.Equal(t, strings.Trim(defaults[name], "`"), want, name)
	}
}

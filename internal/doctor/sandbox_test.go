package doctor

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
)

// TestWhatAnEngineLacksForSandboxesIsTold holds that nothing is said of an engine that has it all, and that each thing
// that it lacks is said with what follows from it.
func TestWhatAnEngineLacksForSandboxesIsTold(t *testing.T) {
	t.Parallel()
	whole := engine.Confines{
		OS: "linux", Arch: "amd64", Cgroup: "2", Memory: true, Swap: true, PIDs: true, CPU: true, Seccomp: "builtin",
		Runtime: "runc", Runtimes: []string{"io.containerd.runc.v2", "runc", "runsc"},
	}
	for name, c := range map[string]struct {
		change func(*engine.Confines)
		want   []string // LEVEL: part of the message | part of the remedy
	}{
		"all is there":       {func(*engine.Confines) {}, nil},
		"rootless, cgroup 2": {func(c *engine.Confines) { c.Rootless = true }, nil},
		"remapped":           {func(c *engine.Confines) { c.Remapped = true }, nil},
		"no swap limit":      {func(c *engine.Confines) { c.Swap = false }, []string{"info: no swap limit|"}},
		"no seccomp":         {func(c *engine.Confines) { c.Seccomp = "" }, []string{"warning: no seccomp profile|without seccomp-profile=unconfined"}},
		"rootless, cgroup 1": {
			func(c *engine.Confines) {
				c.Rootless, c.Cgroup, c.Memory, c.Swap, c.PIDs, c.CPU = true, "1", false, false, false, false
			},
			[]string{"warning: no memory limit|version 2", "info: no swap limit|version 2", "warning: no limit of processes|version 2", "warning: no CPU limit|version 2"},
		},
		"rootless, not delegated": {func(c *engine.Confines) { c.Rootless, c.CPU = true, false }, []string{"warning: no CPU limit|delegate"}},
		"another architecture":    {func(c *engine.Confines) { c.Arch = "arm64" }, []string{"warning: of linux/amd64, and the engine runs linux/arm64|"}},
		"windows": {
			func(c *engine.Confines) { *c = engine.Confines{OS: "windows", Arch: "amd64"} },
			[]string{"warning: agents need linux|Linux containers"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			has := whole
			c.change(&has)
			_, got := confinement(has, true, "linux", "amd64")
			assert.Equal(t, len(got), len(c.want), "%v", got)
			for i, want := range c.want {
				level, rest, _ := strings.Cut(want, ": ")
				message, remedy, _ := strings.Cut(rest, "|")
				assert.Equal(t, string(got[i].Level), level)
				assert.Assert(t, strings.Contains(got[i].Message, message), got[i].Message)
				assert.Assert(t, strings.Contains(got[i].Remedy, remedy), got[i].Remedy)
				assert.Assert(t, finding.Worst(got) != finding.Error, "an engine that lacks something for agents still runs looms")
			}
		})
	}
	state, _ := confinement(whole, false, "linux", "amd64")
	assert.Equal(t, state.String(), "cgroup v2, limits: memory, swap, pids, cpu; seccomp builtin, user ids host, networks inhibited, runtimes: runc, io.containerd.runc.v2, runsc")
	assert.Equal(t, SandboxState{}.String(), "")
}

package engine

import (
	"net/http"
	"testing"

	"github.com/docker/docker/api/types/system"
	"gotest.tools/v3/assert"
)

func TestWhatAnEngineHoldsItsContainersTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		info system.Info
		want Confines
	}{
		"all of it": {
			system.Info{
				OSType: "linux", Architecture: "x86_64", CgroupVersion: "2", MemoryLimit: true, SwapLimit: true, PidsLimit: true,
				CPUCfsPeriod: true, CPUCfsQuota: true, DefaultRuntime: "runc",
				Runtimes:        map[string]system.RuntimeWithStatus{"runsc": {}, "runc": {}},
				SecurityOptions: []string{"name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"},
			},
			Confines{
				OS: "linux", Arch: "amd64", Cgroup: "2", Memory: true, Swap: true, PIDs: true, CPU: true, Seccomp: "builtin",
				Runtimes: []string{"runc", "runsc"}, Runtime: "runc",
			},
		},
		"rootless on cgroup v1: no limit holds": {
			system.Info{OSType: "linux", Architecture: "aarch64", CgroupVersion: "1", SecurityOptions: []string{"name=seccomp,profile=default", "name=rootless"}},
			Confines{OS: "linux", Arch: "arm64", Cgroup: "1", Seccomp: "default", Rootless: true},
		},
		"seccomp switched off": {
			system.Info{OSType: "linux", Architecture: "riscv64", SecurityOptions: []string{"name=seccomp,profile=unconfined", "name=userns"}},
			Confines{OS: "linux", Arch: "riscv64", Remapped: true},
		},
		"a quota without a period is not a limit": {
			system.Info{OSType: "windows", Architecture: "x86_64", CPUCfsQuota: true},
			Confines{OS: "windows", Arch: "amd64"},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.DeepEqual(t, confinesOf(c.info), c.want) })
	}
}

func TestCapabilitiesAreAskedOnce(t *testing.T) {
	t.Parallel()
	var asked []string
	down := true
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if asked = append(asked, r.URL.Path); down {
			refuse(w, 500, "boom")
			return
		}
		switch r.URL.Path {
		case "/version":
			reply(w, map[string]any{"Version": "28.5.1", "ApiVersion": "1.51"})
		case "/info":
			reply(w, map[string]any{"ID": "x", "DockerRootDir": "/var/lib/docker", "NCPU": 4, "Runtimes": map[string]any{"nvidia": map[string]any{}}})
		}
	})
	_, err := e.Capabilities(t.Context())
	assert.ErrorContains(t, err, "boom")
	down, asked = false, nil
	for range 3 {
		c, err := e.Capabilities(t.Context())
		assert.NilError(t, err)
		assert.Assert(t, c.Version == "28.5.1" && c.APIVersion == "1.51" && c.ID == "x" && c.CPUs == 4 && c.GPU && c.RootDir == "/var/lib/docker", "%+v", c)
	}
	assert.DeepEqual(t, asked, []string{"/version", "/info"})
}

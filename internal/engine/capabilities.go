package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"
)

// Capabilities is what an engine can do and what it has. It does not change while the engine runs.
type Capabilities struct {
	Features
	ID         string
	Version    string // as the engine gives it, which need not be a semantic version
	APIVersion string // the newest it speaks
	RootDir    string // where it keeps images and volumes, on its own host
	Memory     int64  // of its host, bytes
	CPUs       int
	GPU        bool // it can give containers a GPU
	Confines   Confines
}

// Features is what the API version tells, which was agreed with the engine: it costs no request.
type Features struct {
	// NamedContexts reports that the engine's BuildKit can put another image in the place of the one that a Dockerfile is
	// FROM: Docker Engine 23 (API 1.42) and later.
	NamedContexts bool
	// IsolatedGateway reports that the engine's bridges can do without an address of the host: Engine 28 (API 1.48) and
	// later.
	IsolatedGateway bool
}

// Features returns what the API version tells.
func (e *Engine) Features() Features {
	atLeast := func(v string) bool { return versions.GreaterThanOrEqualTo(e.api.ClientVersion(), v) }
	return Features{NamedContexts: atLeast("1.42"), IsolatedGateway: atLeast("1.48")}
}

// Confines is what an engine can hold its containers to.
type Confines struct {
	OS, Arch string // of its containers, as Go names them: linux, amd64
	Cgroup   string // the version of control groups, "1" or "2"; "" where it does not say

	Memory, Swap, PIDs, CPU bool // limits that it enforces

	Seccomp  string // the profile of system calls, "" if it has none
	Rootless bool   // the engine itself is not root
	Remapped bool   // ids of containers are others on the host (userns-remap)
	Runtimes []string
	Runtime  string // the one that containers get unless they name another
}

// Capabilities asks the engine once; an error is not kept.
func (e *Engine) Capabilities(ctx context.Context) (Capabilities, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.capabilities != nil {
		return *e.capabilities, nil
	}
	version, err := e.api.ServerVersion(ctx)
	if err != nil {
		return Capabilities{}, fmt.Errorf("engine version: %w", err)
	}
	info, err := e.api.Info(ctx)
	if err != nil {
		return Capabilities{}, fmt.Errorf("engine info: %w", err)
	}
	_, gpu := info.Runtimes["nvidia"]
	e.capabilities = &Capabilities{
		Features: e.Features(), ID: info.ID, Version: version.Version, APIVersion: version.APIVersion,
		RootDir: info.DockerRootDir, Memory: info.MemTotal, CPUs: info.NCPU, GPU: gpu, Confines: confinesOf(info),
	}
	return *e.capabilities, nil
}

func confinesOf(info system.Info) Confines {
	c := Confines{
		OS: info.OSType, Arch: arch(info.Architecture), Cgroup: info.CgroupVersion, Runtime: info.DefaultRuntime,
		Memory: info.MemoryLimit, Swap: info.SwapLimit, PIDs: info.PidsLimit, CPU: info.CPUCfsPeriod && info.CPUCfsQuota,
		Runtimes: slices.Sorted(maps.Keys(info.Runtimes)),
	}
	for _, option := range info.SecurityOptions {
		name, value, _ := strings.Cut(strings.TrimPrefix(option, "name="), ",")
		switch name {
		case "seccomp":
			if c.Seccomp = strings.TrimPrefix(value, "profile="); c.Seccomp == "unconfined" {
				c.Seccomp = ""
			} else if c.Seccomp == "" {
				c.Seccomp = "default"
			}
		case "rootless":
			c.Rootless = true
		case "userns":
			c.Remapped = true
		}
	}
	return c
}

// arch is Go's name of an architecture that the engine names as its kernel does.
func arch(kernel string) string {
	switch kernel {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l":
		return "arm"
	case "i386", "i686":
		return "386"
	}
	return kernel
}

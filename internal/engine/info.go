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

// Info is what an engine says of itself and its host.
type Info struct {
	Version    string // as the engine gives it, which need not be a semantic version
	APIVersion string // the newest it speaks
	RootDir    string // where it keeps images and volumes, on its own host
	Memory     int64  // of its host, bytes
	CPUs       int
	GPU        bool   // it can give containers a GPU
	Free       uint64 // bytes free in RootDir, 0 where this process cannot see it
	Confines   Confines
}

// Confines is what an engine can hold its containers to.
type Confines struct {
	OS, Arch string // of its containers, as Go names them: linux, amd64
	Cgroup   string // the version of control groups, "1" or "2"; "" where it does not say

	Memory, Swap, PIDs, CPU bool // limits that it enforces

	Seccomp  string // the profile of system calls, "" where there is none
	Rootless bool   // the engine itself is not root
	Remapped bool   // ids of containers are others on the host (userns-remap)
	Runtimes []string
	Runtime  string // the one that containers get unless they name another
}

// Info asks the engine for its version and its host's size.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	version, err := e.api.ServerVersion(ctx)
	if err != nil {
		return Info{}, fmt.Errorf("engine version: %w", err)
	}
	info, err := e.api.Info(ctx)
	if err != nil {
		return Info{}, fmt.Errorf("engine info: %w", err)
	}
	i := Info{Version: version.Version, APIVersion: version.APIVersion, RootDir: info.DockerRootDir, Memory: info.MemTotal, CPUs: info.NCPU}
	_, i.GPU = info.Runtimes["nvidia"]
	i.Confines = confines(info)
	if machine := e.Machine(); machine != nil {
		i.Free = machine.FreeSpace(i.RootDir)
	}
	return i, nil
}

func confines(info system.Info) Confines {
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

// Context is the name of the Docker context.
func (e *Engine) Context() string { return e.context }

// Host is the engine's address, as in unix:///var/run/docker.sock.
func (e *Engine) Host() string { return e.host }

// NamedContexts reports whether the engine's BuildKit can put another image in the
// place of one that a Dockerfile is FROM: Docker Engine 23 (API 1.42) and later.
func (e *Engine) NamedContexts() bool {
	return versions.GreaterThanOrEqualTo(e.api.ClientVersion(), "1.42")
}

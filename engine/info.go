package engine

import (
	"context"
	"fmt"

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
	if e.Local() {
		i.Free = free(i.RootDir)
	}
	return i, nil
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

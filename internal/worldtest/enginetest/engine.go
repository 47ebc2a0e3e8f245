// Package enginetest is a Docker engine in memory, for tests. It keeps what Compose makes, and notes every request. It
// starts no process and listens on no published port: a container with a healthcheck is healthy as soon as it runs.
package enginetest

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"gotest.tools/v3/assert"
)

const apiVersion = "1.51"

// Engine is an engine that listens on a socket of its own.
type Engine struct {
	// Answer is what a command in a container writes to its stdout; its exit code is 0. Nil writes nothing.
	Answer func(command []string) string

	notes
	socket string

	mu         sync.Mutex
	made       int // how many objects have got an ID
	containers []*box
	networks   []*network.Inspect
	volumes    []*volume.Volume
	images     map[string]image.InspectResponse
	commands   map[string]command
	listeners  map[chan struct{}]*subscription
}

// command is a command in a container, by the ID of its exec.
type command struct {
	container string
	options   container.ExecOptions
}

// Start starts an engine that has no containers, networks, volumes or images. The end of the test ends it.
func Start(t *testing.T) *Engine {
	t.Helper()
	// The path of a socket is limited to about 100 bytes, a test's own folder may be longer.
	dir, err := os.MkdirTemp("", "engine")
	assert.NilError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := &Engine{
		socket: filepath.Join(dir, "docker.sock"), images: map[string]image.InspectResponse{},
		commands: map[string]command{}, listeners: map[chan struct{}]*subscription{},
	}
	listener, err := net.Listen("unix", e.socket)
	assert.NilError(t, err)
	server := &http.Server{Handler: e.handler()}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return e
}

// Host is the engine's address, as DOCKER_HOST has it.
func (e *Engine) Host() string { return "unix://" + e.socket }

// handler is the Engine API, without the version that may be in front of a path.
func (e *Engine) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]http.HandlerFunc{
		"GET /_ping":                  e.ping, // HEAD too
		"GET /version":                e.version,
		"GET /info":                   e.info,
		"GET /events":                 e.events,
		"GET /containers/json":        e.locked(e.listContainers),
		"POST /containers/create":     e.locked(e.createContainer),
		"GET /containers/{id}/json":   e.locked(e.inspectContainer),
		"POST /containers/{id}/start": e.locked(e.startContainer),
		"POST /containers/{id}/stop":  e.locked(e.stopContainer),
		"DELETE /containers/{id}":     e.locked(e.removeContainer),
		"POST /containers/{id}/exec":  e.locked(e.createExec),
		"POST /exec/{id}/start":       e.startExec,
		"GET /exec/{id}/json":         e.locked(e.inspectExec),
		"GET /networks":               e.locked(e.listNetworks),
		"POST /networks/create":       e.locked(e.createNetwork),
		"GET /networks/{id}":          e.locked(e.inspectNetwork),
		"DELETE /networks/{id}":       e.locked(e.removeNetwork),
		"GET /volumes":                e.locked(e.listVolumes),
		"POST /volumes/create":        e.locked(e.createVolume),
		"GET /volumes/{id}":           e.locked(e.inspectVolume),
		"DELETE /volumes/{id}":        e.locked(e.removeVolume),
		"GET /images/json":            e.locked(e.listImages),
		"GET /images/{id...}":         e.locked(e.inspectImage),
		"DELETE /images/{id...}":      e.locked(e.removeImage),
	} {
		mux.HandleFunc(pattern, answer)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotImplemented, "no such endpoint here: "+r.Method+" "+r.URL.Path)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.note(r)
		r.URL.Path = withoutVersion(r.URL.Path)
		w.Header().Set("Api-Version", apiVersion)
		w.Header().Set("Ostype", "linux")
		mux.ServeHTTP(w, r)
	})
}

// locked answers requests one after the other.
func (e *Engine) locked(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		answer(w, r)
	}
}

func (e *Engine) ping(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "OK") }

func (e *Engine) version(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"Version": "28.5.2", "ApiVersion": apiVersion, "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64",
	})
}

func (e *Engine) info(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"ID": "memory", "ServerVersion": "28.5.2", "OSType": "linux"})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]string{"message": message})
}

// receive reads the body of a request, and answers if it cannot be read.
func receive(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

// filtersOf reads the filters of a list.
func filtersOf(r *http.Request) filters.Args {
	args, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		return filters.NewArgs()
	}
	return args
}

// isWanted reports whether the filters of a list let an object through. As the engine does, a name matches if the
// filter is a part of it.
func isWanted(args filters.Args, name string, labels map[string]string) bool {
	if !args.MatchKVList("label", labels) {
		return false
	}
	names := args.Get("name")
	for _, part := range names {
		if strings.Contains(name, part) {
			return true
		}
	}
	return len(names) == 0
}

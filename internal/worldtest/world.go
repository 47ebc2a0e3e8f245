// Package worldtest is a machine for tests: folders, a registry and an engine that only tells.
package worldtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/docker/client"
	"github.com/sirupsen/logrus"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Main runs a package's tests; their TestMain calls it. The tests, and the git processes that they start, get a home
// folder of their own. Variables of the developer's shell that say something of looms are removed.
func Main(m *testing.M) {
	home, err := os.MkdirTemp("", "docker-loom-loom")
	if err != nil {
		panic(err)
	}
	config := "[user]\nname = t\nemail = t@example.com\n[init]\ndefaultBranch = main\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		panic(err)
	}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "ILOOM_") || strings.HasPrefix(name, "COMPOSE_") || strings.HasPrefix(name, "DOCKER_") {
			_ = os.Unsetenv(name)
		}
	}
	for k, v := range map[string]string{
		"HOME": home, "USERPROFILE": home, "DOCKER_CONFIG": filepath.Join(home, ".docker"),
		"GIT_CONFIG_GLOBAL": filepath.Join(home, ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1",
	} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	logrus.SetOutput(io.Discard)
	stack.SetProgress("quiet")
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// Addresses of engines. The host ports of Remote are not this machine's: what listens here does not matter.
// RemoteSpace is its lease space.
const (
	Remote      = "tcp://192.0.2.1:2375"
	RemoteSpace = "engine-1"
	Local       = "unix:///var/run/docker.sock"
)

// World is a machine: folders, a registry and an engine that tells of containers, networks and volumes without running
// any.
type World struct {
	T        *testing.T
	Dir      string // of everything; symbolic links resolved
	Stack    *stack.Stack
	Engine   *engine.Engine
	Registry *registry.Registry
	Stderr   *Output

	mu         sync.Mutex
	Containers []Container
	Networks   []map[string]any
	Volumes    []map[string]any
	down       bool     // the engine does not answer
	asked      []string // method and path of each request
}

// Container is what the fake engine tells of one.
type Container struct {
	Name, Project, Service string
	State, Status          string // running and "Up 1 second" where not given
	Labels                 map[string]string
	Published              []string // 0.0.0.0:8080:80/tcp
	// Gone says that it has gone when the engine is asked about it, though it was listed.
	Gone bool
}

// making keeps tests apart where Compose keeps its version in a global.
var making sync.Mutex

// NewStack makes a stack; several tests may do it at once.
func NewStack(docker command.Cli) *stack.Stack {
	making.Lock()
	defer making.Unlock()
	return stack.New(docker, engine.LabelLoom)
}

// New makes a machine with an engine at the address.
func New(t *testing.T, endpoint string) *World {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	w := &World{T: t, Dir: dir, Stderr: &Output{}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	address := "tcp://" + strings.TrimPrefix(server.URL, "http://")
	api, err := client.NewClientWithOpts(client.WithHost(address), client.WithVersion("1.44"))
	assert.NilError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	docker, err := command.NewDockerCli(
		command.WithAPIClient(api), command.WithBaseContext(t.Context()), command.WithCombinedStreams(w.Stderr),
	)
	assert.NilError(t, err)
	assert.NilError(t, docker.Initialize(&flags.ClientOptions{LogLevel: "error"}))
	w.Stack, w.Engine = NewStack(docker), engine.New(api, "default", engine.Endpoint(endpoint))
	w.Registry = registry.Open(filepath.Join(dir, "registry"))
	return w
}

// labelFilter reports which labels a request asks for.
func labelFilter(r *http.Request) func(labels map[string]string) bool {
	var filters map[string]map[string]bool
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	return func(labels map[string]string) bool {
		for want := range filters["label"] {
			name, value, exact := strings.Cut(want, "=")
			if have, ok := labels[name]; !ok || exact && have != value {
				return false
			}
		}
		return true
	}
}

// ServeHTTP answers as the Engine API does.
func (w *World) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		_, path, _ = strings.Cut(path[1:], "/")
		path = "/" + path
	}
	w.asked = append(w.asked, r.Method+" "+path)
	if w.down {
		// No Engine API there: a proxy, say.
		http.NotFound(out, r)
		return
	}
	wanted := labelFilter(r)
	reply := func(v any) {
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(v)
	}
	labelled := func(all []map[string]any) []map[string]any {
		list := []map[string]any{}
		for _, v := range all {
			if labels, _ := v["Labels"].(map[string]string); wanted(labels) {
				list = append(list, v)
			}
		}
		return list
	}
	switch {
	case path == "/_ping":
		out.Header().Set("Api-Version", "1.44")
		reply("OK")
	case path == "/info", path == "/version":
		reply(map[string]any{"ID": RemoteSpace, "Version": "28.0.0", "ApiVersion": "1.44"})
	case path == "/containers/json":
		list := []map[string]any{}
		for _, c := range w.Containers {
			if s := c.summary(); wanted(s["Labels"].(map[string]string)) {
				list = append(list, s)
			}
		}
		reply(list)
	case strings.HasPrefix(path, "/containers/") && strings.HasSuffix(path, "/json"):
		name := strings.Split(path, "/")[2]
		i := slices.IndexFunc(w.Containers, func(c Container) bool { return c.Name == name && !c.Gone })
		if i < 0 {
			http.NotFound(out, r)
			return
		}
		reply(w.Containers[i].inspect())
	case path == "/networks":
		reply(labelled(w.Networks))
	case path == "/volumes":
		reply(map[string]any{"Volumes": labelled(w.Volumes)})
	case path == "/images/json":
		reply([]any{})
	case strings.HasPrefix(path, "/images/") && strings.HasSuffix(path, "/json"):
		// There is no image.
		http.NotFound(out, r)
	default:
		http.Error(out, `{"message":"no such endpoint here: `+r.Method+" "+path+`"}`, http.StatusNotImplemented)
	}
}

func (c Container) all() map[string]string {
	labels := map[string]string{}
	if c.Project != "" {
		labels["com.docker.compose.project"], labels["com.docker.compose.service"] = c.Project, c.Service
		labels["com.docker.compose.container-number"] = "1"
	}
	for k, v := range c.Labels {
		labels[k] = v
	}
	return labels
}

func (c Container) summary() map[string]any {
	state, status := c.State, c.Status
	if state == "" {
		state, status = "running", "Up 1 second"
	}
	ports := []map[string]any{}
	if state == "running" || state == "paused" {
		for _, p := range c.Published {
			ip, host, target, protocol := c.parse(p)
			ports = append(ports, map[string]any{"IP": ip, "PublicPort": host, "PrivatePort": target, "Type": protocol})
		}
	}
	return map[string]any{
		"Id": c.Name, "Names": []string{"/" + c.Name}, "Image": "img", "ImageID": "sha256:1", "Created": 1700000000,
		"State": state, "Status": status, "Labels": c.all(), "Ports": ports,
		"HostConfig": map[string]any{"NetworkMode": "bridge"},
	}
}

func (c Container) inspect() map[string]any {
	bindings := map[string]any{}
	for _, p := range c.Published {
		ip, host, target, protocol := c.parse(p)
		key := fmt.Sprintf("%d/%s", target, protocol)
		list, _ := bindings[key].([]map[string]string)
		bindings[key] = append(list, map[string]string{"HostIp": ip, "HostPort": fmt.Sprint(host)})
	}
	return map[string]any{
		"Id": c.Name, "Name": "/" + c.Name,
		"State": map[string]any{"Status": c.State}, "Config": map[string]any{"Labels": c.all()},
		"HostConfig": map[string]any{"NetworkMode": "bridge", "PortBindings": bindings},
	}
}

func (Container) parse(p string) (ip string, host, target int, protocol string) {
	p, protocol, _ = strings.Cut(p, "/")
	parts := strings.Split(p, ":")
	ip = strings.Join(parts[:len(parts)-2], ":")
	_, _ = fmt.Sscan(parts[len(parts)-2], &host)
	_, _ = fmt.Sscan(parts[len(parts)-1], &target)
	return ip, host, target, protocol
}

// Run puts containers on the engine in place of all there were.
func (w *World) Run(containers ...Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Containers = containers
}

// Keep puts a loom's volume on the engine.
func (w *World) Keep(name, project, id, repository string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Volumes = append(w.Volumes, map[string]any{"Name": name, "Labels": map[string]string{
		"com.docker.compose.project": project, engine.LabelLoom: id, engine.LabelRepo: repository,
	}})
}

// GoAway ends the engine.
func (w *World) GoAway() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
}

// Requests are the requests that the engine got: method and path.
func (w *World) Requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// Path is a path in the machine's folder.
func (w *World) Path(parts ...string) string {
	return filepath.Join(append([]string{w.Dir}, parts...)...)
}

// Write writes a file, and makes its folder.
func (w *World) Write(text string, parts ...string) string {
	w.T.Helper()
	path := w.Path(parts...)
	assert.NilError(w.T, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(w.T, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// Git runs git in a folder.
func (w *World) Git(dir string, args ...string) {
	w.T.Helper()
	cmd := exec.CommandContext(w.T.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	assert.NilError(w.T, err, "git %v: %s", args, out)
}

// Shop is a compose file with a fixed port and a variable one.
const Shop = `services:
  web:
    image: nginx
    ports: ["8080:80"]
  api:
    image: api
    ports: ["${API_PORT:-4000}:4000"]
`

// Repo makes a repository with a compose file in its first commit.
func (w *World) Repo(parts ...string) string {
	w.T.Helper()
	dir := w.Path(parts...)
	w.Write(Shop, append(slices.Clone(parts), "compose.yaml")...)
	w.Git(dir, "init", "-q")
	w.Git(dir, "add", ".")
	w.Git(dir, "commit", "-q", "-m", "first")
	return dir
}

// Tree adds a linked work tree.
func (w *World) Tree(repo, branch string, parts ...string) string {
	w.T.Helper()
	dir := w.Path(parts...)
	if branch == "" {
		w.Git(repo, "worktree", "add", "-q", "--detach", dir)
	} else {
		w.Git(repo, "worktree", "add", "-q", "-b", branch, dir)
	}
	return dir
}

// UserSettings is the path of the user's settings file.
func (w *World) UserSettings() string { return w.Path("settings.json") }

// Teller writes to Stderr.
func (w *World) Teller() tell.Teller { return &tell.Writer{Out: w.Stderr} }

// Know puts looms into the registry.
func (w *World) Know(looms ...registry.Loom) {
	w.T.Helper()
	assert.NilError(w.T, w.Registry.Update(w.T.Context(), func(s *registry.State) error {
		s.Fresh = false
		for _, l := range looms {
			if l.Space == "" {
				space, err := w.Engine.Space(w.T.Context())
				assert.NilError(w.T, err)
				l.Space = space
			}
			s.Put(l)
		}
		return nil
	}))
}

// State reads the registry.
func (w *World) State() *registry.State {
	w.T.Helper()
	s, err := w.Registry.Read(w.T.Context())
	assert.NilError(w.T, err)
	return s
}

// Unreachable reports whether the error says that the engine cannot be reached.
func Unreachable(err error) bool {
	var e *engine.Unreachable
	return errors.As(err, &e)
}

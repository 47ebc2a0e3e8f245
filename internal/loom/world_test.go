package loom

import (
	"bytes"
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
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// TestMain gives every test, and the git processes they start, a home of their own, and takes away what the developer's
// shell says about looms: neither may decide what these tests see.
func TestMain(m *testing.M) {
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

// remote is the address of an engine whose host ports are not this machine's, so that what listens here does not matter;
// remoteSpace is its lease space.
const (
	remote      = "tcp://192.0.2.1:2375"
	remoteSpace = "engine-1"
	local       = "unix:///var/run/docker.sock"
)

// testWorld is a machine: folders, a registry and an engine that tells of containers, networks and volumes without running any.
type testWorld struct {
	t      *testing.T
	dir    string // of everything; symbolic links resolved
	looms  *Looms
	stderr *output

	mu         sync.Mutex
	containers []container
	networks   []map[string]any
	volumes    []map[string]any
	down       bool     // the engine does not answer
	asked      []string // method and path of each request
}

// container is what the fake engine tells of one.
type container struct {
	name, project, service string
	state, status          string // running and "Up 1 second" where not given
	labels                 map[string]string
	published              []string // 0.0.0.0:8080:80/tcp
}

// making keeps tests apart where Compose keeps its version in a global.
var making sync.Mutex

// newWorld makes a machine with an engine at the address.
func newWorld(t *testing.T, endpoint string) *testWorld {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	w := &testWorld{t: t, dir: dir, stderr: &output{}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	api, err := client.NewClientWithOpts(client.WithHost("tcp://"+strings.TrimPrefix(server.URL, "http://")), client.WithVersion("1.44"))
	assert.NilError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	docker, err := command.NewDockerCli(command.WithAPIClient(api), command.WithBaseContext(t.Context()), command.WithCombinedStreams(w.stderr))
	assert.NilError(t, err)
	assert.NilError(t, docker.Initialize(&flags.ClientOptions{LogLevel: "error"}))
	making.Lock()
	compose := stack.New(docker, engine.LabelLoom)
	making.Unlock()
	w.looms = &Looms{
		Stack:        compose,
		Engine:       engine.New(api, "default", engine.Endpoint(endpoint)),
		Registry:     registry.Open(filepath.Join(dir, "registry")),
		UserSettings: filepath.Join(dir, "settings.json"),
		Version:      "test",
		Teller:       &tell.Writer{Out: w.stderr},
		Process:      host.Current(),
	}
	return w
}

// output is a buffer that several commands may write at once, as processes write to a terminal.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// take gives what was written since the last time.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}

func (w *testWorld) ServeHTTP(out http.ResponseWriter, r *http.Request) {
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
	var filters map[string]map[string]bool
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	wanted := func(labels map[string]string) bool {
		for want := range filters["label"] {
			name, value, exact := strings.Cut(want, "=")
			if have, ok := labels[name]; !ok || exact && have != value {
				return false
			}
		}
		return true
	}
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
	case path == "/info":
		reply(map[string]any{"ID": remoteSpace})
	case path == "/containers/json":
		list := []map[string]any{}
		for _, c := range w.containers {
			if s := c.summary(); wanted(s["Labels"].(map[string]string)) {
				list = append(list, s)
			}
		}
		reply(list)
	case strings.HasPrefix(path, "/containers/") && strings.HasSuffix(path, "/json"):
		name := strings.Split(path, "/")[2]
		i := slices.IndexFunc(w.containers, func(c container) bool { return c.name == name })
		if i < 0 {
			http.NotFound(out, r)
			return
		}
		reply(w.containers[i].inspect())
	case path == "/networks":
		reply(labelled(w.networks))
	case path == "/volumes":
		reply(map[string]any{"Volumes": labelled(w.volumes)})
	case path == "/images/json":
		reply([]any{})
	default:
		http.Error(out, `{"message":"no such endpoint here: `+r.Method+" "+path+`"}`, http.StatusNotImplemented)
	}
}

func (c container) all() map[string]string {
	labels := map[string]string{}
	if c.project != "" {
		labels["com.docker.compose.project"], labels["com.docker.compose.service"], labels["com.docker.compose.container-number"] = c.project, c.service, "1"
	}
	for k, v := range c.labels {
		labels[k] = v
	}
	return labels
}

func (c container) summary() map[string]any {
	state, status := c.state, c.status
	if state == "" {
		state, status = "running", "Up 1 second"
	}
	ports := []map[string]any{}
	if state == "running" || state == "paused" {
		for _, p := range c.published {
			ip, host, target, protocol := c.parse(p)
			ports = append(ports, map[string]any{"IP": ip, "PublicPort": host, "PrivatePort": target, "Type": protocol})
		}
	}
	return map[string]any{
		"Id": c.name, "Names": []string{"/" + c.name}, "Image": "img", "ImageID": "sha256:1", "Created": 1700000000,
		"State": state, "Status": status, "Labels": c.all(), "Ports": ports, "HostConfig": map[string]any{"NetworkMode": "bridge"},
	}
}

func (c container) inspect() map[string]any {
	bindings := map[string]any{}
	for _, p := range c.published {
		ip, host, target, protocol := c.parse(p)
		key := fmt.Sprintf("%d/%s", target, protocol)
		list, _ := bindings[key].([]map[string]string)
		bindings[key] = append(list, map[string]string{"HostIp": ip, "HostPort": fmt.Sprint(host)})
	}
	return map[string]any{
		"Id": c.name, "Name": "/" + c.name, "State": map[string]any{"Status": c.state}, "Config": map[string]any{"Labels": c.all()},
		"HostConfig": map[string]any{"NetworkMode": "bridge", "PortBindings": bindings},
	}
}

func (container) parse(p string) (ip string, host, target int, protocol string) {
	p, protocol, _ = strings.Cut(p, "/")
	parts := strings.Split(p, ":")
	ip = strings.Join(parts[:len(parts)-2], ":")
	_, _ = fmt.Sscan(parts[len(parts)-2], &host)
	_, _ = fmt.Sscan(parts[len(parts)-1], &target)
	return ip, host, target, protocol
}

// run puts containers on the engine in place of all there were.
func (w *testWorld) run(containers ...container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.containers = containers
}

// keep puts a loom's volume on the engine.
func (w *testWorld) keep(name, project, id, repository string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.volumes = append(w.volumes, map[string]any{"Name": name, "Labels": map[string]string{
		"com.docker.compose.project": project, engine.LabelLoom: id, engine.LabelRepo: repository,
	}})
}

// goAway ends the engine.
func (w *testWorld) goAway() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
}

func (w *testWorld) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func (w *testWorld) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

func (w *testWorld) write(text string, parts ...string) string {
	w.t.Helper()
	path := w.path(parts...)
	assert.NilError(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(w.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func (w *testWorld) git(dir string, args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	assert.NilError(w.t, err, "git %v: %s", args, out)
}

// shop is a compose file with a fixed port and a variable one.
const shop = `services:
  web:
    image: nginx
    ports: ["8080:80"]
  api:
    image: api
    ports: ["${API_PORT:-4000}:4000"]
`

// repo makes a repository with a compose file in its first commit.
func (w *testWorld) repo(parts ...string) string {
	w.t.Helper()
	dir := w.path(parts...)
	w.write(shop, append(slices.Clone(parts), "compose.yaml")...)
	w.git(dir, "init", "-q")
	w.git(dir, "add", ".")
	w.git(dir, "commit", "-q", "-m", "first")
	return dir
}

// tree adds a linked work tree.
func (w *testWorld) tree(repo, branch string, parts ...string) string {
	w.t.Helper()
	dir := w.path(parts...)
	if branch == "" {
		w.git(repo, "worktree", "add", "-q", "--detach", dir)
	} else {
		w.git(repo, "worktree", "add", "-q", "-b", branch, dir)
	}
	return dir
}

// know puts looms into the registry.
func (w *testWorld) know(looms ...registry.Loom) {
	w.t.Helper()
	assert.NilError(w.t, w.looms.Registry.Update(w.t.Context(), func(s *registry.State) error {
		s.Fresh = false
		for _, l := range looms {
			if l.Space == "" {
				space, err := w.looms.Engine.Space(w.t.Context())
				assert.NilError(w.t, err)
				l.Space = space
			}
			s.Put(l)
		}
		return nil
	}))
}

func (w *testWorld) state() *registry.State {
	w.t.Helper()
	s, err := w.looms.Registry.Read(w.t.Context())
	assert.NilError(w.t, err)
	return s
}

func in(dir, id string) Where { return Where{ID: id, Source: stack.Source{Dir: dir}} }

// plan resolves and plans as up does, and leases.
func (w *testWorld) plan(dir, id string, o Options) (*Plan, error) {
	w.t.Helper()
	target, err := w.looms.Resolve(w.t.Context(), in(dir, id), Making)
	if err != nil {
		return nil, err
	}
	return w.looms.Plan(w.t.Context(), target, o)
}

// mustPlan is plan that has to work.
func (w *testWorld) mustPlan(dir, id string, o Options) *Plan {
	w.t.Helper()
	p, err := w.plan(dir, id, o)
	assert.NilError(w.t, err)
	return p
}

func hostPorts(p *Plan) []int {
	list := []int{}
	for _, l := range p.Entry.Ports {
		list = append(list, l.Host)
	}
	return list
}

// unreachable tells whether the error is that of an engine that cannot be reached.
func unreachable(err error) bool {
	var e *engine.Unreachable
	return errors.As(err, &e)
}

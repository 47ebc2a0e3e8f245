//go:build e2e

// Package e2e drives the real binary, as docker loom, against a real engine. Each file in testdata/script is one script:
// the files of a repository, and what its user does in it. The commands that scripts have beside testscript's own are in
// commands_test.go.
//
// Scripts run side by side on one engine. Each has a home, a Docker configuration and with it a registry of its own, so
// that what ls shows and what a damaged registry breaks stays in the script. What the registry would have kept apart the
// harness does: names carry the script's, host ports come from the script's own range (see [portRange]), networks' subnets
// from its own pool.
package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"
	"github.com/rogpeppe/go-internal/testscript"
)

// keep makes scripts keep their folders, and what they made on the engine.
var keep = flag.Bool("keep", false, "keep the scripts' folders and what they made on the engine")

// suite is what all scripts share.
var suite struct {
	docker *client.Client
	host   string // the engine's address
	api    string // its API version
	plugin string // the built binary
	run    string // tells this run's names from another's
}

func TestMain(m *testing.M) {
	flag.Parse()
	// Scripts mostly wait for the engine.
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(fmt.Sprint(2 * runtime.GOMAXPROCS(0)))
	}
	dir, err := os.MkdirTemp("", "loom-e2e-")
	if err == nil {
		err = begin(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// begin finds the engine and builds the plugin. Without an engine the tests fail: they are never skipped.
func begin(dir string) error {
	out, err := exec.Command("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").Output()
	if err != nil {
		return fmt.Errorf("docker context inspect: %w", err)
	}
	suite.host = strings.TrimSpace(string(out))
	if suite.docker, err = client.NewClientWithOpts(client.FromEnv, client.WithHost(suite.host), client.WithAPIVersionNegotiation()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	version, err := suite.docker.ServerVersion(ctx)
	if err != nil {
		return fmt.Errorf("these tests need a Docker engine: %w\nmake test-e2e brings its own if docker reaches none", err)
	}
	suite.api = version.APIVersion
	if _, err := suite.docker.ImageInspect(ctx, image); err != nil {
		return fmt.Errorf("the engine has no image %s: make test-e2e, or scripts/with-engine -s, brings an engine that has", image)
	}
	suite.run = fmt.Sprintf("%04x", time.Now().UnixNano()/1000%0x10000)
	if suite.plugin = os.Getenv("LOOM_PLUGIN"); suite.plugin != "" {
		suite.plugin, err = filepath.Abs(suite.plugin)
		return err
	}
	suite.plugin, err = build(dir, "e2e")
	return err
}

// image is what the scripts' containers run. The engine has it from the start.
const image = "loom-test/busybox:latest"

// build makes a plugin that calls itself by this version.
func build(dir, version string) (string, error) {
	path := filepath.Join(dir, version, "docker-loom")
	compose, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/docker/compose/v2").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	flags := "-s -w -X github.com/docker-loom/docker-loom/cmd/docker-loom/metadata.Version=" + version + " -X github.com/docker/compose/v2/internal.Version=" + strings.TrimSpace(string(compose))
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", path, "../cmd/docker-loom")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// another is a second plugin, of another version: built once, when a script asks for it.
var another = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "loom-e2e-another-")
	if err != nil {
		return "", err
	}
	return build(dir, "another")
})

// TestScript runs testdata/script/*.txtar, or with LOOM_E2E_CORE those whose names begin with core_.
func TestScript(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	slices.Sort(files)
	index := map[string]int{}
	for i, file := range files {
		index[strings.TrimSuffix(filepath.Base(file), ".txtar")] = i
	}
	if os.Getenv("LOOM_E2E_CORE") != "" {
		files = slices.DeleteFunc(files, func(file string) bool { return !strings.HasPrefix(filepath.Base(file), "core_") })
	}
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
			return setup(env, name, index[name])
		},
		Cmds:                commands,
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		TestWork:            *keep,
	})
}

// condition knows [engine20]: an engine without what came after 20.10.
func condition(cond string) (bool, error) {
	if cond == "engine20" {
		return suite.api == "1.41", nil
	}
	return false, fmt.Errorf("unknown condition %s", cond)
}

// setup makes the script's world: a home, a Docker configuration with the plugins, and in $WORK/$REPO a git repository
// whose first commit is the script's files. Files below ./ of the archive named ../x stay outside of the repository.
func setup(env *testscript.Env, script string, index int) error {
	// The end of the name is the script's own: what is left is found by it, and one script's name may end like another's.
	own := sha256.Sum256([]byte(suite.run + script))
	repo := strings.ReplaceAll(script, "_", "-") + "-" + hex.EncodeToString(own[:2])
	if len(repo) > 30 {
		return fmt.Errorf("script %s: a name of more than 25 characters is cut in project names", script)
	}
	s := &state{
		repo: repo, work: env.WorkDir, home: filepath.Join(env.WorkDir, "home"), ids: map[string][]string{},
		processes: map[string]*process{}, listeners: map[string]func(){},
	}
	env.Values[stateKey] = s
	env.Setenv("REPO", repo)
	env.Setenv("HOME", s.home)
	env.Setenv("DOCKER_HOST", suite.host)
	env.Setenv("DOCKER_CONFIG", filepath.Join(s.home, ".docker"))
	env.Setenv("REGISTRY", filepath.Join(s.home, ".docker", "loom"))
	// What the caller's shell has set must not reach the scripts; env.Vars has only what is named here and in testscript.
	for _, name := range []string{"DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "SSH_AUTH_SOCK"} {
		if v := os.Getenv(name); v != "" {
			env.Setenv(name, v)
		}
	}
	ports := portRange(index)
	for name, port := range ports {
		env.Setenv(name, fmt.Sprint(port))
	}
	if err := s.configure(index); err != nil {
		return err
	}
	// On success and on failure alike, and also where the script's processes still run.
	env.Defer(func() { s.end(env) })
	return s.populate(env, ports)
}

// portRange gives a script its base ports PORT_A to PORT_D, and what becomes of them in looms 123 to 126, with the moves
// by a thousand too: PORT_A_123, PORT_A_1123. Bases are ten apart, so that PORT_A + 124 is not PORT_B + 123. The ranges of
// scripts begin 208 apart: no two of the offsets differ by a multiple of that, so no port of a script is another's. All
// stay below 32768 for 130 scripts; from there on Linux gives ports to connections.
func portRange(index int) map[string]int {
	ports := map[string]int{}
	for i := range 4 {
		base := 3000 + 208*index + 10*i
		name := "PORT_" + string(rune('A'+i))
		ports[name] = base
		for _, offset := range []int{1, 123, 124, 125, 126, 1000, 1123, 1124, 1125, 2123} {
			ports[fmt.Sprintf("%s_%d", name, offset)] = base + offset
		}
	}
	return ports
}

// configure writes the home: git's identity, Docker's plugins, and the pool of subnets that keeps scripts with separate
// registries apart: until a network is there, only a registry knows that its subnet is taken.
func (s *state) configure(index int) error {
	plugins := filepath.Join(s.home, ".docker", "cli-plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return err
	}
	around := os.Getenv("DOCKER_CONFIG")
	if around == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return err
		}
		around = filepath.Join(home, ".docker")
	}
	for _, name := range []string{"docker-compose", "docker-buildx"} {
		if path := filepath.Join(around, "cli-plugins", name); exists(path) {
			if err := os.Symlink(path, filepath.Join(plugins, name)); err != nil {
				return err
			}
		}
	}
	if err := os.Symlink(suite.plugin, filepath.Join(plugins, "docker-loom")); err != nil {
		return err
	}
	pool := fmt.Sprintf("10.%d.%d.0/20", 176+index/16, index%16*16)
	settings, err := json.Marshal(map[string]any{"container": map[string]any{"addressPool": []string{pool}}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.home, ".config", "iloom-ai"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.home, ".config", "iloom-ai", "settings.json"), settings, 0o644); err != nil {
		return err
	}
	// With an empty registry: a missing registry is rebuilt from all looms on the engine.
	registry := filepath.Join(s.home, ".docker", "loom")
	if err := os.Mkdir(registry, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(registry, "registry.json"), []byte("{\n  \"looms\": [],\n  \"version\": 1\n}\n"), 0o600); err != nil {
		return err
	}
	identity := "[user]\n\tname = Loom Tester\n\temail = tester@loom.test\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
	return os.WriteFile(filepath.Join(s.home, ".gitconfig"), []byte(identity), 0o644)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

package plugin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run this test binary as docker-loom.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"docker-loom": func() { os.Exit(Main("1.2.3")) }})
}

// TestScript runs what needs no containers: usage, errors, plans. The engine of these scripts is one that has nothing; with
// $NO_ENGINE as DOCKER_HOST there is none.
func TestScript(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(emptyEngine))
	// After the scripts, which run in parallel once this function has returned.
	t.Cleanup(srv.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			repo := filepath.Join(env.WorkDir, "shop")
			env.Setenv("HOME", home)
			env.Setenv("USERPROFILE", home)
			env.Setenv("DOCKER_HOST", "tcp://"+srv.Listener.Addr().String())
			env.Setenv("NO_ENGINE", "unix://"+filepath.Join(env.WorkDir, "none.sock"))
			env.Setenv("DOCKER_CONFIG", filepath.Join(home, ".docker"))
			env.Setenv("REGISTRY", filepath.Join(home, ".docker", "loom", "registry.json"))
			if err := os.MkdirAll(home, 0o755); err != nil {
				return err
			}
			identity := "[user]\n\tname = Loom Tester\n\temail = tester@loom.test\n[init]\n\tdefaultBranch = main\n"
			if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(identity), 0o644); err != nil {
				return err
			}
			// The files of the script are those of a repository called shop.
			entries, err := os.ReadDir(env.WorkDir)
			if err != nil {
				return err
			}
			if err := os.Mkdir(repo, 0o755); err != nil {
				return err
			}
			for _, e := range entries {
				if e.Name() == ".tmp" || e.Name() == "home" {
					continue
				}
				if err := os.Rename(filepath.Join(env.WorkDir, e.Name()), filepath.Join(repo, e.Name())); err != nil {
					return err
				}
			}
			env.Cd = repo
			for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "--allow-empty", "-m", "first"}} {
				cmd := exec.Command("git", args...)
				cmd.Dir, cmd.Env = repo, env.Vars
				if out, err := cmd.CombinedOutput(); err != nil {
					env.T().Log(string(out))
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      cmdCode,
			"unchanged": cmdUnchanged,
			"json":      cmdJSON,
		},
	})
}

var apiVersion = regexp.MustCompile(`^/v[0-9.]+`)

// emptyEngine answers as an engine does that has no containers, networks, volumes or images.
func emptyEngine(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.51")
	w.Header().Set("Ostype", "linux")
	answers := map[string]any{
		"/_ping":           "OK",
		"/version":         map[string]any{"Version": "28.5.2", "ApiVersion": "1.51", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"},
		"/info":            map[string]any{"ID": "empty", "ServerVersion": "28.5.2", "OSType": "linux"},
		"/containers/json": []any{},
		"/networks":        []any{},
		"/volumes":         map[string]any{"Volumes": []any{}},
		"/images/json":     []any{},
	}
	answer, ok := answers[apiVersion.ReplaceAllString(r.URL.Path, "")]
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]any{"message": "this engine has nothing, and takes nothing: " + r.Method + " " + r.URL.Path}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// cmdCode runs a command and wants an exit code: code N COMMAND.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// cmdUnchanged wants no file that git does not know, and nothing in the registry.
func cmdUnchanged(ts *testscript.TestScript, _ bool, _ []string) {
	cmd := exec.Command("git", "status", "--porcelain", "--ignored")
	cmd.Dir = ts.MkAbs(".")
	out, err := cmd.Output()
	ts.Check(err)
	if len(out) > 0 {
		ts.Fatalf("git status shows:\n%s", out)
	}
	if data, err := os.ReadFile(ts.Getenv("REGISTRY")); err == nil && strings.Contains(string(data), `"id"`) {
		ts.Fatalf("the registry has:\n%s", data)
	}
}

// cmdJSON wants a value in a JSON document: json FILE PATH TEXT, with a path such as ports.0.url.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH TEXT")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, step := range strings.Split(args[1], ".") {
		switch now := v.(type) {
		case map[string]any:
			v = now[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(now) {
				ts.Fatalf("%s: no %s", args[1], step)
			}
			v = now[i]
		default:
			ts.Fatalf("%s: no %s", args[1], step)
		}
	}
	got, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		ts.Check(err)
		got = string(b)
	}
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %s, not as wanted: %s", args[1], got, args[2])
	}
}

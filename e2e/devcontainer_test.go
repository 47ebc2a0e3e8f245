//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// referenceVersion is that of the reference CLI of dev containers, which opens containers as VS Code does.
const referenceVersion = "0.89.0"

// reference is the reference CLI, installed into a cache folder of the tests' own: once, when a script asks for it. Without
// node and npm the script fails, it is never skipped.
var reference = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "docker-loom", "devcontainers-cli-"+referenceVersion)
	program := filepath.Join(dir, "node_modules", "@devcontainers", "cli", "devcontainer.js")
	if exists(program) {
		return program, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	// Beside its place and moved there whole: two runs may install at once.
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	cmd := exec.Command("npm", "install", "--prefix", fresh, "--no-audit", "--no-fund", "@devcontainers/cli@"+referenceVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the reference CLI of dev containers needs node and npm: npm install: %w\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil && !exists(program) {
		return "", err
	}
	return program, nil
})

// cmdReference runs the reference CLI. Of up, which prints one line of JSON, the container is noted as $CONTAINER, and the
// log is the command's stderr.
func cmdReference(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: devcontainer COMMAND [ARG...]")
	}
	program, err := reference()
	ts.Check(err)
	run := append([]string{"240", "node", program}, args...)
	err = ts.Exec("timeout", run...)
	if err != nil && err.Error() == "exit status 124" {
		// up listens for the event of its container's start with a client of its own, and waits for ever where that is the
		// later of the two. The second finds the container running.
		err = ts.Exec("timeout", run...)
	}
	if (err == nil) == neg {
		ts.Fatalf("devcontainer %s: %v", args[0], err)
	}
	if neg || args[0] != "up" {
		return
	}
	var result struct{ Outcome, ContainerID string }
	out := strings.TrimSpace(ts.ReadFile("stdout"))
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Outcome != "success" {
		ts.Fatalf("devcontainer up says %s: %v", out, err)
	}
	ts.Setenv("CONTAINER", result.ContainerID)
}

// cmdIs compares the container that devcontainer up returned with that of a service: is PROJECT SERVICE.
func cmdIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: is PROJECT SERVICE")
	}
	var ids []string
	for _, c := range list(ts, args[0]) {
		if c.Labels["com.docker.compose.service"] == args[1] {
			ids = append(ids, c.ID)
		}
	}
	same := len(ids) == 1 && ids[0] == ts.Getenv("CONTAINER")
	if same == neg {
		ts.Fatalf("devcontainer up returned %s; service %s of %s is %v", ts.Getenv("CONTAINER"), args[1], args[0], ids)
	}
}

// cmdLines wants a file of the container to have exactly these lines: lines CONTAINER FILE LINE...
func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: lines CONTAINER FILE [LINE...]")
	}
	cmd := exec.Command("docker", "exec", args[0], "cat", args[1])
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+suite.host)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("%v: %s", err, stderr.String())
	}
	got := strings.Fields(string(out))
	if strings.Join(got, " ") != strings.Join(args[2:], " ") {
		ts.Fatalf("%s has %q, want %q", args[1], got, args[2:])
	}
}

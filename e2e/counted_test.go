//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/docker-loom/docker-loom/internal/worldtest/counting"
	"github.com/docker-loom/docker-loom/internal/worldtest/enginetest"
)

// cmdCounted runs docker-loom on the engine by way of a proxy, and writes a table of what it asked, opened and started.
func cmdCounted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: counted FILE ARG...")
	}
	s := of(ts)
	// The same address each time: a sandbox is made for one engine.
	proxy, err := enginetest.NewProxy(filepath.Join(s.work, "engine.sock"), ts.Getenv("DOCKER_HOST"))
	ts.Check(err)
	defer proxy.Close()
	counter, err := counting.New(s.work, proxy.Requests)
	ts.Check(err)
	defer counter.Close()
	here := ts.MkAbs(".")
	for prefix, dir := range map[string]string{
		"": here, ".iloom/": filepath.Join(here, ".iloom"),
		"main/.iloom/":        filepath.Join(s.work, s.repo, ".iloom"),
		"~/.docker/loom/":     ts.Getenv("REGISTRY"),
		"~/.config/iloom-ai/": filepath.Join(s.home, ".config", "iloom-ai"),
	} {
		ts.Check(counter.Watch(prefix, dir))
	}
	cmd := exec.Command(suite.plugin, args[1:]...)
	cmd.Dir = here
	for _, name := range []string{"HOME", "DOCKER_CONFIG", "ILOOM_AGENT_IMAGE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Env = append(cmd.Env, "DOCKER_HOST="+proxy.Host(), "PATH="+counter.Path(os.Getenv("PATH")))
	out, err := cmd.CombinedOutput()
	ts.Logf("%s", out)
	ts.Check(err)
	parts, err := counter.Parts()
	ts.Check(err)
	// This is asked until the command has ended, which may be once or twice.
	delete(parts[0].Times, "GET /exec/ID/json")
	title := "docker loom " + strings.Join(args[1:], " ")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(counting.Table(title, parts)), 0o644))
}

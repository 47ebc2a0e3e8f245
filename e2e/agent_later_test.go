//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// mounted is a project whose service mounts a part of the work tree, and starts again whenever the file die is there.
func mounted(base int) map[string]string {
	files := gitWorld(base)
	files["compose.yaml"] = fmt.Sprintf(`services:
  web:
    image: %s
    command: ["sh", "-c", "rm -f /src/.attack/die; httpd -p 80 -h /src/www; while [ ! -e /src/.attack/die ]; do sleep 0.1; done"]
    restart: always
    stop_signal: SIGKILL
    volumes: [".:/src", "./data:/data", "./parts/one/conf:/conf:ro"]
    ports: ["%d:80"]
    secrets: [word]
secrets: {word: {file: ./parts/two/word}}
`, image, base)
	files["data/file"] = "data\n"
	files["parts/one/conf/file"] = "conf\n"
	files["parts/two/word"] = "word\n"
	return files
}

// TestAgentCannotLeadTheEngineElsewhere: what a service mounts of the work tree stays what it is. The engine follows links
// each time that a container starts, and whoever runs in the container can make it start.
func TestAgentCannotLeadTheEngineElsewhere(t *testing.T) {
	t.Parallel()
	const place = 2
	s := newSiege(t, "elsewhere", place, 0, "", mounted(basePort(place)))
	assert.NilError(t, os.Chmod(filepath.Join(s.tree("123"), "www", "cgi-bin", "attack"), 0o755))
	s.up("123")
	alive := func() {
		t.Helper()
		if o := s.agent("123", "", "sh", "-c", "for i in $(seq 100); do wget -Y off -q -O - http://web/ >/dev/null && exit; sleep 0.1; done; exit 1"); o.err != nil {
			t.Fatal(o, s.docker("ps", "-a", "--no-trunc"), s.docker("inspect", "-f", "{{json .State}}", s.project("123")+"-web-1"))
		}
	}
	alive()
	web := s.project("123") + "-web-1"
	swap := fmt.Sprintf("cd %s; for p in data parts/one/conf parts/two/word parts/one parts/two parts; do mv $p $p.old && ln -s %s $p; done", "%s", s.home)
	// From the sandbox, and from web itself, which is root.
	o := s.agent("123", "", "sh", "-c", fmt.Sprintf(swap, s.tree("123")))
	t.Logf("from the sandbox: %s", o)
	o = run(s.command(s.work, "docker", "exec", web, "sh", "-c", fmt.Sprintf(swap, "/src")))
	t.Logf("from web: %s", o)
	before := s.docker("inspect", "-f", "{{.RestartCount}}", web)
	s.agent("123", "", "touch", filepath.Join(s.tree("123"), ".attack", "die"))
	for s.docker("inspect", "-f", "{{.RestartCount}} {{.State.Running}}", web) == before+" true" {
		if t.Context().Err() != nil {
			t.Fatal("web does not start again")
		}
	}
	alive()
	o = run(s.command(s.work, "docker", "exec", web, "sh", "-c", "cat /data/.gitconfig /conf/.gitconfig /data/.docker/loom/registry.json"))
	if strings.Contains(o.stdout.String(), "Loom Tester") {
		t.Errorf("attack: a link in the place of what web mounts has led the engine to the user's home:\n%s", o)
	}
	for _, p := range []string{"data", "parts", "parts/one", "parts/one/conf", "parts/two", "parts/two/word"} {
		info, err := os.Lstat(filepath.Join(s.tree("123"), p))
		assert.NilError(t, err)
		if info.Mode()&os.ModeSymlink != 0 {
			t.Errorf("attack: %s is a link now", p)
		}
	}
}

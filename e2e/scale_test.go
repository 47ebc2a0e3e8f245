//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

// threefold is a project of three services with a port each, which tell whose they are.
func threefold(base int) string {
	s := "services:\n"
	for i, name := range []string{"web", "api", "db"} {
		s += fmt.Sprintf(`  %s:
    image: %s
    command: ["sh", "-c", "test -e /data/index.html || echo %[1]s of $$ME >/data/index.html; exec httpd -f -p 80 -h /data"]
    stop_signal: SIGKILL
    environment: {ME: "${ILOOM_LOOM:-$ME}"}
    ports: ["%[3]d:80"]
    volumes: ["%[1]s:/data"]
`, name, image, base+10*i)
	}
	return s + "volumes: {web: , api: , db: }\n"
}

// used is the memory in use on this machine, in MB.
func used(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("free", "-m").Output()
	assert.NilError(t, err)
	n, err := strconv.Atoi(strings.Fields(strings.Split(string(out), "\n")[1])[2])
	assert.NilError(t, err)
	return n
}

// TestFortyLooms is the proof of scale that make bench-scale runs: forty looms of three services are up, all answer as
// themselves, none shares anything with another, and their end leaves nothing. Beside it the same by hand: forty folders
// with ports of their own, and plain docker compose.
func TestFortyLooms(t *testing.T) {
	many, err := strconv.Atoi(os.Getenv("LOOM_BENCH_SCALE"))
	if err != nil {
		t.Skip("make bench-scale runs it, and says how many")
	}
	const place = 11
	base := basePort(place)
	f := newField(t, "forty", place, map[string]string{"compose.yaml": threefold(base)})
	before := f.exclude()
	measure := func(what string, do func(n int)) {
		memory, begun := used(t), time.Now()
		for n := 1; n <= many; n++ {
			do(n)
		}
		t.Logf("%s: %.2f s and %.0f MB each", what, time.Since(begun).Seconds()/float64(many), float64(used(t)-memory)/float64(many))
	}

	measure("docker loom up", func(n int) { f.must("up", strconv.Itoa(n)) })
	f.disjoint()
	whole := made{containers: 3, running: 3, networks: 1, volumes: 3}
	for _, l := range f.promises().Looms {
		assert.Equal(t, len(l.Ports), 3)
		for _, lease := range l.Ports {
			name := []string{"web", "api", "db"}[(lease.Base-base)/10]
			assert.NilError(t, f.answers(lease.Host, name+" of "+l.ID))
		}
		m, err := f.has(l.Project)
		assert.NilError(t, err)
		assert.Equal(t, m, whole, l.ID)
	}
	begun := time.Now()
	assert.Equal(t, len(f.looms()), many)
	t.Logf("docker loom ls --format json, with activity: %.2f s", time.Since(begun).Seconds())
	begun = time.Now()
	f.must("ls")
	t.Logf("docker loom ls: %.2f s", time.Since(begun).Seconds())
	begun = time.Now()
	f.must("down", "--all", "--volumes", "--force")
	t.Logf("docker loom down --all --volumes --force: %.2f s each", time.Since(begun).Seconds()/float64(many))
	for n := 1; n <= many; n++ {
		f.nothing(f.project(strconv.Itoa(n)))
	}
	assert.Equal(t, len(f.promises().Looms), 0)
	f.tidy(before)

	dir := func(n int) string { return filepath.Join(f.work, fmt.Sprintf("%s-plain-%d", f.repo, n)) }
	compose := func(n int, args ...string) {
		cmd := f.command(dir(n), "docker", append([]string{"compose"}, args...)...)
		cmd.Env = append(cmd.Env, fmt.Sprintf("ME=%d", n))
		o := run(cmd)
		assert.NilError(t, o.err, "%s", o)
	}
	for n := 1; n <= many; n++ {
		f.write(filepath.Join(dir(n), "compose.yaml"), threefold(base+30*n))
	}
	measure("docker compose up -d", func(n int) { compose(n, "up", "-d") })
	begun = time.Now()
	for n := 1; n <= many; n++ {
		compose(n, "down", "--volumes")
	}
	t.Logf("docker compose down --volumes: %.2f s each", time.Since(begun).Seconds()/float64(many))
}

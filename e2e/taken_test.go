//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// trio publishes a tcp port on all addresses, one on 127.0.0.1 alone, and a udp port.
func trio(base int) map[string]string {
	return map[string]string{"compose.yaml": fmt.Sprintf(`services:
  web:
    image: %s
    command: ["sh", "-c", "httpd -p 81; exec httpd -f -p 80"]
    stop_signal: SIGKILL
    ports: ["%d:80", "127.0.0.1:%d:81", "%d:82/udp"]
`, image, base, base+70, base+140)}
}

// up brings a loom up and returns its host ports by container port, each of its own number on all its addresses.
func (f *field) up(dir string, args ...string) map[int]int {
	f.Helper()
	o := run(f.command(dir, "docker", append([]string{"loom", "up", "--format", "json"}, args...)...))
	assert.NilError(f, o.err, "%s", o)
	var told struct {
		Ports []struct{ Target, Published int }
	}
	assert.NilError(f, json.Unmarshal(o.stdout.Bytes(), &told))
	published := map[int]int{}
	for _, p := range told.Ports {
		assert.Assert(f, published[p.Target] == 0 || published[p.Target] == p.Published, "%+v", told)
		published[p.Target] = p.Published
	}
	assert.Equal(f, len(published), 3, "%+v", told)
	return published
}

// TestTakenPorts: what anybody else has of a host port keeps a loom from it, running or not, and then all the loom's ports
// move together.
func TestTakenPorts(t *testing.T) {
	notCore(t)
	t.Parallel()
	const place = 1
	f := newField(t, "taken", place, trio(basePort(place)))
	web, local, dns := f.base, f.base+70, f.base+140
	at := func(offset int) map[int]int {
		return map[int]int{80: web + offset, 81: local + offset, 82: dns + offset}
	}

	t.Run("a lease of a loom that is down", func(t *testing.T) {
		f := f.in(t)
		assert.DeepEqual(t, f.up(f.repoDir, "30"), at(30))
		f.must("down", "30")
		f.nothing(f.project("30"))
		other := f.another("taken2")
		assert.DeepEqual(t, f.up(other, "30"), at(1030))
		assert.DeepEqual(t, f.up(f.repoDir, "30"), at(30))
	})
	t.Run("a lease of a loom that never ran", func(t *testing.T) {
		f := f.in(t)
		f.must("prepare", "31", "--files-only")
		assert.DeepEqual(t, f.up(f.another("taken3"), "31"), at(1031))
	})
	t.Run("a pinned offset of another loom", func(t *testing.T) {
		f := f.in(t)
		assert.DeepEqual(t, f.up(f.repoDir, "200", "--offset", "32"), at(32))
		assert.DeepEqual(t, f.up(f.repoDir, "32"), at(1032))
		// And the other way round: what is pinned cannot move, and the error names the loom.
		o := f.loom("up", "201", "--offset", "1032")
		assert.Assert(t, o.err != nil && strings.Contains(o.stderr.String(), "is held by loom "+f.repo+"/32"), "%s", o)
		f.nothing(f.project("201"))
		assert.Assert(t, f.promises().Find(f.repoDir, "201") == nil)
	})
	t.Run("one port of another loom", func(t *testing.T) {
		f := f.in(t)
		// The web of 103 wants what the local of 33 has.
		assert.DeepEqual(t, f.up(f.repoDir, "33"), at(33))
		assert.DeepEqual(t, f.up(f.repoDir, "103"), at(1103))
	})
	t.Run("a base port of main", func(t *testing.T) {
		f := f.in(t)
		assert.DeepEqual(t, f.up(f.repoDir, "main"), at(0))
		// The web of 70 wants what main's local has.
		assert.DeepEqual(t, f.up(f.repoDir, "70"), at(1070))
		f.must("down", "main")
		f.must("down", "70")
		assert.DeepEqual(t, f.up(f.repoDir, "70"), at(1070))
		f.must("down", "70", "--volumes")
		assert.DeepEqual(t, f.up(f.repoDir, "70"), at(70))
	})
	t.Run("a container that was never started", func(t *testing.T) {
		f := f.in(t)
		f.docker("create", "--name", f.repo+"-created", "-p", fmt.Sprintf("%d:80", web+34), image)
		assert.DeepEqual(t, f.up(f.repoDir, "34"), at(1034))
	})
	t.Run("a stopped container of another project", func(t *testing.T) {
		f := f.in(t)
		dir := filepath.Join(f.work, "foreign")
		f.write(filepath.Join(dir, "compose.yaml"), fmt.Sprintf(
			"name: %s-foreign\nservices:\n  a: {image: %q, command: httpd -f, stop_signal: SIGKILL, ports: [\"127.0.0.1:%d:80\", \"%d:53/udp\"]}\n", f.repo, image, web+35, dns+36))
		for _, args := range [][]string{{"up", "-d"}, {"stop"}} {
			o := run(f.command(dir, "docker", append([]string{"compose"}, args...)...))
			assert.NilError(t, o.err, "%s", o)
		}
		assert.DeepEqual(t, f.up(f.repoDir, "35"), at(1035))
		assert.DeepEqual(t, f.up(f.repoDir, "36"), at(1036))
	})

	for i, s := range []struct {
		name, protocol, host string
		base                 int
		moves                bool
	}{
		{"a listener of another user", "tcp", "", web, true},
		{"a listener of another user on 127.0.0.1 only", "tcp4", "127.0.0.1", web, true},
		{"a listener of another user on [::1] only", "tcp6", "[::1]", web, true},
		{"a listener of another user on udp", "udp", "", dns, true},
		{"a listener of another user on udp and [::1] only", "udp6", "[::1]", dns, true},
		{"a listener of another user on 127.0.0.1 where the port is on 127.0.0.1", "tcp4", "127.0.0.1", local, true},
		// These are not in the way.
		{"a listener on [::1] leaves 127.0.0.1 free", "tcp6", "[::1]", local, false},
		{"a listener on udp leaves tcp free", "udp", "", web, false},
	} {
		t.Run(s.name, func(t *testing.T) {
			f, offset := f.in(t), 50+i
			defer f.stranger(s.protocol, fmt.Sprintf("%s:%d", s.host, s.base+offset))()
			want := at(offset)
			if s.moves {
				want = at(1000 + offset)
			}
			assert.DeepEqual(t, f.up(f.repoDir, fmt.Sprint(offset)), want)
		})
	}

	t.Run("nothing of the loom's own", func(t *testing.T) {
		f := f.in(t)
		assert.DeepEqual(t, f.up(f.repoDir, "60"), at(60))
		f.must("stop", "60")
		assert.DeepEqual(t, f.up(f.repoDir, "60"), at(60))
		f.must("down", "60")
		assert.DeepEqual(t, f.up(f.repoDir, "60"), at(60))
	})
	f.disjoint()
}

// another is a second repository with the same project.
func (f *field) another(name string) string {
	f.Helper()
	dir := filepath.Join(f.work, name+"-"+suite.run)
	f.git(f.work, "clone", "-q", f.repoDir, dir)
	return dir
}

// docker runs docker and returns what it put on stdout.
func (f *field) docker(args ...string) string {
	f.Helper()
	o := run(f.command(f.repoDir, "docker", args...))
	assert.NilError(f, o.err, "docker %s: %s", strings.Join(args, " "), o)
	return strings.TrimSpace(o.stdout.String())
}

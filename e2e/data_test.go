//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"gotest.tools/v3/assert"
)

// hoard is a project of one service, which has megabytes of data in a volume.
func hoard(megabytes int) map[string]string {
	return map[string]string{"compose.yaml": fmt.Sprintf(`services:
  db:
    image: %s
    command: ["sh", "-c", "test -e /data/last || { dd if=/dev/zero of=/data/first bs=1M count=%d 2>/dev/null && echo whole >/data/last; }; exec sleep 1000000"]
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    healthcheck: {test: ["CMD", "test", "-e", "/data/last"], interval: 500ms, retries: 100}
volumes:
  data:
    driver_opts: {}
`, image, megabytes)}
}

// states are those of the loom's containers.
func (f *field) states(id string) []string {
	f.Helper()
	list, err := suite.docker.ContainerList(f.Context(), container.ListOptions{All: true, Filters: inProject(f.project(id))})
	assert.NilError(f, err)
	var states []string
	for _, c := range list {
		states = append(states, c.State)
	}
	return states
}

// begins reports whether the loom's data is that of a whole copy.
func (f *field) begins(id string) {
	f.Helper()
	assert.Equal(f, f.docker("exec", f.project(id)+"-db-1", "cat", "/data/last"), "whole")
	assert.DeepEqual(f, f.states(id), []string{"running"})
}

// TestKilledCopies: an up that is killed while it copies data leaves a loom that never starts on half of it. The next up of
// it, or of the loom that the data is from, lets that one go on.
func TestKilledCopies(t *testing.T) {
	notCore(t)
	const place = 9
	f := newField(t, "copies", place, hoard(150))
	f.must("up", "1")
	whole := f.docker("exec", f.project("1")+"-db-1", "sh", "-c", "cat /data/first /data/last | md5sum")
	paused := func(f *field) bool { return slices.Contains(f.states("1"), "paused") }
	marked := func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.containers > 0 }) }
	copying := func(f *field, id string) bool {
		return engineHas(f, id, func(m made) bool { return m.containers > 1 && m.volumes == 1 })
	}
	moments := []moment{
		{"with the mark", marked},
		{"with the source paused", func(f *field, _ string) bool { return paused(f) }},
		{"with a volume", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.volumes > 0 }) }},
		{"in the middle of the copy", copying},
	}
	landed := 0
	for i, m := range moments {
		id := fmt.Sprint(10 + i)
		if f.killAt(m, id, "up", "--data-from", "1") {
			landed++
		}
		switch i % 3 {
		case 0:
			// It never starts on half of the data, and without the flag begins empty.
			o := f.loom("up", id)
			assert.NilError(t, o.err, "%s", o)
			assert.Assert(t, strings.Contains(o.stderr.String(), "had not come to its end"), "%s: %s", m.name, o)
			f.must("down", id, "--volumes")
		case 1:
			f.must("up", "1")
			assert.DeepEqual(t, f.states("1"), []string{"running"})
		}
		f.must("up", id, "--data-from", "1")
		f.begins(id)
		assert.Equal(t, f.docker("exec", f.project(id)+"-db-1", "sh", "-c", "cat /data/first /data/last | md5sum"), whole)
		assert.DeepEqual(t, f.states("1"), []string{"running"})
		f.must("down", id, "--volumes")
		f.nothing(f.project(id))
	}
	t.Logf("%d of %d commands were killed at work", landed, len(moments))
	assert.Assert(t, landed*2 >= len(moments), "only %d of %d kills met a command at work", landed, len(moments))

	// To end a loom that is half copied ends the copy too.
	f.killAt(moments[3], "20", "up", "--data-from", "1")
	f.must("down", "20", "--volumes")
	f.nothing(f.project("20"))
	assert.DeepEqual(t, f.states("1"), []string{"running"})
	assert.Equal(t, f.docker("images", "--quiet", "--filter", "dangling=true"), "")
	f.must("down", "1", "--volumes")
}

// TestCopyThatFillsTheDisk: a disk that is full in the middle of a copy leaves both looms as they were.
func TestCopyThatFillsTheDisk(t *testing.T) {
	notCore(t)
	const place = 10
	files := hoard(20)
	files["compose.yaml"] = strings.Replace(files["compose.yaml"], "driver_opts: {}", `driver_opts: {type: none, o: bind, device: "${DISK}"}`, 1)
	f := newField(t, "full", place, files)
	big, small := filepath.Join(f.work, "big"), filepath.Join(f.work, "small")
	f.write(filepath.Join(big, "..", "small", ".keep"), "")
	f.write(filepath.Join(big, ".keep"), "")
	// As root on the engine's own machine, as tests with an engine of their own are.
	assert.NilError(t, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=5m"))
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	with := func(disk string, args ...string) *outcome {
		cmd := f.command(f.repoDir, "docker", append([]string{"loom"}, args...)...)
		cmd.Env = append(cmd.Env, "DISK="+disk)
		return run(cmd)
	}
	o := with(big, "up", "1")
	assert.NilError(t, o.err, "%s", o)
	o = with(small, "up", "2", "--data-from", "1")
	assert.Assert(t, o.err != nil, "%s", o)
	assert.Assert(t, strings.Contains(o.stderr.String(), "no space left on device"), "%s", o)
	f.nothing(f.project("2"))
	assert.DeepEqual(t, f.states("1"), []string{"running"})
	assert.Equal(t, f.docker("exec", f.project("1")+"-db-1", "cat", "/data/last"), "whole")
	assert.Equal(t, f.docker("images", "--quiet", "--filter", "dangling=true"), "")
	for _, id := range []string{"1", "2"} {
		o := with(big, "down", id, "--volumes")
		assert.NilError(t, o.err, "%s", o)
	}
}

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/ports"
)

// pair is a project of two services with a port each. The bases are ten apart, so that offsets of looms meet: web of loom
// 11 wants what db of loom 1 has. Both services tell which work tree and which loom they are of.
func pair(base int) map[string]string {
	return map[string]string{
		"www/index.html": "page of main\n",
		"compose.yaml": fmt.Sprintf(`services:
  web:
    image: %[1]s
    command: httpd -f -p 80 -h /www
    stop_signal: SIGKILL
    ports: ["%[2]d:80"]
    volumes: ["./www:/www:ro"]
  db:
    image: %[1]s
    command: ["sh", "-c", "echo I am ${ILOOM_LOOM:-main} >/data/index.html; exec httpd -f -p 80 -h /data"]
    stop_signal: SIGKILL
    ports: ["%[3]d:80"]
    volumes: ["data:/data"]
volumes:
  data:
`, image, base, base+10),
	}
}

// whole is what the engine has of a loom of that project.
var whole = made{containers: 2, running: 2, networks: 1, volumes: 1}

// atOnce runs f for all ids, each in a goroutine, none before all are there, and joins their errors.
func atOnce(ids []string, f func(id string) error) error {
	start := make(chan struct{})
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			<-start
			if err := f(id); err != nil {
				errs[i] = fmt.Errorf("%s: %w", id, err)
			}
		})
	}
	close(start)
	all.Wait()
	return errors.Join(errs...)
}

// loomed is loom as a function for atOnce.
func (f *field) loomed(args ...string) func(id string) error {
	return func(id string) error {
		if o := f.loom(append(slices.Clone(args), id)...); o.err != nil {
			return errors.New(o.String())
		}
		return nil
	}
}

// disjoint checks that no two looms of the registry share a host port or a subnet.
func (f *field) disjoint() {
	f.Helper()
	var index ports.Index
	subnets := map[string]string{}
	for _, l := range f.promises().Looms {
		for _, lease := range l.Ports {
			holder, taken := index.Taken(lease)
			assert.Assert(f, !taken, "%s has %s, and so has %s", l.ID, lease, holder)
		}
		for _, lease := range l.Ports {
			index.Add(l.ID, lease)
		}
		for _, cidrs := range l.Subnets {
			for _, cidr := range cidrs {
				assert.Assert(f, subnets[cidr] == "", "%s and %s have %s", l.ID, subnets[cidr], cidr)
				subnets[cidr] = l.ID
			}
		}
	}
}

// tidy checks that the repository is as it was before its looms.
func (f *field) tidy(exclude []byte, trees ...string) {
	f.Helper()
	for _, dir := range append(trees, f.repoDir) {
		assert.Equal(f, f.git(dir, "status", "--porcelain", "--ignored"), "", dir)
	}
	after, err := os.ReadFile(filepath.Join(f.repoDir, ".git", "info", "exclude"))
	assert.NilError(f, err)
	assert.Equal(f, string(after), string(exclude))
}

func (f *field) exclude() []byte {
	f.Helper()
	b, err := os.ReadFile(filepath.Join(f.repoDir, ".git", "info", "exclude"))
	assert.NilError(f, err)
	return b
}

// TestCoreManyLoomsAtOnce brings looms of one repository up in the same second, most in work trees of their own and some
// in the main checkout, and takes them down in the same second: their leases never meet, none is lost, each is its own,
// and nothing is left.
func TestCoreManyLoomsAtOnce(t *testing.T) {
	const place = 0
	many, inOneFolder := 30, 8
	if os.Getenv("LOOM_E2E_CORE") != "" {
		many, inOneFolder = 8, 2
	}
	f := newField(t, "many", place, pair(basePort(place)))
	before := f.exclude()
	var ids, trees []string
	for n := 1; n <= many; n++ {
		id := strconv.Itoa(n)
		ids = append(ids, id)
		if n > many-inOneFolder {
			continue
		}
		tree := filepath.Join(f.work, "tree-"+id)
		f.git(f.repoDir, "worktree", "add", "-q", "-b", "issue-"+id, tree)
		f.write(filepath.Join(tree, "www", "index.html"), "page of "+id+"\n")
		f.git(tree, "commit", "-qam", "page")
		trees = append(trees, tree)
	}

	assert.NilError(t, atOnce(ids, f.loomed("up")))

	f.disjoint()
	looms := f.looms()
	assert.DeepEqual(t, slices.Sorted(maps.Keys(looms)), slices.Sorted(slices.Values(ids)))
	for _, l := range f.promises().Looms {
		assert.Equal(t, len(l.Ports), 2, l.ID)
		page := "page of main"
		if n, err := strconv.Atoi(l.ID); err == nil && n <= many-inOneFolder {
			page = "page of " + l.ID
		}
		for _, lease := range l.Ports {
			want := "I am " + l.ID
			if lease.Base == f.base {
				want = page
			}
			assert.NilError(t, f.answers(lease.Host, want))
		}
		// What runs has just what is promised.
		var running, promised []int
		for _, p := range looms[l.ID].Ports {
			if !slices.Contains(running, p.Published) { // one for IPv4 and one for IPv6
				running = append(running, p.Published)
			}
		}
		for _, lease := range l.Ports {
			promised = append(promised, lease.Host)
		}
		assert.DeepEqual(t, slices.Sorted(slices.Values(running)), slices.Sorted(slices.Values(promised)))
		m, err := f.has(f.project(l.ID))
		assert.NilError(t, err)
		assert.Equal(t, m, whole, l.ID)
	}

	assert.NilError(t, atOnce(ids, f.loomed("down", "--volumes")))

	for _, id := range ids {
		f.nothing(f.project(id))
	}
	assert.Equal(t, len(f.promises().Looms), 0)
	assert.Equal(t, len(f.looms()), 0)
	f.tidy(before, trees...)
}

// TestTwoUpsOfOneLoom: two commands on one loom at the same moment make one set of containers, and neither fails.
func TestTwoUpsOfOneLoom(t *testing.T) {
	notCore(t)
	t.Parallel()
	const place = 6
	f := newField(t, "twice", place, pair(basePort(place)))
	assert.NilError(t, atOnce([]string{"123", "123"}, f.loomed("up")))
	m, err := f.has(f.project("123"))
	assert.NilError(t, err)
	assert.Equal(t, m, whole)
	looms := f.promises().Looms
	assert.Equal(t, len(looms), 1)
	assert.NilError(t, f.answers(looms[0].Ports[0].Host, "page of main"))

	// And one that goes up while it goes down ends as the one or the other, with nothing half done.
	up := make(chan error, 1)
	go func() { up <- f.loomed("up")("123") }()
	assert.NilError(t, f.loomed("down")("123"))
	assert.NilError(t, <-up)
	m, err = f.has(f.project("123"))
	assert.NilError(t, err)
	assert.Assert(t, m == whole || m == made{volumes: 1}, "%+v", m)
}

// moment is how far a command has come.
type moment struct {
	name string
	// reached asks what the command has done so far.
	reached func(f *field, id string) bool
}

func engineHas(f *field, id string, what func(made) bool) bool {
	m, err := f.has(f.project(id))
	return err == nil && what(m)
}

func registered(f *field, id string) bool {
	return f.promises().Find(f.repoDir, id) != nil
}

func excluded(f *field, id string) bool {
	return strings.Contains(string(f.exclude()), " "+id+"\n")
}

// The moments of a life, in their order.
var (
	upMoments = []moment{
		{"at its start", func(*field, string) bool { return true }},
		{"with leases", registered},
		{"with names in info/exclude", excluded},
		{"with a network", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.networks > 0 }) }},
		{"with a container", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.containers > 0 }) }},
		{"with a running container", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.running > 0 }) }},
		{"with all running", func(f *field, id string) bool {
			return engineHas(f, id, func(m made) bool { return m.running == whole.running })
		}},
	}
	downMoments = []moment{
		{"at its start", func(*field, string) bool { return true }},
		{"with a container less", func(f *field, id string) bool {
			return engineHas(f, id, func(m made) bool { return m.running < whole.running })
		}},
		{"without containers", func(f *field, id string) bool {
			return engineHas(f, id, func(m made) bool { return m.containers == 0 })
		}},
		{"without networks", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.networks == 0 }) }},
		{"without volumes", func(f *field, id string) bool { return engineHas(f, id, func(m made) bool { return m.volumes == 0 }) }},
		{"without names in info/exclude", func(f *field, id string) bool { return !excluded(f, id) }},
	}
)

// killAt runs docker loom and kills it and its children as soon as it has come so far. It reports whether the command was
// still at work then.
func (f *field) killAt(m moment, id string, args ...string) bool {
	f.Helper()
	return f.killedAt(m, id, func(docker int) { _ = syscall.Kill(-docker, syscall.SIGKILL) }, args...)
}

// killAloneAt is killAt, but leaves alone what docker loom has started.
func (f *field) killAloneAt(m moment, id string, args ...string) bool {
	f.Helper()
	return f.killedAt(m, id, func(docker int) {
		names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", docker))
		assert.NilError(f, err)
		for _, name := range names {
			children, _ := os.ReadFile(name)
			for _, child := range strings.Fields(string(children)) {
				pid, err := strconv.Atoi(child)
				assert.NilError(f, err)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = syscall.Kill(docker, syscall.SIGKILL)
	}, args...)
}

func (f *field) killedAt(m moment, id string, kill func(docker int), args ...string) bool {
	f.Helper()
	cmd := f.command(f.repoDir, "docker", append([]string{"loom"}, append(args, id)...)...)
	assert.NilError(f, cmd.Start())
	var err error
	ended := make(chan struct{})
	go func() {
		err = cmd.Wait()
		close(ended)
	}()
	deadline := time.Now().Add(patience)
	for {
		select {
		case <-ended:
			return false
		default:
		}
		if m.reached(f, id) {
			break
		}
		assert.Assert(f, time.Now().Before(deadline), "never came so far: %s", m.name)
		time.Sleep(time.Millisecond)
	}
	kill(cmd.Process.Pid)
	<-ended
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled()
}

// TestKilledCommands: a command that is killed at any moment of its life leaves a registry that the next command reads, and
// a rerun does the work, and leaves nothing behind in the end.
func TestKilledCommands(t *testing.T) {
	notCore(t)
	t.Parallel()
	const place = 7
	f := newField(t, "killed", place, pair(basePort(place)))
	before := f.exclude()
	var mu sync.Mutex
	landed, all := 0, 0
	count := func(hit bool) {
		mu.Lock()
		defer mu.Unlock()
		if all++; hit {
			landed++
		}
	}
	t.Run("moments", func(t *testing.T) {
		for i, m := range upMoments {
			t.Run("up "+m.name, func(t *testing.T) {
				t.Parallel()
				f, id := f.in(t), strconv.Itoa(100+i)
				count(f.killAt(m, id, "up"))
				f.looms()
				f.must("up", id)
				f.isWhole(id)
				f.must("down", id, "--volumes")
				f.nothing(f.project(id))
			})
		}
		for i, m := range downMoments {
			t.Run("down "+m.name, func(t *testing.T) {
				t.Parallel()
				f, id := f.in(t), strconv.Itoa(150+i)
				f.must("up", id)
				count(f.killAt(m, id, "down", "--volumes"))
				f.looms()
				if o := f.loom("down", id, "--volumes"); o.err != nil {
					// There is no such loom any more: the command had done all.
					assert.Assert(t, strings.Contains(o.stderr.String(), "no loom "), "%s", o)
				}
				f.nothing(f.project(id))
				assert.Assert(t, !registered(f, id))
				f.must("up", id)
				f.isWhole(id)
				f.must("down", id, "--volumes")
			})
		}
	})
	assert.Equal(t, len(f.promises().Looms), 0)

	// A kill in the middle of a write leaves the new file beside the old one. It is too short a moment to be hit on purpose,
	// but a poll hits it now and then.
	f.write(filepath.Join(f.repoDir, ".tmp-compose.override.yaml2925453581"), "services: {}\n")
	f.write(filepath.Join(f.repoDir, ".tmp-.env271828"), "SECRET=1\n")
	f.must("up", "199")
	f.must("down", "199", "--volumes")
	f.tidy(before)
	left, err := filepath.Glob(filepath.Join(f.home, ".docker", "loom", ".tmp*"))
	assert.NilError(t, err)
	assert.Equal(t, len(left), 0, "%v", left)
	t.Logf("%d of %d commands were killed at work", landed, all)
	assert.Assert(t, landed*2 > all, "only %d of %d kills met a command at work", landed, all)
}

// in is the same world for a subtest.
func (f *field) in(t *testing.T) *field {
	sub := *f
	sub.T = t
	return &sub
}

// isWhole checks that a loom of the pair has one set of containers, and that both answer as this loom's.
func (f *field) isWhole(id string) {
	f.Helper()
	m, err := f.has(f.project(id))
	assert.NilError(f, err)
	assert.Equal(f, m, whole)
	l := f.promises().Find(f.repoDir, id)
	assert.Assert(f, l != nil)
	for _, lease := range l.Ports {
		want := "I am " + id
		if lease.Base == f.base {
			want = "page of main"
		}
		assert.NilError(f, f.answers(lease.Host, want))
	}
}

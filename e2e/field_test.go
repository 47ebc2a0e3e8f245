//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// field is the world of a test that is not a script: what must happen at the same moment, or at a moment that only a program
// can hit. Like a script it has a home, a registry and a repository of its own, and removes what it made.
type field struct {
	*testing.T
	state
	repoDir string
	base    int // see basePort
}

// basePort is the first host port of the test at a place, 0 to 11: places are 330 apart modulo a thousand, for looms move by
// thousands, and all are above those of scripts and below those that the kernel gives to whoever calls out.
func basePort(place int) int { return 20000 + 3000*(place/3) + 330*(place%3) }

// newField makes the world of the test called name. Its place, other than every other test's, tells its host ports and
// subnets.
func newField(t *testing.T, name string, place int, files map[string]string) *field {
	t.Helper()
	work, err := filepath.EvalSymlinks(t.TempDir())
	assert.NilError(t, err)
	f := &field{T: t, base: basePort(place), state: state{repo: name + "-" + suite.run, work: work, home: filepath.Join(work, "home")}}
	f.repoDir = filepath.Join(work, f.repo)
	assert.NilError(t, f.configure(0))
	f.takeSubnets(fmt.Sprintf("10.%d.0.0/16", 200+place))
	for path, text := range files {
		f.write(filepath.Join(f.repoDir, path), text)
	}
	f.git(f.repoDir, "init", "-q")
	f.git(f.repoDir, "add", "-A")
	f.git(f.repoDir, "commit", "-q", "-m", "first")
	t.Cleanup(func() {
		if *keep {
			return
		}
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := f.clean(ctx); err != nil {
			t.Log("cleaning up:", err)
		}
	})
	return f
}

// takeSubnets says in the user's settings where looms get their subnets from.
func (f *field) takeSubnets(pool string) {
	f.write(filepath.Join(f.home, ".config", "iloom-ai", "settings.json"), fmt.Sprintf(`{"container": {"addressPool": [%q]}}`, pool))
}

// notCore passes a test over where only the core of the tests is to run.
func notCore(t *testing.T) {
	if os.Getenv("LOOM_E2E_CORE") != "" {
		t.Skip("not of the core")
	}
}

func (f *field) write(path, text string) {
	f.Helper()
	assert.NilError(f, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NilError(f, os.WriteFile(path, []byte(text), 0o644))
}

// command is one as the test's user runs it in a folder. It leads a process group of its own: a plugin is a child of docker.
func (f *field) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(f.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.home, "DOCKER_HOST=" + suite.host, "DOCKER_CONFIG=" + filepath.Join(f.home, ".docker")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// outcome is what came of a command.
type outcome struct {
	stdout, stderr bytes.Buffer
	err            error
}

func (o *outcome) String() string { return fmt.Sprintf("%v\n%s%s", o.err, &o.stdout, &o.stderr) }

// run runs a command to its end.
func run(cmd *exec.Cmd) *outcome {
	o := &outcome{}
	cmd.Stdout, cmd.Stderr = &o.stdout, &o.stderr
	o.err = cmd.Run()
	return o
}

// loom runs docker loom in the repository's main checkout.
func (f *field) loom(args ...string) *outcome {
	return run(f.command(f.repoDir, "docker", append([]string{"loom"}, args...)...))
}

// must runs docker loom and returns what it put on stdout.
func (f *field) must(args ...string) string {
	f.Helper()
	o := f.loom(args...)
	assert.NilError(f, o.err, "docker loom %s: %s", strings.Join(args, " "), o)
	return o.stdout.String()
}

func (f *field) git(dir string, args ...string) string {
	f.Helper()
	o := run(f.command(dir, "git", args...))
	assert.NilError(f, o.err, "git %s: %s", strings.Join(args, " "), o)
	return o.stdout.String()
}

// promises is what the registry says now.
func (f *field) promises() *registry.State {
	f.Helper()
	s, err := registry.Open(filepath.Join(f.home, ".docker", "loom")).Read(f.Context())
	assert.NilError(f, err)
	return s
}

func (f *field) project(id string) string { return "iloom-" + f.repo + "-" + id }

// made is what the engine has of a project.
type made struct{ containers, running, networks, volumes int }

// has counts what the engine has of a project.
func (f *field) has(project string) (made, error) {
	ctx := f.Context()
	var m made
	containers, err := suite.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: inProject(project)})
	if err != nil {
		return m, err
	}
	networks, err := suite.docker.NetworkList(ctx, network.ListOptions{Filters: inProject(project)})
	if err != nil {
		return m, err
	}
	volumes, err := suite.docker.VolumeList(ctx, volume.ListOptions{Filters: inProject(project)})
	if err != nil {
		return m, err
	}
	m = made{containers: len(containers), networks: len(networks), volumes: len(volumes.Volumes)}
	for _, c := range containers {
		if c.State == "running" {
			m.running++
		}
	}
	return m, nil
}

// nothing checks that a project has nothing on the engine.
func (f *field) nothing(project string) {
	f.Helper()
	m, err := f.has(project)
	assert.NilError(f, err)
	assert.Equal(f, m, made{}, project)
}

// listed is a loom as docker loom ls --format json tells of it, as far as tests ask.
type listed struct {
	ID, Repository, State string
	Ports                 []struct{ Published, Target int }
}

// looms are those of the test's repositories that docker loom ls shows.
func (f *field) looms() map[string]listed {
	f.Helper()
	var all []listed
	assert.NilError(f, json.Unmarshal([]byte(f.must("ls", "--format", "json")), &all))
	mine := map[string]listed{}
	for _, l := range all {
		if strings.HasPrefix(l.Repository, f.work) {
			mine[l.ID] = l
		}
	}
	return mine
}

// answers waits until somebody answers with this text on a port of this host.
func (f *field) answers(port int, want string) error {
	deadline := time.Now().Add(patience)
	for {
		body, err := get(fmt.Sprintf("http://localhost:%d", port))
		if err == nil && strings.TrimSpace(body) == want {
			return nil
		}
		if time.Now().After(deadline) {
			return cmp.Or(err, fmt.Errorf("port %d answers %q, not %q", port, body, want))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stranger is a listener of another user on this host: this program again, for which init below does the work.
func (f *field) stranger(protocol, address string) (stop func()) {
	f.Helper()
	self, err := os.Executable()
	assert.NilError(f, err)
	cmd := exec.Command(self)
	cmd.Env = []string{strangerVariable + "=" + protocol + " " + address}
	in, err := cmd.StdinPipe()
	assert.NilError(f, err)
	out, err := cmd.StdoutPipe()
	assert.NilError(f, err)
	cmd.Stderr = os.Stderr
	assert.NilError(f, cmd.Start())
	line := make([]byte, 64)
	n, err := out.Read(line)
	assert.NilError(f, err)
	assert.Equal(f, string(line[:n]), "listening\n")
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = in.Close()
			_ = cmd.Wait()
		}
	}
	f.Cleanup(stop)
	return stop
}

const strangerVariable = "LOOM_E2E_STRANGER"

// nobody is the user that owns nothing, where there are users.
const nobody = 65534

func init() {
	protocol, address, ok := strings.Cut(os.Getenv(strangerVariable), " ")
	if !ok {
		return
	}
	if err := listenAsNobody(protocol, address); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// listenAsNobody listens until stdin ends. Without root's rights it listens as who it is.
func listenAsNobody(protocol, address string) error {
	if os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	if strings.HasPrefix(protocol, "udp") {
		l, err := net.ListenPacket(protocol, address)
		if err != nil {
			return err
		}
		defer l.Close()
	} else {
		l, err := net.Listen(protocol, address)
		if err != nil {
			return err
		}
		defer l.Close()
	}
	fmt.Println("listening")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

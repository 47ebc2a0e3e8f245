//go:build e2e

package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"golang.org/x/sync/errgroup"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
)

// busybox is an image of a static busybox alone, imported for this run.
var busybox = fmt.Sprintf("engine-test-%d:busybox", os.Getpid())

var api *client.Client

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if api, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := importBusybox(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "no engine to test with:", err)
		return 1
	}
	code := m.Run()
	if err := New(api, "default").RemoveImages(ctx, []string{busybox}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func importBusybox(ctx context.Context) error {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range []*tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o777},
		{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(b))},
	} {
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"sh", "sleep", "nc", "httpd", "echo", "test", "wget", "touch", "grep", "tr", "cat", "id", "pwd"} {
		if err := w.WriteHeader(&tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	r, err := api.ImageImport(ctx, image.ImportSource{Source: &buf, SourceName: "-"}, busybox, image.ImportOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = new(bytes.Buffer).ReadFrom(r)
	return err
}

// project is a Compose project of a test's own; what it makes goes when the test
// ends.
type project struct {
	t    *testing.T
	e    *Engine
	name string
}

func newProject(t *testing.T) project {
	t.Helper()
	p := project{t, New(api, "default"), fmt.Sprintf("engine-test-%d-%s", os.Getpid(), strconv.FormatUint(rand.Uint64(), 36))}
	t.Cleanup(func() {
		ctx := context.Background()
		cs, err := p.e.Containers(ctx, Filter{Project: p.name})
		assert.Check(t, err)
		var ids, volumes []string
		for _, c := range cs {
			ids, volumes = append(ids, c.ID), append(volumes, anonymous(t, c.ID)...)
		}
		assert.Check(t, p.e.RemoveContainers(ctx, ids))
		args := filters.NewArgs(filters.Arg("label", labelProject+"="+p.name))
		vs, err := api.VolumeList(ctx, volume.ListOptions{Filters: args})
		assert.Check(t, err)
		for _, v := range vs.Volumes {
			volumes = append(volumes, v.Name)
		}
		assert.Check(t, p.e.RemoveVolumes(ctx, volumes))
		ns, err := api.NetworkList(ctx, network.ListOptions{Filters: args})
		assert.Check(t, err)
		for _, n := range ns {
			assert.Check(t, api.NetworkRemove(ctx, n.ID))
		}
	})
	return p
}

// anonymous are a container's volumes without labels of Compose.
func anonymous(t *testing.T, id string) []string {
	t.Helper()
	c, err := api.ContainerInspect(context.Background(), id)
	assert.NilError(t, err)
	var names []string
	for _, m := range c.Mounts {
		if m.Type != mount.TypeVolume {
			continue
		}
		v, err := api.VolumeInspect(context.Background(), m.Name)
		assert.NilError(t, err)
		if v.Labels[labelProject] == "" {
			names = append(names, m.Name)
		}
	}
	return names
}

func (p project) labels(more ...string) map[string]string {
	l := map[string]string{labelProject: p.name}
	for i := 0; i < len(more); i += 2 {
		l[more[i]] = more[i+1]
	}
	return l
}

// create makes a container of a service; script runs in a shell that ends on a
// SIGTERM.
func (p project) create(service, script string, edits ...func(*container.Config, *container.HostConfig)) string {
	p.t.Helper()
	c := &container.Config{
		Image:      busybox,
		Entrypoint: []string{"/bin/sh", "-c", "trap 'exit 0' TERM; " + script},
		Labels:     p.labels(labelService, service, labelNumber, "1", labelOneOff, "False"),
	}
	h := &container.HostConfig{}
	for _, edit := range edits {
		edit(c, h)
	}
	r, err := api.ContainerCreate(p.t.Context(), c, h, nil, nil, p.name+"-"+service+"-1")
	assert.NilError(p.t, err)
	return r.ID
}

func (p project) start(service, script string, edits ...func(*container.Config, *container.HostConfig)) string {
	p.t.Helper()
	id := p.create(service, script, edits...)
	err := api.ContainerStart(p.t.Context(), id, container.StartOptions{})
	// A port of the engine's choice may be the source of somebody's connection just then; its next choice is another. The
	// container is another too: the engine may still be putting the first start's root away, and then no exec works in it.
	for tries := 1; err != nil && strings.Contains(err.Error(), "address already in use") && tries < 10; tries++ {
		assert.NilError(p.t, p.e.RemoveContainers(p.t.Context(), []string{id}))
		id = p.create(service, script, edits...)
		err = api.ContainerStart(p.t.Context(), id, container.StartOptions{})
	}
	assert.NilError(p.t, err)
	return id
}

// await reads events until one satisfies ok.
func await(t *testing.T, ch <-chan Event, ok func(Event) bool) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		select {
		case ev, open := <-ch:
			assert.Assert(t, open, "events ended")
			assert.NilError(t, ev.Err)
			if ok(ev) {
				return ev
			}
		case <-ctx.Done():
			t.Fatal("no such event")
		}
	}
}

// exited waits for the container's end. Whoever waits hears of it a moment before the engine's list does; an inspect holds
// until both agree.
func exited(t *testing.T, id string) {
	t.Helper()
	ok, errs := api.ContainerWait(t.Context(), id, container.WaitConditionNotRunning)
	select {
	case <-ok:
	case err := <-errs:
		t.Fatal(err)
	}
	_, err := api.ContainerInspect(t.Context(), id)
	assert.NilError(t, err)
}

const forever = "while :; do sleep 1; done"

func ports(m nat.PortMap) func(*container.Config, *container.HostConfig) {
	return func(c *container.Config, h *container.HostConfig) {
		c.ExposedPorts = nat.PortSet{}
		for p := range m {
			c.ExposedPorts[p] = struct{}{}
		}
		h.PortBindings = m
	}
}

func checked(test string) func(*container.Config, *container.HostConfig) {
	return func(c *container.Config, _ *container.HostConfig) {
		c.Healthcheck = &container.HealthConfig{
			Test: []string{"CMD", "/bin/sh", "-c", test}, Interval: 100 * time.Millisecond, Timeout: 10 * time.Second, Retries: 1,
		}
	}
}

func TestEngineAnswersHere(t *testing.T) {
	t.Parallel()
	e := New(api, "default")
	assert.NilError(t, e.Check(t.Context()))
	assert.Assert(t, e.Local())
	s, err := e.Space(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, s, "local")
}

func TestListAgreesWithInspectInEveryState(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ch := p.e.Events(ctx, p.name)

	p.create("created", forever)
	p.start("running", forever)
	exited(t, p.start("done", "exit 0"))
	exited(t, p.start("broken", "exit 3"))
	killed := p.start("killed", forever)
	assert.NilError(t, api.ContainerKill(t.Context(), killed, "KILL"))
	exited(t, killed)
	paused := p.start("paused", forever)
	assert.NilError(t, api.ContainerPause(t.Context(), paused))
	healthy := p.start("healthy", forever, checked("true"))
	sick := p.start("sick", forever, checked("echo no luck; false"))
	p.start("starting", forever, checked(forever))
	p.start("looping", "exit 5", func(_ *container.Config, h *container.HostConfig) {
		h.RestartPolicy = container.RestartPolicy{Name: "always"}
	})

	waiting := map[string]string{healthy: "healthy", sick: "unhealthy"}
	await(t, ch, func(ev Event) bool {
		if waiting[ev.Container] == ev.Health {
			delete(waiting, ev.Container)
		}
		return len(waiting) == 0
	})

	cs, err := p.e.Containers(t.Context(), Filter{Project: p.name})
	assert.NilError(t, err)
	got := map[string]string{}
	for _, c := range cs {
		got[c.Service] = fmt.Sprintf("%s %s %d", c.State, c.Health, c.ExitCode)
	}
	for service, want := range map[string]string{
		"created":  "created  0",
		"running":  "running  0",
		"done":     "exited  0",
		"broken":   "exited  3",
		"killed":   "exited  137",
		"paused":   "paused  0",
		"healthy":  "running healthy 0",
		"sick":     "running unhealthy 0",
		"starting": "running starting 0",
	} {
		assert.Check(t, got[service] == want, "%s: %s", service, got[service])
	}
	// A looping container runs between its restarts.
	assert.Check(t, slices.Contains([]string{"restarting  5", "running  0"}, got["looping"]), got["looping"])

	for _, c := range cs {
		if c.Service == "looping" {
			continue
		}
		d, err := p.e.Inspect(t.Context(), c.ID)
		assert.NilError(t, err)
		assert.Check(t, d.State == c.State, c.Service)
		assert.Check(t, d.Health == c.Health, c.Service)
		assert.Check(t, d.ExitCode == c.ExitCode, c.Service)
		assert.Check(t, d.ImageID == c.ImageID && d.Name == c.Name && d.Image == c.Image, c.Service)
		assert.Check(t, d.Created.Unix() == c.Created.Unix(), c.Service)
		assert.DeepEqual(t, d.Networks, c.Networks)
		assert.Check(t, d.Started.IsZero() == (c.State == "created"), c.Service)
	}
}

func TestEventsMissNothingAfterTheirReturn(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.create("one", "exit 7")
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		ch := p.e.Events(ctx, p.name)
		assert.NilError(t, api.ContainerStart(t.Context(), id, container.StartOptions{}))
		started := await(t, ch, func(ev Event) bool { return ev.Action == "start" })
		assert.Equal(t, started.Service, "one")
		died := await(t, ch, func(ev Event) bool { return ev.Action == "die" })
		assert.Equal(t, died.ExitCode, 7)
		assert.Equal(t, died.Container, id)
		cancel()
		exited(t, id)
	}
}

// freePort is below the ports that the kernel and the engine choose by themselves: nothing keeps it free.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		assert.NilError(t, l.Close())
		return port
	}
}

func TestPublishedPortIsListedOnceAndAnswersOnlyWhenServed(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ch := p.e.Events(ctx, p.name)
	p.start("web", "httpd -f -p 80", ports(nat.PortMap{"80/tcp": {{}}, "81/tcp": {{}}, "82/tcp": {{HostIP: "127.0.0.1"}}, "83/tcp": nil}),
		checked("nc -z 127.0.0.1 80 || nc 127.0.0.1 80 </dev/null"))
	await(t, ch, func(ev Event) bool { return ev.Health == "healthy" })

	cs, err := p.e.Containers(t.Context(), Filter{Project: p.name})
	assert.NilError(t, err)
	assert.Equal(t, len(cs), 1)
	published := map[int]Published{}
	for _, pub := range cs[0].Published {
		// Engine 20 chooses for IPv4 and IPv6 apart, so there may be two.
		published[pub.Target] = pub
		assert.Check(t, pub.Protocol == "tcp")
	}
	assert.Equal(t, len(published), 3, "%v", cs[0].Published)
	assert.Equal(t, published[80].HostIP, "")
	assert.Equal(t, published[82].HostIP, "127.0.0.1")
	for target, want := range map[int]bool{80: true, 81: false, 82: false} {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(host4(t, cs[0], target)))
		conn, err := net.Dial("tcp", addr)
		assert.Check(t, err, "the proxy accepts for port %d", target)
		if err == nil {
			conn.Close()
		}
		assert.Check(t, host.Answers(t.Context(), addr) == want, "port %d", target)
	}
	assert.Check(t, host.This().Listening("", "tcp", published[80].Host))
	assert.Check(t, host.This().Listening("127.0.0.1", "tcp", published[82].Host))
}

// host4 is the host port that IPv4 has.
func host4(t *testing.T, c Container, target int) int {
	t.Helper()
	r, err := api.ContainerInspect(t.Context(), c.ID)
	assert.NilError(t, err)
	for _, b := range r.NetworkSettings.Ports[nat.Port(fmt.Sprintf("%d/tcp", target))] {
		if ip, err := netip.ParseAddr(b.HostIP); err == nil && ip.Is4() {
			port, err := strconv.Atoi(b.HostPort)
			assert.NilError(t, err)
			return port
		}
	}
	t.Fatalf("port %d is not published", target)
	return 0
}

func TestFixedPortIsListedOnce(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	port := freePort(t)
	p.start("web", forever, ports(nat.PortMap{"80/tcp": {{HostPort: strconv.Itoa(port)}}}))
	cs, err := p.e.Containers(t.Context(), Filter{Project: p.name})
	assert.NilError(t, err)
	assert.DeepEqual(t, cs[0].Published, []Published{{Target: 80, Protocol: "tcp", Host: port}})
}

func TestBindingsStayWhenAContainerStops(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	fixed := freePort(t)
	m := ports(nat.PortMap{
		"80/tcp": {{HostPort: strconv.Itoa(fixed)}},
		"53/udp": {{HostIP: "127.0.0.1", HostPort: strconv.Itoa(fixed)}},
		"90/tcp": {{}}, // the engine's choice
	})
	ofThis := func() []string {
		all, err := p.e.Bindings(t.Context())
		assert.NilError(t, err)
		var out []string
		for _, b := range all {
			if b.Project == p.name && b.Port == fixed {
				out = append(out, fmt.Sprintf("%s %s %s", b.State, b.Protocol, b.IP))
			}
		}
		return out
	}
	id := p.create("web", forever, m)
	assert.DeepEqual(t, ofThis(), []string{"created tcp ", "created udp 127.0.0.1"})
	assert.NilError(t, api.ContainerStart(t.Context(), id, container.StartOptions{}))
	assert.DeepEqual(t, ofThis(), []string{"running tcp ", "running udp 127.0.0.1"})
	assert.NilError(t, api.ContainerPause(t.Context(), id))
	assert.DeepEqual(t, ofThis(), []string{"paused tcp ", "paused udp 127.0.0.1"})
	assert.NilError(t, api.ContainerUnpause(t.Context(), id))
	assert.NilError(t, api.ContainerKill(t.Context(), id, "KILL"))
	exited(t, id)
	assert.DeepEqual(t, ofThis(), []string{"exited tcp ", "exited udp 127.0.0.1"})

	all, err := p.e.Bindings(t.Context())
	assert.NilError(t, err)
	n := 0
	for _, b := range all {
		if b.Project == p.name {
			n++
		}
	}
	assert.Equal(t, n, 2, "a port that the engine chooses is none while stopped")
}

func TestTailReadsBothStreamsAndTerminals(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("plain", "echo one; echo two >&2; echo three")
	exited(t, id)
	got, err := p.e.Tail(t.Context(), id, 10)
	assert.NilError(t, err)
	// Two pipes: only the order within one is certain.
	assert.Assert(t, slices.Index(got, "one") < slices.Index(got, "three"))
	slices.Sort(got)
	assert.DeepEqual(t, got, []string{"one", "three", "two"})
	got, err = p.e.Tail(t.Context(), id, 1)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 1)

	id = p.start("tty", "echo one; echo two", func(c *container.Config, _ *container.HostConfig) { c.Tty = true })
	exited(t, id)
	got, err = p.e.Tail(t.Context(), id, 10)
	assert.NilError(t, err)
	assert.DeepEqual(t, got, []string{"one", "two"})

	_, err = p.e.Tail(t.Context(), p.name+"-gone", 1)
	assert.Assert(t, cerrdefs.IsNotFound(err))
}

func TestAVolumeInUseIsNotRemoved(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.create("db", forever, func(c *container.Config, _ *container.HostConfig) {
		c.Volumes = map[string]struct{}{"/anonymous": {}}
	})
	volumes := anonymous(t, id)
	assert.Equal(t, len(volumes), 1)
	err := p.e.RemoveVolumes(t.Context(), volumes)
	assert.ErrorContains(t, err, "volume "+volumes[0]+": ")
	assert.NilError(t, p.e.RemoveContainers(t.Context(), []string{id}))
	assert.NilError(t, p.e.RemoveVolumes(t.Context(), volumes))
	assert.NilError(t, p.e.RemoveVolumes(t.Context(), volumes), "a second time finds nothing to do")
	_, err = api.VolumeInspect(t.Context(), volumes[0])
	assert.Assert(t, cerrdefs.IsNotFound(err))
}

func TestARunningContainerIsRemoved(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	id := p.start("web", forever)
	// Two removers at once, as when down runs twice.
	errs := make(chan error)
	for range 2 {
		go func() { errs <- p.e.RemoveContainers(context.Background(), []string{id}) }()
	}
	assert.Check(t, <-errs)
	assert.Check(t, <-errs)
	_, err := p.e.Inspect(t.Context(), id)
	assert.Assert(t, cerrdefs.IsNotFound(err))
	assert.NilError(t, p.e.RemoveContainers(t.Context(), []string{id}))
}

func TestDetachToleratesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	n, err := api.NetworkCreate(t.Context(), p.name+"-net", network.CreateOptions{Labels: p.labels(), Internal: true})
	assert.NilError(t, err)
	stopped := p.create("stopped", forever)
	running := p.start("running", forever)
	ids := []string{stopped, running}
	for _, id := range ids {
		assert.NilError(t, api.NetworkConnect(t.Context(), n.ID, id, nil))
	}
	on := func() (out []string) {
		cs, err := p.e.Containers(t.Context(), Filter{Project: p.name})
		assert.NilError(t, err)
		for _, c := range cs {
			if slices.Contains(c.Networks, p.name+"-net") {
				out = append(out, c.Service)
			}
		}
		return out
	}
	assert.DeepEqual(t, on(), []string{"running", "stopped"})
	assert.NilError(t, p.e.Detach(t.Context(), n.ID, ids))
	assert.Equal(t, len(on()), 0)
	assert.NilError(t, p.e.Detach(t.Context(), n.ID, ids), "not attached")
	assert.NilError(t, p.e.Detach(t.Context(), n.ID, ids), "not attached")
	assert.NilError(t, p.e.Detach(t.Context(), n.ID, []string{p.name + "-gone"}), "no such container")
	assert.NilError(t, p.e.Detach(t.Context(), p.name+"-gone", ids), "no such network")

	nets, err := p.e.Networks(t.Context(), p.labels())
	assert.NilError(t, err)
	assert.Equal(t, len(nets), 1)
	assert.Equal(t, nets[0].Driver, "bridge")
	assert.Assert(t, nets[0].Internal)
	assert.Assert(t, len(nets[0].Subnets) > 0)
	// Its bridge is an interface of this host.
	routes, err := host.This().Routes()
	assert.NilError(t, err)
	assert.Assert(t, slices.Contains(routes, nets[0].Subnets[0]), "%v in %v", nets[0].Subnets, routes)
}

func TestLoomsAreComposeProjectsOnly(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	loom := []string{LabelLoom, "123", LabelRepo, "/" + p.name}
	full := p.labels(append(loom, LabelWorkTree, "/w", LabelVersion, "v1", LabelOffset, "123")...)
	p.create("web", forever, func(c *container.Config, _ *container.HostConfig) { c.Labels = full })
	_, err := api.VolumeCreate(t.Context(), volume.CreateOptions{Name: p.name + "-data", Labels: p.labels(loom...)})
	assert.NilError(t, err)
	// A container of an image that was committed from a loom.
	stranger, err := api.ContainerCreate(t.Context(), &container.Config{
		Image: busybox, Cmd: []string{"/bin/sh"}, Labels: map[string]string{LabelLoom: "123", LabelRepo: "/" + p.name},
	}, nil, nil, nil, p.name+"-stranger")
	assert.NilError(t, err)
	t.Cleanup(func() { assert.Check(t, p.e.RemoveContainers(context.Background(), []string{stranger.ID})) })

	all, err := p.e.Looms(t.Context())
	assert.NilError(t, err)
	all = slices.DeleteFunc(all, func(l Loom) bool { return l.Repo != "/"+p.name })
	assert.Equal(t, len(all), 1)
	l := all[0]
	assert.Equal(t, l.ID, "123")
	assert.Equal(t, l.Project, p.name)
	assert.Equal(t, l.WorkTree, "/w")
	assert.Assert(t, l.HasOffset && l.Offset == 123)
	assert.Equal(t, len(l.Containers), 1)
	assert.Equal(t, len(l.Volumes), 1)
	assert.Assert(t, !l.Volumes[0].CreatedAt.IsZero())
}

func TestImagesAreFoundByReferenceAndUntagged(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	tag := strings.ToLower(p.name) + "-web"
	assert.NilError(t, api.ImageTag(t.Context(), busybox, tag))
	assert.NilError(t, api.ImageTag(t.Context(), busybox, tag+":two"))
	got, err := p.e.Images(t.Context(), tag, nil)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 1)
	assert.Assert(t, slices.Contains(got[0].Tags, tag+":latest") && slices.Contains(got[0].Tags, tag+":two"), "%v", got[0].Tags)
	// The image itself stays: it has another tag.
	assert.NilError(t, p.e.RemoveImages(t.Context(), []string{tag, tag + ":two", tag + ":never"}))
	got, err = p.e.Images(t.Context(), tag, nil)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 0)
	got, err = p.e.Images(t.Context(), busybox, nil)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 1)
}

func TestThoseWhoLoadOneProgramAtOnceGetOneImage(t *testing.T) {
	path, err := exec.LookPath("busybox")
	assert.NilError(t, err)
	program, err := os.ReadFile(path)
	assert.NilError(t, err)
	e, ref := New(api, "default"), fmt.Sprintf("engine-test-%d:program", os.Getpid())
	t.Cleanup(func() { assert.Check(t, e.RemoveImages(context.Background(), []string{ref})) })
	before, err := e.Images(t.Context(), "", nil)
	assert.NilError(t, err)
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			return e.LoadProgram(t.Context(), ref, Program{
				Path: "/busybox", Content: io.NewSectionReader(bytes.NewReader(program), 0, int64(len(program))),
				Entrypoint: []string{"/busybox", "echo"}, User: "65532:65532", OS: "linux", Arch: runtime.GOARCH,
			})
		})
	}
	assert.NilError(t, g.Wait())
	after, err := e.Images(t.Context(), "", nil)
	assert.NilError(t, err)
	assert.Equal(t, len(after), len(before)+1)
	made, ok, err := e.Image(t.Context(), ref)
	assert.NilError(t, err)
	assert.Assert(t, ok)
	assert.Equal(t, made.User, "65532:65532")
	tagged, err := e.LastTagged(t.Context(), Image{ID: made.ID})
	assert.NilError(t, err)
	assert.Assert(t, time.Since(tagged) < time.Minute, "%v", tagged)

	c, err := api.ContainerCreate(t.Context(), &container.Config{Image: ref, Cmd: []string{"works"}}, nil, nil, nil, "")
	assert.NilError(t, err)
	t.Cleanup(func() { assert.Check(t, e.RemoveContainers(context.Background(), []string{c.ID})) })
	ended, errs := api.ContainerWait(t.Context(), c.ID, container.WaitConditionNextExit)
	assert.NilError(t, e.Start(t.Context(), c.ID))
	select {
	case end := <-ended:
		assert.Equal(t, end.StatusCode, int64(0))
	case err := <-errs:
		assert.NilError(t, err)
	}
}

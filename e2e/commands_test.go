//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds every wait of a script. It is long because nothing waits for it to pass unless something is wrong.
const patience = 60 * time.Second

// commands are those that scripts have beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	// code N COMMAND: run it and want this exit code.
	"code": cmdCode,
	// http URL TEXT: somebody answers there, with a body that contains the text. ! http URL: nobody does, now.
	"http": cmdHTTP,
	// json FILE PATH TEXT: the value at the path, such as ports.0.url, services.name=web.state or services.len.
	"json": cmdJSON,
	// keys FILE PATH NAME...: the object at the path has exactly these members.
	"keys": cmdKeys,
	// containers PROJECT [SERVICE:STATE...]: the project has exactly these containers; an exited one tells its exit code.
	"containers": cmdContainers,
	// volumes, networks PROJECT [NAME...]: the project has exactly these. images PREFIX [NAME...]: so are all that begin so.
	"volumes": cmdVolumes, "networks": cmdNetworks, "images": cmdImages,
	// ids NAME PROJECT [SERVICE...]: note the container ids. same-ids, with ! for none of them: compare with the note.
	"ids": cmdIDs, "same-ids": cmdSameIDs,
	// looms [ID:STATE...]: docker loom ls shows exactly these of this script's. It shows those of other scripts too, as far
	// as they have containers or volumes: the engine is one.
	"looms": cmdLooms,
	// listen [-udp] ADDRESS: listen there until the script ends, or until unlisten. With -silent: take connections and never answer.
	"listen": cmdListen, "unlisten": cmdUnlisten,
	// connect ADDRESS: connect to it over TCP, and stay so until the script ends.
	"connect": cmdConnect,
	// start NAME COMMAND: run it in the background. await NAME REGEXP: wait until it prints that. signal NAME SIGNAL: to its
	// whole process group, as a terminal does; with -one to the process alone. finish NAME CODE: wait for its end; what it
	// printed is then in $WORK/NAME.stdout and $WORK/NAME.stderr.
	"start": cmdStart, "await": cmdAwait, "signal": cmdSignal, "finish": cmdFinish,
	// until COMMAND: run it again until it works.
	"until": cmdUntil,
	// stopwatch: begin to measure. within DURATION: no more has passed.
	"stopwatch": cmdStopwatch, "within": cmdWithin,
	// replace FILE OLD NEW: replace text, with \n and \r for line ends. bytes FILE TEXT: it has exactly these bytes; with ! not these.
	"replace": cmdReplace, "bytes": cmdBytes, "write": cmdWrite,
	// plugin another: install a plugin of another version. plugin without NAME: take a plugin away.
	"plugin": cmdPlugin,
	// devcontainer COMMAND: run the reference CLI; the container that up returns is $CONTAINER. is PROJECT SERVICE: it is that
	// service's, and the only one. lines CONTAINER FILE LINE...: a file in a container has exactly these words.
	"devcontainer": cmdReference, "is": cmdIs, "lines": cmdLines,
	"oci-registry": cmdOCIRegistry, "oci-stop": cmdOCIStop, "publish": cmdPublish, "tarballs": cmdTarballs,
	// counted FILE ARG...: run docker-loom, and write into the file what it asked the engine, opened and started.
	"counted": cmdCounted,
	// unchanged: git status shows nothing, and no loom is in the registry.
	"unchanged": cmdUnchanged,
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// until calls f until it returns nil, and fails with its last error when patience ends.
func until(ts *testscript.TestScript, f func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("after %s: %v", patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var direct = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func get(url string) (string, error) {
	resp, err := direct.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(body), err
}

func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: http URL TEXT, ! http URL")
	}
	url := args[0]
	if !strings.Contains(url, "://") {
		url = "http://localhost:" + url
	}
	if neg {
		if body, err := get(url); err == nil {
			ts.Fatalf("%s answers: %s", url, body)
		}
		return
	}
	until(ts, func() error {
		body, err := get(url)
		if err != nil {
			return err
		}
		if len(args) > 1 && !strings.Contains(body, args[1]) {
			return fmt.Errorf("%s answers %q, not %q", url, body, args[1])
		}
		return nil
	})
}

// value is what stands at the path of a JSON document.
func value(ts *testscript.TestScript, file, path string) any {
	var v any
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("%s is not JSON: %v", file, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("%s is more than one JSON document", file)
	}
	if path == "." {
		return v
	}
	for _, step := range strings.Split(path, ".") {
		switch now := v.(type) {
		case map[string]any:
			member, ok := now[step]
			if step == "len" {
				member, ok = json.Number(strconv.Itoa(len(now))), true
			}
			if !ok {
				ts.Fatalf("%s: no %s in %s", path, step, text(v))
			}
			v = member
		case []any:
			if step == "len" {
				v = json.Number(strconv.Itoa(len(now)))
				continue
			}
			if i, err := strconv.Atoi(step); err == nil && i < len(now) {
				v = now[i]
				continue
			}
			name, want, ok := strings.Cut(step, "=")
			i := slices.IndexFunc(now, func(e any) bool {
				m, isMap := e.(map[string]any)
				return ok && isMap && text(m[name]) == want
			})
			if i < 0 {
				ts.Fatalf("%s: no %s in %s", path, step, text(v))
			}
			v = now[i]
		default:
			ts.Fatalf("%s: no %s in %s", path, step, text(v))
		}
	}
	return v
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 1 {
		value(ts, args[0], ".")
		return
	}
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE [PATH TEXT]")
	}
	got := text(value(ts, args[0], args[1]))
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %s, not as wanted: %s", args[1], got, args[2])
	}
}

func cmdKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: keys FILE PATH NAME...")
	}
	m, ok := value(ts, args[0], args[1]).(map[string]any)
	if !ok {
		ts.Fatalf("%s is not an object", args[1])
	}
	var got []string
	for name := range m {
		got = append(got, name)
	}
	exactly(ts, "members of "+args[1], got, args[2:])
}

// exactly fails unless both lists have the same elements.
func exactly(ts *testscript.TestScript, what string, got, want []string) {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		ts.Fatalf("%s:\n  %s\nwant:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// list is what the engine has of a project. Whoever waits for a container's end hears of it a moment before the engine's
// list does; an inspect holds until both agree.
func list(ts *testscript.TestScript, project string) []container.Summary {
	ctx, opts := context.Background(), container.ListOptions{All: true, Filters: inProject(project)}
	all, err := suite.docker.ContainerList(ctx, opts)
	ts.Check(err)
	for _, c := range all {
		if _, err := suite.docker.ContainerInspect(ctx, c.ID); !cerrdefs.IsNotFound(err) {
			ts.Check(err)
		}
	}
	all, err = suite.docker.ContainerList(ctx, opts)
	ts.Check(err)
	return all
}

var exitCode = regexp.MustCompile(`^Exited \((\d+)\)`)

func cmdContainers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: containers PROJECT [SERVICE:STATE...]")
	}
	var got []string
	for _, c := range list(ts, args[0]) {
		s := c.Labels["com.docker.compose.service"] + ":" + c.State
		if m := exitCode.FindStringSubmatch(c.Status); m != nil {
			s += "(" + m[1] + ")"
		}
		got = append(got, s)
	}
	exactly(ts, "containers of "+args[0], got, args[1:])
}

func cmdVolumes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: volumes PROJECT [NAME...]")
	}
	all, err := suite.docker.VolumeList(context.Background(), volume.ListOptions{Filters: inProject(args[0])})
	ts.Check(err)
	var got []string
	for _, v := range all.Volumes {
		got = append(got, v.Name)
	}
	exactly(ts, "volumes of "+args[0], got, args[1:])
}

func cmdNetworks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: networks PROJECT [NAME...]")
	}
	all, err := suite.docker.NetworkList(context.Background(), network.ListOptions{Filters: inProject(args[0])})
	ts.Check(err)
	var got []string
	for _, n := range all {
		got = append(got, n.Name)
	}
	exactly(ts, "networks of "+args[0], got, args[1:])
}

func cmdImages(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: images PREFIX [NAME...]")
	}
	all, err := suite.docker.ImageList(context.Background(), dockerimage.ListOptions{})
	ts.Check(err)
	var got []string
	for _, i := range all {
		for _, tag := range i.RepoTags {
			if strings.HasPrefix(tag, args[0]) {
				got = append(got, tag)
			}
		}
	}
	exactly(ts, "images "+args[0]+"…", got, args[1:])
}

func cmdLooms(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: looms [ID:STATE...]")
	}
	ts.Check(ts.Exec("docker", "loom", "ls", "--format", "json"))
	var got []string
	for _, l := range value(ts, "stdout", ".").([]any) {
		if m := l.(map[string]any); strings.HasPrefix(text(m["repository"]), of(ts).work+"/") {
			got = append(got, text(m["id"])+":"+text(m["state"]))
		}
	}
	exactly(ts, "looms", got, args)
}

func ids(ts *testscript.TestScript, args []string) []string {
	var got []string
	for _, c := range list(ts, args[0]) {
		if len(args) == 1 || slices.Contains(args[1:], c.Labels["com.docker.compose.service"]) {
			got = append(got, c.ID[:12])
		}
	}
	slices.Sort(got)
	if len(got) == 0 {
		ts.Fatalf("no containers of %v", args)
	}
	return got
}

func cmdIDs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ids NAME PROJECT [SERVICE...]")
	}
	of(ts).ids[args[0]] = ids(ts, args[1:])
}

func cmdSameIDs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] same-ids NAME PROJECT [SERVICE...]")
	}
	before, now := of(ts).ids[args[0]], ids(ts, args[1:])
	if !neg {
		exactly(ts, "container ids", now, before)
		return
	}
	for _, id := range now {
		if slices.Contains(before, id) {
			ts.Fatalf("container %s is still there", id)
		}
	}
}

func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: listen [-udp|-silent] ADDRESS")
	}
	addr := args[len(args)-1]
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	s := of(ts)
	if args[0] == "-udp" {
		l, err := net.ListenPacket("udp", addr)
		ts.Check(err)
		s.listeners[args[1]] = func() { _ = l.Close() }
		return
	}
	l, err := net.Listen("tcp", addr)
	ts.Check(err)
	s.listeners[args[len(args)-1]] = func() { _ = l.Close() }
	if args[0] == "-silent" {
		return // the kernel takes the connections
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
}

func cmdUnlisten(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if neg || len(args) != 1 || s.listeners[args[0]] == nil {
		ts.Fatalf("usage: unlisten ADDRESS, as it was given to listen")
	}
	s.listeners[args[0]]()
	delete(s.listeners, args[0])
}

func cmdConnect(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: connect ADDRESS")
	}
	until(ts, func() error {
		conn, err := net.Dial("tcp", args[0])
		if err == nil {
			of(ts).listeners["to "+args[0]] = func() { _ = conn.Close() }
		}
		return err
	})
}

// process is one in the background.
type process struct {
	cmd            *exec.Cmd
	done           chan struct{}
	err            error
	mu             sync.Mutex
	stdout, stderr bytes.Buffer
}

func (p *process) kill() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String() + p.stderr.String()
}

// taker is one stream of a process, with its lock.
type taker struct {
	p *process
	b *bytes.Buffer
}

func (t taker) Write(b []byte) (int, error) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.b.Write(b)
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND")
	}
	p := &process{cmd: exec.Command(args[1], args[2:]...), done: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "TMPDIR", "ILOOM_LOOM", "ILOOM_DEV_SERVER_TIMEOUT"} {
		if v := ts.Getenv(name); v != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+v)
		}
	}
	p.cmd.Stdout, p.cmd.Stderr = taker{p, &p.stdout}, taker{p, &p.stderr}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ts.Check(p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	of(ts).processes[args[0]] = p
}

func running(ts *testscript.TestScript, name string) *process {
	p := of(ts).processes[name]
	if p == nil {
		ts.Fatalf("no process %s was started", name)
	}
	return p
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME REGEXP")
	}
	p, want := running(ts, args[0]), regexp.MustCompile("(?m)"+args[1])
	until(ts, func() error {
		if want.MatchString(p.printed()) {
			return nil
		}
		select {
		case <-p.done:
			if !want.MatchString(p.printed()) {
				ts.Fatalf("%s has ended (%v) and never printed %s, but:\n%s", args[0], p.err, args[1], p.printed())
			}
			return nil
		default:
			return fmt.Errorf("%s has not printed %s, but:\n%s", args[0], args[1], p.printed())
		}
	})
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	one := len(args) > 0 && args[0] == "-one"
	if one {
		args = args[1:]
	}
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[1]] == 0 {
		ts.Fatalf("usage: signal [-one] NAME HUP|INT|TERM|KILL")
	}
	pid := running(ts, args[0]).cmd.Process.Pid
	if !one {
		pid = -pid
	}
	ts.Check(syscall.Kill(pid, signals[args[1]]))
}

func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: finish NAME CODE")
	}
	p := running(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s has not ended; it printed:\n%s", args[0], p.printed())
	}
	ts.Logf("[%s printed]\n%s", args[0], p.printed())
	s := of(ts)
	ts.Check(os.WriteFile(filepath.Join(s.work, args[0]+".stdout"), p.stdout.Bytes(), 0o644))
	ts.Check(os.WriteFile(filepath.Join(s.work, args[0]+".stderr"), p.stderr.Bytes(), 0o644))
	if got := p.cmd.ProcessState.ExitCode(); fmt.Sprint(got) != args[1] {
		ts.Fatalf("%s ended with %v, want exit code %s", args[0], p.cmd.ProcessState, args[1])
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: until COMMAND")
	}
	until(ts, func() error { return ts.Exec(args[0], args[1:]...) })
}

func cmdStopwatch(ts *testscript.TestScript, _ bool, _ []string) { of(ts).began = time.Now() }

func cmdWithin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: within DURATION")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	took := time.Since(of(ts).began)
	ts.Logf("it took %s", took.Round(time.Millisecond))
	if took > limit {
		ts.Fatalf("it took %s, more than %s", took, limit)
	}
}

var escapes = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\\`, `\`)

func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	old := ts.ReadFile(args[0])
	now := strings.ReplaceAll(old, escapes.Replace(args[1]), escapes.Replace(args[2]))
	if now == old {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(now), 0o644))
}

func cmdWrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: write FILE TEXT")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(escapes.Replace(args[1])), 0o644))
}

func cmdBytes(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] bytes FILE TEXT")
	}
	if got := ts.ReadFile(args[0]); (got == escapes.Replace(args[1])) == neg {
		ts.Fatalf("%s has %q", args[0], got)
	}
}

func cmdPlugin(ts *testscript.TestScript, neg bool, args []string) {
	plugins := filepath.Join(of(ts).home, ".docker", "cli-plugins")
	switch {
	case !neg && len(args) == 1 && args[0] == "another":
		path, err := another()
		ts.Check(err)
		ts.Check(os.Remove(filepath.Join(plugins, "docker-loom")))
		ts.Check(os.Symlink(path, filepath.Join(plugins, "docker-loom")))
	case !neg && len(args) == 2 && args[0] == "without":
		ts.Check(os.Remove(filepath.Join(plugins, "docker-"+args[1])))
	default:
		ts.Fatalf("usage: plugin another, plugin without NAME")
	}
}

func cmdUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: unchanged")
	}
	s := of(ts)
	cmd := exec.Command("git", "status", "--porcelain", "--ignored")
	cmd.Dir = ts.MkAbs(".")
	out, err := cmd.Output()
	ts.Check(err)
	if len(out) > 0 {
		ts.Fatalf("git status shows:\n%s", out)
	}
	registry, err := os.ReadFile(filepath.Join(s.home, ".docker", "loom", "registry.json"))
	if err == nil && bytes.Contains(registry, []byte(`"id"`)) {
		ts.Fatalf("the registry has:\n%s", registry)
	}
	exactly(ts, "containers of the script", s.containers(ts), nil)
}

// containers are all that the script has on the engine.
func (s *state) containers(ts *testscript.TestScript) []string {
	all, err := suite.docker.ContainerList(context.Background(), container.ListOptions{All: true})
	ts.Check(err)
	var names []string
	for _, c := range all {
		if s.mine(c.Labels, append(c.Names, c.Image)...) {
			names = append(names, c.Names[0])
		}
	}
	return names
}

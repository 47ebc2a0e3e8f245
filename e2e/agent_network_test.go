//go:build e2e && linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"gotest.tools/v3/assert"
)

// hostAddress is an address of this machine that containers of a plain network reach.
func hostAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	assert.NilError(t, err)
	for _, a := range all {
		if prefix, ok := a.(*net.IPNet); ok && prefix.IP.To4() != nil && prefix.IP.IsGlobalUnicast() {
			return prefix.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback")
	return ""
}

// listeners of the test's own on all addresses of this machine: what answers TCP and UDP there.
func listeners(t *testing.T) (tcp, udp string) {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	assert.NilError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	_, tcp, _ = net.SplitHostPort(l.Addr().String())
	_, udp, _ = net.SplitHostPort(echo(t, "0.0.0.0:0"))
	return tcp, udp
}

// echo answers datagrams with themselves, and returns its address. On one of all addresses the answer may come from another
// than was asked.
func echo(t *testing.T, address string) string {
	t.Helper()
	p, err := net.ListenPacket("udp4", address)
	assert.NilError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(b[:n], from)
		}
	}()
	return p.LocalAddr().String()
}

// address is a container's on one of its networks: the one whose name ends so.
func (s *siege) address(name, network string) string {
	s.Helper()
	c, err := suite.docker.ContainerInspect(s.Context(), name)
	assert.NilError(s, err)
	for key, at := range c.NetworkSettings.Networks {
		if strings.HasSuffix(key, network) {
			return at.IPAddress
		}
	}
	s.Fatalf("container %s is on no network %s", name, network)
	return ""
}

// serving starts a server of the attacker's program, with these names, on a network of its own with the given subnet.
func (s *siege) serving(key, subnet string, names ...string) (container, network string) {
	s.Helper()
	container, network = s.repo+"-"+key, s.repo+"-"+key
	s.docker("network", "create", "--subnet", subnet, network)
	args := []string{"run", "-d", "--init", "--name", container, "--stop-signal", "KILL", "--network", network, "-v", s.work + ":" + s.work + ":ro"}
	for _, n := range names {
		args = append(args, "--network-alias", n)
	}
	s.docker(append(args, s.image, s.attacker("123"), "serve", ":80", ":443", ":8080", key)...)
	return container, network
}

// through runs the attacker in the container of loom id's service web: the agent edits what web runs, and asks web for it.
func (s *siege) through(id, stdin string, args ...string) *outcome {
	s.Helper()
	text := fmt.Sprintf("cd %s/.attack && printf '%%s' '%s' >order && cat >lines && wget -Y off -q -O - http://web/cgi-bin/attack",
		s.tree(id), strings.Join(args, " "))
	return s.agent(id, stdin, "sh", "-c", text)
}

func (s *siege) refusedThrough(id string, args ...string) {
	s.Helper()
	if o := s.through(id, "", args...); !strings.Contains(o.stdout.String(), "refused:") {
		s.Errorf("attack through web: %s:\n%s", strings.Join(args, " "), o)
	}
}

// TestAgentReachesNothingButItsLoomAndTheAllowlist: by address, by name, over IPv6 and UDP, through gateways, published
// ports, services that run the agent's code, and through the proxy by all tricks of naming a host.
func TestAgentReachesNothingButItsLoomAndTheAllowlist(t *testing.T) {
	t.Parallel()
	const place = 8
	base := basePort(place)
	files := gitWorld(base)
	files["compose.yaml"] += fmt.Sprintf(`  db:
    image: %s
    command: nc -ll -p 5432 -e echo database
    stop_signal: SIGKILL
    networks: {default: {aliases: [postgres]}}
`, image)
	s := newSiege(t, "network", place, 0, `"egress": {"allow": ["allowed.test", "private.test", "mixed.test", "*.below.test"]}`, files)
	assert.NilError(t, os.Chmod(filepath.Join(s.tree("123"), "www", "cgi-bin", "attack"), 0o755))
	// An address that is public for whoever reads it, and a private address: both on networks of the test's own.
	public, publicNet := s.serving("public", fmt.Sprintf("11.203.%d.0/24", place), "allowed.test", "unlisted.test", "mixed.test", "x.below.test", "below.test")
	private, privateNet := s.serving("private", fmt.Sprintf("10.%d.250.0/24", 170+place), "private.test", "mixed.test")
	publicIP, privateIP := s.address(public, publicNet), s.address(private, privateNet)
	host := hostAddress(t)
	tcp, udp := listeners(t)
	hostUDP := echo(t, host+":0")

	// Another loom, with a published port.
	s.up("124")
	otherPort := s.promises().Find(s.repoDir, "124").Ports[0].Host
	otherIP := s.address(s.project("124")+"-web-1", "_default")
	assert.NilError(t, s.answers(otherPort, "hello"))

	s.up("123")
	// The good paths first: they start the sandbox.
	if o := s.agent("123", "", "sh", "-c", "wget -Y off -q -O - http://web/"); o.err != nil || strings.TrimSpace(o.stdout.String()) != "hello" {
		t.Fatalf("the loom's own service is not reached: %s", o)
	}
	s.reached("123", "tcp", "db:5432")
	s.reached("123", "tcp", "postgres:5432")
	port := s.promises().Find(s.repoDir, "123").Ports[0].Host
	assert.NilError(t, s.answers(port, "hello"), "a confined service stays published")
	sidecar := s.project("123") + "-loom-agent-egress-1"
	for _, net := range []string{publicNet, privateNet} {
		s.docker("network", "connect", net, sidecar)
		s.docker("network", "connect", net, s.plain)
	}
	const proxy = "loom-agent-egress:3128"
	assert.Assert(t, strings.Contains(s.reached("123", "http", "-proxy", proxy, "http://allowed.test/"), "this is public, host allowed.test"))
	assert.Assert(t, strings.Contains(s.reached("123", "http", "-proxy", proxy, "http://x.below.test/"), "this is public"))
	assert.Assert(t, strings.Contains(s.reached("123", "tls", proxy, "allowed.test:443", "allowed.test"), "sni allowed.test"))
	// The loom's own services, as without it.
	s.reached("123", "http", "-proxy", proxy, "http://web/")
	s.reached("123", "tls", proxy, "web:80", "plain", "web")

	// By address. The plain container shows that somebody is there.
	gateways := []string{"172.17.0.1"}
	for _, n := range []string{"loom-agent", "loom-agent-out", "default"} {
		subnet := s.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", s.project("123")+"_"+n)
		ip, _, err := net.ParseCIDR(subnet)
		assert.NilError(t, err)
		ip = ip.To4()
		ip[3] = 1
		gateways = append(gateways, ip.String())
	}
	gateways = append(gateways, s.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"))
	for _, attack := range [][]string{
		{"tcp", host + ":" + tcp},
		{"tcp", fmt.Sprintf("%s:%d", host, otherPort)},
		{"udp", hostUDP},
		{"tcp", publicIP + ":80"},
		{"tcp", privateIP + ":80"},
		{"name", "allowed.test"},
		{"http", "http://allowed.test/"},
	} {
		s.control(s.plain, attack...)
		s.refused("123", attack...)
	}
	var closed, closedUDP []string
	for _, g := range gateways {
		closed = append(closed, g+":"+tcp, fmt.Sprintf("%s:%d", g, otherPort), g+":22", g+":53")
		closedUDP = append(closedUDP, g+":"+udp)
	}
	s.refused("123", append([]string{"tcp"}, closed...)...)
	s.refused("123", append([]string{"udp"}, closedUDP...)...)
	s.refused("123", "tcp", otherIP+":80", "1.1.1.1:443", "169.254.169.254:80", "[2606:4700:4700::1111]:443", "[fd00:ec2::254]:80")
	s.refused("123", "udp", "8.8.8.8:53", "1.1.1.1:53", "[2001:4860:4860::8888]:53")
	s.refused("123", "local", "ff02::1")
	s.refused("123", "name", "example.com", "unlisted.test", "host.docker.internal", "gateway.docker.internal", "secret.exfiltrated.example.com",
		s.project("124")+"-web-1", s.project("123")+"-loom-other-1")
	s.refused("123", "ports", "loom-agent-egress", "3128")

	// Through the proxy. All of it goes to servers that are there, and answer whoever asks.
	s.control(s.plain, "http", "-host", "unlisted.test", "http://allowed.test/")
	s.control(s.plain, "http", "http://private.test/")
	for _, url := range []string{
		"http://unlisted.test/", "http://private.test/", "http://below.test/", "http://" + publicIP + "/", "http://" + privateIP + "/",
		"http://allowed.test:8080/", "http://allowed.test@unlisted.test/", "http://unlisted.test:80/allowed.test",
		"http://localhost:3128/", "http://127.0.0.1:3128/", "http://[::1]:3128/", "http://[::ffff:127.0.0.1]:3128/", "http://2130706433:3128/", "http://0x7f.1/",
		"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://0.0.0.0:3128/", "http://loom-agent-egress:3128/",
		"http://host.docker.internal/", fmt.Sprintf("http://%s:%d/", host, otherPort),
		"http://" + s.project("124") + "-web-1/", "http://" + otherIP + "/", "http://[64:ff9b::a00:1]/",
	} {
		s.refused("123", "http", "-proxy", proxy, url)
	}
	for _, attack := range [][]string{
		{"http", "-proxy", proxy, "-host", "unlisted.test", "http://allowed.test/"},
		{"raw", "this is public", proxy, `GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n`},
		{"raw", "this is public", proxy, `GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nHost: unlisted.test\r\n\r\n`},
		{"raw", "host unlisted.test", proxy, `GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n`, `GET http://unlisted.test/ HTTP/1.1\r\nHost: unlisted.test\r\n\r\n`},
		{"raw", "host unlisted.test", proxy, `POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: unlisted.test\r\n\r\n`},
		{"raw", "host unlisted.test", proxy, `GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nX: y\nHost: unlisted.test\r\n\r\n`},
		{"raw", "host unlisted.test", proxy, `CONNECT allowed.test:80 HTTP/1.1\r\nHost: allowed.test:80\r\n\r\n`, `GET / HTTP/1.1\r\nHost: unlisted.test\r\n\r\n`},
		{"tls", proxy, "allowed.test:443", "unlisted.test"},
		{"tls", proxy, "allowed.test:443", "-"},
		{"tls", proxy, "allowed.test:443", "plain", "unlisted.test"},
		{"tls", proxy, "unlisted.test:443", "unlisted.test"},
		{"tls", proxy, "unlisted.test:443", "allowed.test"},
		{"tls", proxy, "private.test:443", "private.test"},
		{"tls", proxy, publicIP + ":443", "allowed.test"},
		{"tls", proxy, "allowed.test:8080", "plain"},
		{"tls", proxy, "127.0.0.1:3128", "plain"},
	} {
		s.refused("123", attack...)
	}
	// A name with a public and a private address leads to the public one or nowhere.
	for range 4 {
		if o := s.agent("123", "", s.attacker("123"), "http", "-proxy", proxy, "http://mixed.test/"); strings.Contains(o.stdout.String(), "this is private") {
			t.Errorf("attack: a name with a private address beside a public one leads to the private one:\n%s", o)
		}
	}
	if said := s.refused("123", "http", "-proxy", proxy, "http://unlisted.test/"); !strings.Contains(said, "unlisted.test") || !strings.Contains(said, "docker loom agent allow") {
		t.Errorf("a denial does not say the host and the command that allows it: %s", said)
	}
	o := run(s.command(s.tree("123"), "docker", "loom", "agent", "logs", "123", "--egress"))
	assert.NilError(t, o.err, o)
	for _, host := range []string{"allowed.test", "unlisted.test", "private.test"} {
		assert.Assert(t, strings.Contains(o.stdout.String(), host), "the log has no %s:\n%s", host, o)
	}

	// doctor says where a sandbox is not as it has to be.
	if said := s.must("doctor"); strings.Contains(said, "agent agent") {
		t.Errorf("doctor finds fault with a sandbox that is right:\n%s", said)
	}
	box := s.project("123") + "-loom-agent-1"
	s.docker("network", "connect", publicNet, box)
	s.docker("pause", sidecar)
	if said := s.must("doctor"); !strings.Contains(said, publicNet) || !strings.Contains(said, "runs without its proxy") {
		t.Errorf("doctor does not tell of a sandbox on another network, with a proxy that is paused:\n%s", said)
	}
	s.docker("network", "disconnect", publicNet, box)
	s.docker("unpause", sidecar)

	// Through web, which runs what the agent writes, as root.
	if o := s.through("123", "", "tcp", "127.0.0.1:80"); !strings.Contains(o.stdout.String(), "reached:") {
		t.Fatalf("web does not run what the agent wrote: %s", o)
	}
	viaWeb := [][]string{
		{"tcp", host + ":" + tcp},
		{"tcp", fmt.Sprintf("%s:%d", host, otherPort)},
		{"udp", hostUDP},
		{"tcp", publicIP + ":80"},
		{"name", "example.com", "allowed.test"},
		{"http", "-proxy", "loom-egress:3128", "http://unlisted.test/"},
	}
	for _, attack := range viaWeb {
		s.refusedThrough("123", attack...)
	}
	s.refusedThrough("123", append([]string{"tcp"}, closed...)...)
	lines := "write /src/.iloom/settings.local.json\nover /src/.iloom/settings.json\nwrite /src/.git\nover /src/.git\nmove /src/.git\nunlink /src/.git\n"
	o = s.through("123", lines, "files")
	got := s.verdicts(o)
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		if why, done := got[line]; !done || why == "" {
			t.Errorf("attack through web: %s:\n%s", line, o)
		}
	}
	// Without confinement web is the way out.
	s.flags = []string{"--services-egress", "open"}
	o = s.agentWith("123", "", []string{"loom", "agent", "123", "--services-egress", "open", "--", "true"})
	assert.NilError(t, o.err, o)
	assert.Assert(t, strings.Contains(o.stderr.String(), "web"), "the open way is not named: %s", o)
	if o := s.through("123", "", viaWeb[0]...); !strings.Contains(o.stdout.String(), "reached:") {
		t.Errorf("control: without confinement web does not reach the host either: %s", o)
	}
}

// TestAgentSeesNoOtherAgentAndNothingOfTheHost: another agent's processes, environment, home and network, other looms' and
// the host's volumes, the host's environment and files.
func TestAgentSeesNoOtherAgentAndNothingOfTheHost(t *testing.T) {
	t.Parallel()
	const place = 9
	s := newSiege(t, "secrets", place, 0, "", gitWorld(basePort(place)))
	assert.NilError(t, os.Chmod(filepath.Join(s.tree("123"), "www", "cgi-bin", "attack"), 0o755))
	s.up("123")
	const mark = "attacked-secret-8714"
	other := func(command ...string) *outcome {
		return s.agentWith("123", "", append([]string{"loom", "agent", "123", "--agent", "other", "-q"}, command...))
	}
	for _, command := range [][]string{
		{"--", "sh", "-c", "echo " + mark + " >~/file; echo " + mark + " >/tmp/file; echo " + mark + " >/dev/shm/file"},
		{"-d", "-e", "TOKEN=" + mark, "--", "sleep", "1000000"},
		{"-d", "--", s.attacker("123"), "serve", ":8080", "other"},
	} {
		o := other(command...)
		assert.NilError(t, o.err, o)
	}
	box := s.project("123") + "-loom-agent-other-1"
	ip := s.address(box, "_loom-agent-other")
	attacks := [][]string{{"secrets", mark}, {"tcp", ip + ":8080"}}
	for _, attack := range attacks {
		if o := other(append([]string{"--", s.attacker("123")}, attack...)...); o.err != nil {
			t.Errorf("control: %v does not succeed in the other agent's own sandbox: %s", attack, o)
		}
		s.refused("123", attack...)
	}
	s.refused("123", "name", "loom-agent-other", box, "loom-agent-other-egress")
	o := s.agent("123", "", "sh", "-c", "cat ~/file /tmp/file /dev/shm/file /proc/*/environ /proc/*/root/tmp/file 2>/dev/null")
	assert.Assert(t, !strings.Contains(o.stdout.String(), mark), o)

	// The services are on both agents' networks, and run what either writes. Another's proxy serves its own sandbox alone.
	_, publicNet := s.serving("public", fmt.Sprintf("11.204.%d.0/24", place), "other.test")
	s.docker("network", "connect", publicNet, s.project("123")+"-loom-agent-other-egress-1")
	use := []string{"http", "-proxy", "loom-agent-other-egress:3128", "http://other.test/"}
	if o := other(append([]string{"--", s.attacker("123")}, use...)...); o.err != nil {
		t.Errorf("control: the other agent does not reach what it may: %s", o)
	}
	if o := s.through("123", "", "tcp", "loom-agent-other-egress:3128"); !strings.Contains(o.stdout.String(), "reached:") {
		t.Errorf("control: web does not find the other agent's proxy at all: %s", o)
	}
	s.refusedThrough("123", use...)

	// What is given at exec is in no configuration.
	c, err := suite.docker.ContainerInspect(t.Context(), box)
	assert.NilError(t, err)
	assert.Assert(t, !strings.Contains(fmt.Sprint(*c.Config, *c.HostConfig), mark))

	// The host's environment: nothing of what docker loom was called with.
	cmd := s.command(s.tree("123"), "docker", "loom", "agent", "123", "-q", "--", "sh", "-c", "env; cat /proc/1/environ")
	cmd.Env = append(cmd.Env, "AWS_SECRET_ACCESS_KEY="+mark, "GITHUB_TOKEN="+mark, "LD_PRELOAD_X="+mark)
	o = run(cmd)
	assert.NilError(t, o.err, o)
	assert.Assert(t, !strings.Contains(o.stdout.String(), mark), o)

	// The host's files: /etc/shadow is the image's, and nothing of the user's home or Docker's folder is there.
	lines := []string{
		"read " + filepath.Join(s.home, ".gitconfig"), "read " + filepath.Join(s.home, ".docker"), "read /var/lib/docker",
		"read " + filepath.Join(s.repoDir, "compose.yaml"), "read " + s.tree("124"), "write /etc/passwd", "write /etc/hosts", "write /etc/resolv.conf",
		"write /etc/gitconfig", "write /usr/bin/git", "write /bin/busybox", "mkdir /opt", "write /proc/sys/kernel/hostname",
	}
	o = s.agent("123", strings.Join(lines, "\n"), s.attacker("123"), "files")
	assert.NilError(t, o.err, o)
	got := s.verdicts(o)
	for _, line := range lines {
		if why, done := got[line]; !done || why == "" {
			t.Errorf("attack %s:\n%s", line, o)
		}
	}
}

// TestAgentIsHeldToItsLimits: rights, system calls, processes, memory and disk.
func TestAgentIsHeldToItsLimits(t *testing.T) {
	t.Parallel()
	const place = 3
	s := newSiege(t, "limits", place, 0, `"memory": "160m", "pids": 64, "egress": {"mode": "none"}`, gitWorld(basePort(place)))
	alive := func() {
		t.Helper()
		o := s.agent("123", "", "true")
		assert.NilError(t, o.err, "the sandbox did not outlive the attack: %s", o)
	}
	s.up("123")
	alive()

	// A program that is setuid root stays the agent's. The control is one without no-new-privileges.
	s.refusedBy("123", "/attack/setuid", "euid")
	if out := s.docker("run", "--rm", "-u", "1000", s.image, "/attack/setuid", "euid"); !strings.Contains(out, "reached") {
		t.Errorf("control: the program is not setuid root: %s", out)
	}

	// System calls. Those that would change the machine are not tried outside.
	tried := []string{
		"mount", "bind", "unshare-mnt", "unshare-net", "chroot", "mknod", "setuid", "sethostname", "raw-socket", "packet", "nice", "user-ns", "remount", "umount",
	}
	machine := []string{
		"settime", "reboot", "swapoff", "pivot", "module", "bpf", "keyring", "perf", "by-handle", "namespaces", "ioctl-tty", "core", "ip-forward", "ipv6-on",
		"sysrq", "sys", "cgroup", "kmsg", "memory-dev", "kcore", "disk", "root-of-1", "docker-sock",
	}
	o := s.agent("123", "", append([]string{s.attacker("123"), "syscall"}, append(tried, machine...)...)...)
	assert.NilError(t, o.err, o)
	got := s.verdicts(o)
	for _, name := range append(tried, machine...) {
		if why, done := got[name]; !done || why == "" {
			t.Errorf("attack: system call %s:\n%s", name, o)
		}
	}
	for _, name := range tried {
		out := s.docker("run", "--rm", "--privileged", "-v", s.work+":"+s.work, s.image, s.attacker("123"), "syscall", name)
		if !strings.Contains(out, "OK\t"+name) {
			t.Errorf("control: %s fails in a privileged container as well: %s", name, out)
		}
	}

	// Processes: the bound is reached, and what is there goes on.
	// By a shell: a Go program that gets no more threads may do anything.
	const forks = `trap 'kill -9 $pids' EXIT; n=0; while [ $n -lt 100 ]; do sleep 1000 & pids="$pids $!"; n=$((n + 1)); done; echo all`
	if out := s.docker("exec", s.plain, "sh", "-c", forks); !strings.Contains(out, "all") {
		t.Errorf("control: a plain container has no hundred processes either: %s", out)
	}
	if o = s.agent("123", "", "sh", "-c", forks); !strings.Contains(o.stderr.String(), "can't fork") || o.stdout.String() != "" {
		t.Errorf("a sandbox of 64 processes: %s", o)
	}
	alive()

	// Memory: whoever takes too much is killed, and nobody else.
	s.control(s.plain, "memory", "400")
	o = s.agent("123", "", s.attacker("123"), "memory", "400")
	assert.Equal(t, exitOf(o), 137, o)
	alive()

	// Folders in memory have a bound, the root cannot be written.
	for _, dir := range []string{"/tmp", "/run", "/dev/shm"} {
		s.refused("123", "fill", dir, "200")
		alive()
	}
	s.refused("123", "fill", "/", "1")
	s.refused("123", "fill", "/usr", "1")

	c, err := suite.docker.ContainerInspect(t.Context(), s.project("123")+"-loom-agent-1")
	assert.NilError(t, err)
	hardened(t, c)
	c, err = suite.docker.ContainerInspect(t.Context(), s.project("123")+"-loom-agent-egress-1")
	assert.NilError(t, err)
	hardened(t, c)
}

// hardened is what holds for the sandbox and its sidecar alike.
func hardened(t *testing.T, c container.InspectResponse) {
	t.Helper()
	h := c.HostConfig
	assert.Assert(t, c.Config.User != "" && !strings.HasPrefix(c.Config.User, "0") && c.Config.User != "root", "user %q", c.Config.User)
	assert.DeepEqual(t, []string(h.CapDrop), []string{"ALL"})
	assert.Equal(t, len(h.CapAdd), 0)
	assert.Assert(t, !h.Privileged && h.ReadonlyRootfs)
	assert.Assert(t, strings.Contains(strings.Join(h.SecurityOpt, " "), "no-new-privileges"), "%v", h.SecurityOpt)
	assert.Assert(t, !strings.Contains(strings.Join(h.SecurityOpt, " "), "unconfined"), "%v", h.SecurityOpt)
	assert.Assert(t, h.Memory > 0 && h.PidsLimit != nil && *h.PidsLimit > 0)
	assert.Assert(t, h.MemorySwap == h.Memory, "swap: %d beyond %d", h.MemorySwap, h.Memory)
	assert.Equal(t, len(h.Devices), 0)
	for _, mode := range []string{string(h.NetworkMode), string(h.PidMode), string(h.IpcMode), string(h.UTSMode), string(h.UsernsMode), string(h.CgroupnsMode)} {
		assert.Assert(t, mode != "host" && !strings.HasPrefix(mode, "container:"), "namespace %s", mode)
	}
	for _, m := range c.Mounts {
		assert.Assert(t, !strings.HasSuffix(m.Source, "docker.sock"), m.Source)
	}
}

// refusedBy is refused, for another program of the sandbox.
func (s *siege) refusedBy(id, program string, args ...string) {
	s.Helper()
	if o := s.agent(id, "", append([]string{program}, args...)...); exitOf(o) != 3 {
		s.Errorf("attack %s %s: exit code %d, and not 3 (refused):\n%s", program, strings.Join(args, " "), exitOf(o), o)
	}
}

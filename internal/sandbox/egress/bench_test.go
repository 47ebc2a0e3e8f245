package egress

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"
)

// echo answers every byte, on loopback.
func echo(t testing.TB) netip.AddrPort {
	t.Helper()
	return answering(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// answering calls answer with each connection, on loopback, and closes it then.
func answering(t testing.TB, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		_ = accept(l, func(c net.Conn) {
			go func() {
				defer c.Close()
				answer(c)
			}()
		})
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// roundTrip opens a connection to target, through the proxy unless that is "", and waits for one byte to come back.
func roundTrip(t testing.TB, proxy, target string) net.Conn {
	t.Helper()
	first := proxy
	if proxy == "" {
		first = target
	}
	conn, err := net.Dial("tcp", first)
	assert.NilError(t, err)
	if proxy != "" {
		fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target)
		resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), &http.Request{Method: http.MethodConnect})
		assert.NilError(t, err)
		resp.Body.Close()
		assert.Equal(t, resp.StatusCode, http.StatusOK)
	}
	_, err = conn.Write([]byte{'x'})
	assert.NilError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	assert.NilError(t, err)
	return conn
}

// The difference of the two is what the proxy adds to a connection: name, dial and decision included.
func BenchmarkConnection(b *testing.B) {
	to := echo(b)
	names := map[string][]string{"listed.test": {"127.0.0.1"}}
	f := start(b, Config{Mode: Restricted, Allow: []string{fmt.Sprintf("listed.test:%d", to.Port()), to.String()}}, names)
	for name, proxy := range map[string]string{"direct": "", "proxy": f.address} {
		b.Run(name, func(b *testing.B) {
			target := to.String()
			if proxy != "" {
				target = fmt.Sprintf("listed.test:%d", to.Port())
			}
			for b.Loop() {
				roundTrip(b, proxy, target).Close()
			}
		})
	}
}

func BenchmarkTunnelThroughput(b *testing.B) {
	to := echo(b)
	f := start(b, Config{Mode: Restricted, Allow: []string{to.String()}}, nil)
	conn := roundTrip(b, f.address, to.String())
	defer conn.Close()
	block := make([]byte, 1<<20)
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = conn.Write(block) })
		_, err := io.ReadFull(conn, make([]byte, len(block)))
		assert.NilError(b, err)
		wg.Wait()
	}
}

// What the real sidecar's process holds with 200 tunnels that have all carried 256 KB both ways.
func BenchmarkMemoryOf200Tunnels(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("needs /proc")
	}
	dir := b.TempDir()
	binary := filepath.Join(dir, "docker-loom")
	build := exec.Command("go", "build", "-o", binary, "github.com/docker-loom/docker-loom/cmd/docker-loom")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	assert.NilError(b, err, "%s", out)

	to := echo(b)
	config, err := json.Marshal(Config{Mode: Restricted, Allow: []string{to.String()}})
	assert.NilError(b, err)
	cmd := exec.CommandContext(b.Context(), binary, "egress", "serve")
	cmd.Env = append(os.Environ(), ConfigVariable+"="+string(config), socketVariable+"="+filepath.Join(dir, "socket"))
	stderr, err := cmd.StderrPipe()
	assert.NilError(b, err)
	assert.NilError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	assert.NilError(b, err)
	assert.Equal(b, line, "docker-loom egress: ready\n")
	b.ReportMetric(resident(b, cmd.Process.Pid, "RssAnon"), "idle-anon-MB")

	for b.Loop() {
		var conns []net.Conn
		for range 200 {
			conns = append(conns, roundTrip(b, net.JoinHostPort("127.0.0.1", strconv.Itoa(Port)), to.String()))
		}
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() { _, _ = c.Write(make([]byte, 256<<10)) })
			wg.Go(func() { _, _ = io.CopyN(io.Discard, c, 256<<10) })
		}
		wg.Wait()
		b.ReportMetric(resident(b, cmd.Process.Pid, "RssAnon"), "anon-MB")
		b.ReportMetric(resident(b, cmd.Process.Pid, "RssFile"), "file-MB")
		b.ReportMetric(resident(b, cmd.Process.Pid, "VmRSS"), "rss-MB")
		for _, c := range conns {
			c.Close()
		}
	}
}

func resident(b *testing.B, pid int, key string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	assert.NilError(b, err)
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key+":" {
			kb, err := strconv.ParseFloat(f[1], 64)
			assert.NilError(b, err)
			return kb / 1024
		}
	}
	b.Fatalf("no %s", key)
	return 0
}

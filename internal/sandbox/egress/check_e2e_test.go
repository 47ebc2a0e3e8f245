//go:build e2e

package egress

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func docker(t *testing.T, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := exec.Command("docker", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return strings.TrimSpace(out.String()), fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := docker(t, "", args...)
	assert.NilError(t, err)
	return out
}

// sidecarImage is this package alone from scratch, as loom makes the image of all of docker-loom.
func sidecarImage(t *testing.T, name string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "docker-loom")
	build := exec.Command("go", "build", "-o", binary, "./testdata/sidecar")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	assert.NilError(t, err, "%s", out)
	content, err := os.ReadFile(binary)
	assert.NilError(t, err)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	assert.NilError(t, w.WriteHeader(&tar.Header{Name: "docker-loom", Mode: 0o755, Size: int64(len(content))}))
	_, err = w.Write(content)
	assert.NilError(t, err)
	assert.NilError(t, w.Close())
	_, err = docker(t, b.String(), "import", "-c", `ENTRYPOINT ["/docker-loom", "egress"]`, "-", name)
	assert.NilError(t, err)
	t.Cleanup(func() { _, _ = docker(t, "", "image", "rm", "-f", name) })
}

// A check is worth something if it finds what is open: an isolated network passes, an internal one of Docker's has a gateway
// that is the host, and on a common one all is open.
func TestTheCheckTellsAClosedNetworkFromOthers(t *testing.T) {
	id := fmt.Sprintf("egress-test-%d", os.Getpid())
	sidecarImage(t, id)
	isolated := "com.docker.network.bridge.gateway_mode_ipv4=isolated"
	var major int
	_, _ = fmt.Sscanf(must(t, "version", "-f", "{{.Server.Version}}"), "%d.", &major)
	if major < 28 {
		isolated = "com.docker.network.bridge.inhibit_ipv4=true"
	}
	hardened := []string{
		"--user", "65532:65532", "--cap-drop", "ALL", "--read-only", "--security-opt", "no-new-privileges", "--memory", "64m",
		"--sysctl", "net.ipv4.ip_forward=0",
		"--tmpfs", "/run:mode=0700,uid=65532,gid=65532,size=1m",
	}
	for name, c := range map[string]struct {
		create []string
		want   []string // kinds of surprises
	}{
		"isolated": {create: []string{"--internal", "-o", isolated}},
		"internal": {create: []string{"--internal"}, want: []string{"host", "host by ICMP"}},
		"common":   {want: []string{"host", "host by ICMP"}},
	} {
		t.Run(name, func(t *testing.T) {
			network, sidecar, box := id+"-"+name, id+"-"+name+"-sidecar", id+"-"+name+"-box"
			t.Cleanup(func() {
				_, _ = docker(t, "", "rm", "-f", sidecar, box)
				_, _ = docker(t, "", "network", "rm", network)
			})
			must(t, append(append([]string{"network", "create"}, c.create...), network)...)
			config := `{"mode":"restricted","allow":["listed.test"]}`
			must(t, append(append([]string{"run", "-d", "--name", sidecar, "--network", network, "--network-alias", "way-out", "-e", ConfigVariable + "=" + config}, hardened...), id, "serve")...)
			// The sidecar's own image stands in for the sandbox's: what counts is its network.
			must(t, append(append([]string{"run", "-d", "--name", box, "--network", network, "--dns", "127.0.0.1", "-e", ConfigVariable + "=" + config}, hardened...), id, "serve")...)
			address := must(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", sidecar)
			_, err := netip.ParseAddr(address)
			assert.NilError(t, err)

			in, err := json.Marshal(Check{Mode: Restricted, Proxy: "way-out:3128", Unlisted: "unlisted.invalid", Peers: []string{address}})
			assert.NilError(t, err)
			out, failed := docker(t, string(in), "run", "--rm", "-i", "--network", "container:"+box, id, "check")
			var r Report
			assert.NilError(t, json.Unmarshal([]byte(out), &r), "%s %v", out, failed)
			assert.Assert(t, r.Probes > 50)
			assert.Equal(t, r.OK, len(c.want) == 0, "%v", r.Surprises)
			assert.Equal(t, failed == nil, r.OK)
			kinds := map[string]bool{}
			for _, s := range r.Surprises {
				kinds[s.What] = true
			}
			assert.Assert(t, !kinds["proxy"], "%v", r.Surprises)
			for _, k := range c.want {
				assert.Assert(t, kinds[k], "%s in %v", k, r.Surprises)
			}
			// One that would pass packets on does not start.
			_, failed = docker(t, "", append(append([]string{"run", "--rm", "--network", network, "-e", ConfigVariable + "=" + config}, hardened...), "--sysctl", "net.ipv4.ip_forward=1", id, "serve")...)
			assert.ErrorContains(t, failed, "forwards packets")

			// Process 1 ends at once, and in good order.
			must(t, "stop", "-t", "60", sidecar)
			assert.Equal(t, must(t, "inspect", "-f", "{{.State.ExitCode}}", sidecar), "0")
		})
	}
}

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
	"gotest.tools/v3/assert"
)

// exhaust takes all that the engine's own address pools have, until the test ends: some 31 networks with Docker's default
// ones; a pool that was configured goes in one network over all of it.
func (f *field) exhaust() {
	f.Helper()
	info, err := suite.docker.Info(f.Context())
	assert.NilError(f, err)
	for i, pool := range info.DefaultAddressPools {
		// An error is one that the loop below finds: a part of the pool is in use.
		_, _ = suite.docker.NetworkCreate(f.Context(), fmt.Sprintf("%s-pool-%d", f.repo, i), network.CreateOptions{
			IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: pool.Base}}},
		})
	}
	for i := range 600 {
		_, err := suite.docker.NetworkCreate(f.Context(), fmt.Sprintf("%s-%d", f.repo, i), network.CreateOptions{})
		if err != nil && (strings.Contains(err.Error(), "fully subnetted") || strings.Contains(err.Error(), "non-overlapping IPv4 address pool")) {
			f.Logf("the engine's address pools ended after %d networks", i)
			return
		}
		assert.NilError(f, err)
	}
	f.Fatal("the engine's address pools do not end")
}

// TestNetworksBeyondDockersPools: Docker's own address pools end at some 31 networks. Looms lease their subnets, so that
// eight of them with five networks each run on an engine whose pools are exhausted. Nothing may run beside this test.
func TestNetworksBeyondDockersPools(t *testing.T) {
	notCore(t)
	const place = 2
	f := newField(t, "networks", place, map[string]string{"compose.yaml": fmt.Sprintf(`services:
  web:
    image: %[1]s
    command: ["sh", "-c", "echo I am $ILOOM_LOOM >/index.html; exec httpd -f -p 80 -h /"]
    stop_signal: SIGKILL
    ports: ["%[2]d:80"]
    networks: [default, n1, n2, n3, n4]
  peer:
    image: %[1]s
    command: sleep 1000000
    stop_signal: SIGKILL
    networks: [n4]
networks: {n1: {}, n2: {}, n3: {}, n4: {}}
`, image, basePort(place))})
	f.exhaust()
	var ids []string
	for n := range 8 {
		ids = append(ids, fmt.Sprint(n+1))
	}
	assert.NilError(t, atOnce(ids, f.loomed("up")))

	f.disjoint()
	networks := 0
	for _, l := range f.promises().Looms {
		assert.NilError(t, f.answers(l.Ports[0].Host, "I am "+l.ID))
		assert.Equal(t, f.docker("exec", l.Project+"-peer-1", "wget", "-q", "-O", "-", "http://web/"), "I am "+l.ID)
		m, err := f.has(l.Project)
		assert.NilError(t, err)
		networks += m.networks
	}
	assert.Equal(t, networks, 40)
	assert.NilError(t, atOnce(ids, f.loomed("down", "--volumes")))
	assert.Equal(t, len(f.promises().Looms), 0)
}

package engine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"gotest.tools/v3/assert"
)

func TestSocketsAreReadFromTheKernelsTables(t *testing.T) {
	t.Parallel()
	list, err := parseSockets(strings.NewReader(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:46A0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:46A0 0100007F:E674 06 00000000:00000000 03:00001739 00000000     0        0 0 3 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000001000000:0051 01 00000000:00000000 03:00001739 00000000     0        0 0 3 0
   3: 0000000000000000FFFF00000100A8C0:0050 0000000000000000FFFF00000200A8C0:0051 08 0:0 0:0 0 0 0 0 0 0
   4: nonsense
`))
	assert.NilError(t, err)
	assert.Equal(t, len(list), 4)
	at := netip.MustParseAddrPort
	assert.Equal(t, list[0], Socket{Local: at("0.0.0.0:18080"), Remote: at("0.0.0.0:0"), Listens: true})
	assert.Equal(t, list[1], Socket{Local: at("127.0.0.1:18080"), Remote: at("127.0.0.1:58996"), Open: true})
	assert.Equal(t, list[2], Socket{Local: at("[::1]:80"), Remote: at("[::1]:81"), Open: true})
	assert.Equal(t, list[3], Socket{Local: at("192.168.0.1:80"), Remote: at("192.168.0.2:81")})
}

func TestSocketsAreReadFromNetstat(t *testing.T) {
	t.Parallel()
	list, err := parseNetstat(strings.NewReader(`Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.8203         127.0.0.1.50512        ESTABLISHED
tcp46      0      0  *.8203                 *.*                    LISTEN
tcp6       0      0  ::1.8203               ::1.50513              TIME_WAIT
tcp4       0      0  127.0.0.1.8203         127.0.0.1.50514        CLOSE_WAIT
udp4       0      0  *.5353                 *.*
  TCP    0.0.0.0:8203           0.0.0.0:0              ABHÖREN
  TCP    [::1]:8203             [::1]:50515            HERGESTELLT
`))
	assert.NilError(t, err)
	at := netip.MustParseAddrPort
	want := []Socket{
		{Local: at("127.0.0.1:8203"), Remote: at("127.0.0.1:50512"), Open: true},
		{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true},
		{Local: at("[::1]:8203"), Remote: at("[::1]:50513"), Open: true},
		{Local: at("127.0.0.1:8203"), Remote: at("127.0.0.1:50514")},
		{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true},
		{Local: at("[::1]:8203"), Remote: at("[::1]:50515"), Open: true},
	}
	assert.Assert(t, slices.Equal(list, want), "%v", list)
}

func TestOnlyConnectionsFromOutsideReachALoom(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort
	open := func(local, remote string) []Socket {
		return []Socket{{Local: at(local), Remote: at(remote), Open: true}}
	}
	ports := []Published{{Target: 80, Protocol: "tcp", Host: 8203}}
	inside := []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.1.0.3")}
	for _, tc := range []struct {
		name      string
		host, own []Socket
		want      bool
	}{
		{"nobody", nil, nil, false},
		{"the proxy's side of a connection", open("127.0.0.1:8203", "127.0.0.1:50000"), nil, true},
		{"a client's side, which alone remembers one that it ended", open("127.0.0.1:50000", "127.0.0.1:8203"), nil, true},
		{"a client of another machine's port of that number", open("192.168.0.9:50000", "203.0.113.5:8203"), nil, false},
		{"another port", open("127.0.0.1:8204", "127.0.0.1:50000"), nil, false},
		{"a listener", []Socket{{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true}}, nil, false},
		{"another machine, through NAT", nil, open("10.1.0.2:80", "192.168.0.7:50000"), true},
		{"the proxy, which comes from the gateway", nil, open("10.1.0.2:80", "10.1.0.1:50000"), true},
		{"a sibling", nil, open("10.1.0.2:80", "10.1.0.3:50000"), false},
		{"its own healthcheck", nil, open("127.0.0.1:80", "127.0.0.1:50000"), false},
		{"what it calls itself", nil, open("10.1.0.2:50000", "203.0.113.5:80"), false},
	} {
		assert.Check(t, reached(ports, tc.host, tc.own, inside) == tc.want, tc.name)
	}
	listens := []Socket{{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true}}
	assert.Check(t, forwarded(ports, listens))
	assert.Check(t, !forwarded(append(ports, Published{Target: 81, Protocol: "tcp", Host: 8204}), listens))
}

func TestAHealthcheckIsKnownByItsCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		config container.Config
		want   string
	}{
		{container.Config{}, ""},
		{container.Config{Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}}, ""},
		{container.Config{Healthcheck: &container.HealthConfig{Test: []string{"CMD", "curl", "-f", "localhost"}}}, "curl -f localhost"},
		{container.Config{Healthcheck: &container.HealthConfig{Test: []string{"CMD-SHELL", "a | b"}}}, "/bin/sh -c a | b"},
		{container.Config{Shell: []string{"/bin/bash", "-ec"}, Healthcheck: &container.HealthConfig{Test: []string{"CMD-SHELL", "a"}}}, "/bin/bash -ec a"},
	} {
		assert.Equal(t, probeCommand(&tc.config), tc.want)
	}
}

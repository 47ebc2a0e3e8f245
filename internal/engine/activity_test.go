package engine

import (
	"net/netip"
	"testing"

	"github.com/docker/docker/api/types/container"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/host"
)

func TestOnlyConnectionsFromOutsideReachALoom(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort
	open := func(local, remote string) []host.Socket {
		return []host.Socket{{Local: at(local), Remote: at(remote), Open: true}}
	}
	ports := []Published{{Target: 80, Protocol: "tcp", Host: 8203}}
	inside := []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.1.0.3")}
	for _, tc := range []struct {
		name      string
		host, own []host.Socket
		want      bool
	}{
		{"nobody", nil, nil, false},
		{"the proxy's side of a connection", open("127.0.0.1:8203", "127.0.0.1:50000"), nil, true},
		{"a client's side, which alone remembers one that it ended", open("127.0.0.1:50000", "127.0.0.1:8203"), nil, true},
		{"a client of another machine's port of that number", open("192.168.0.9:50000", "203.0.113.5:8203"), nil, false},
		{"another port", open("127.0.0.1:8204", "127.0.0.1:50000"), nil, false},
		{"a listener", []host.Socket{{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true}}, nil, false},
		{"another machine, through NAT", nil, open("10.1.0.2:80", "192.168.0.7:50000"), true},
		{"the proxy, which comes from the gateway", nil, open("10.1.0.2:80", "10.1.0.1:50000"), true},
		{"a sibling", nil, open("10.1.0.2:80", "10.1.0.3:50000"), false},
		{"its own healthcheck", nil, open("127.0.0.1:80", "127.0.0.1:50000"), false},
		{"what it calls itself", nil, open("10.1.0.2:50000", "203.0.113.5:80"), false},
	} {
		assert.Check(t, reached(ports, tc.host, tc.own, inside) == tc.want, tc.name)
	}
	listens := []host.Socket{{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true}}
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

package sandbox

import (
	"encoding/json"
	"net/netip"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// Gateway is how an engine makes a bridge without an address of the host.
type Gateway bool

const (
	// GatewayIsolated is the gateway mode of engine 28 and later.
	GatewayIsolated Gateway = true
	// GatewayInhibited is the driver option of older engines.
	GatewayInhibited Gateway = false
)

// Isolate makes n a network whose members reach each other and nothing else. An internal network is not enough: its
// bridge has an address of the host, and members reach every listener of the host through it. Other driver options of
// n stay.
func Isolate(n *types.NetworkConfig, gateway Gateway) {
	n.Internal = true
	no := false
	n.EnableIPv6 = &no
	opts := types.Options{}
	for k, v := range n.DriverOpts {
		opts[k] = v
	}
	for _, k := range []string{
		"com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6",
		"com.docker.network.bridge.inhibit_ipv4",
	} {
		delete(opts, k)
	}
	if gateway == GatewayIsolated {
		opts["com.docker.network.bridge.gateway_mode_ipv4"] = "isolated"
	} else {
		opts["com.docker.network.bridge.inhibit_ipv4"] = "true"
	}
	n.DriverOpts = opts
}

// addressPool returns the subnet. The engine chooses addresses from its lower half.
func addressPool(subnet netip.Prefix) *types.IPAMPool {
	p := &types.IPAMPool{Subnet: subnet.String()}
	if subnet.Bits() < 29 {
		p.IPRange = netip.PrefixFrom(subnet.Masked().Addr(), subnet.Bits()+1).String()
	}
	return p
}

// Limits of a sidecar. With 200 connections the proxy stays well below them.
const (
	sidecarMemory = 64 << 20
	sidecarPIDs   = 128
)

// Sidecar returns a service that runs this binary as proxy and forwarder, with few rights: a user of its own, no
// capability, a read-only root, no secret. The caller adds networks, ports and labels.
func Sidecar(name, image string, cfg egress.Config) types.ServiceConfig {
	text, err := json.Marshal(cfg)
	if err != nil {
		text = nil // a Config can always be encoded; with an empty variable the sidecar does not start
	}
	value := string(text)
	s := hardened(name, image, EgressUser)
	s.Entrypoint = types.ShellCommand{Program}
	s.Command = types.ShellCommand{"egress", "serve"}
	s.Environment = types.MappingWithEquals{egress.ConfigVariable: &value}
	// The control socket is in it.
	s.Tmpfs = types.StringList{"/run:mode=0700,size=1m,uid=65532,gid=65532,noexec"}
	s.MemLimit, s.MemSwapLimit = sidecarMemory, sidecarMemory
	s.PidsLimit = sidecarPIDs
	// The sidecar is in two networks, and a new network namespace may inherit that the host forwards packets. A service
	// that makes its own packets (Docker gives it NET_RAW) could then send them through.
	s.Sysctls = types.Mapping{"net.ipv4.ip_forward": "0"}
	s.Restart = types.RestartPolicyOnFailure
	s.StopGracePeriod = stopGracePeriod()
	// `agent log` can then read it with any default driver of the engine, and endless requests do not fill the disk.
	s.Logging = &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m", "max-file": "3"}}
	return s
}

// hardened returns what both containers have in common. Without a seccomp option they get the engine's default profile.
func hardened(name, image, user string) types.ServiceConfig {
	return types.ServiceConfig{
		Name:        name,
		Image:       image,
		PullPolicy:  types.PullPolicyNever,
		User:        user,
		CapDrop:     []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges:true"},
		ReadOnly:    true,
		// The engine's default may be another one.
		Ipc:         "private",
		Cgroup:      "private",
		HealthCheck: &types.HealthCheckConfig{Disable: true},
		Restart:     types.RestartPolicyNo,
	}
}

package sandbox

import (
	"encoding/json"
	"net/netip"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// Isolate makes n a network whose members reach each other and nothing else. Being internal is not enough: the bridge of
// an internal network has an address on the host, and through it members reach every listener of the host. Engines from
// 28 on leave the address away (isolatedGateway), older ones do not configure it. Driver options that n has stay, but for
// those that say otherwise.
func Isolate(n *types.NetworkConfig, isolatedGateway bool) {
	n.Internal = true
	no := false
	n.EnableIPv6 = &no
	opts := types.Options{}
	for k, v := range n.DriverOpts {
		opts[k] = v
	}
	for _, k := range []string{
		"com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6", "com.docker.network.bridge.inhibit_ipv4",
	} {
		delete(opts, k)
	}
	if isolatedGateway {
		opts["com.docker.network.bridge.gateway_mode_ipv4"] = "isolated"
	} else {
		opts["com.docker.network.bridge.inhibit_ipv4"] = "true"
	}
	n.DriverOpts = opts
}

// addressPool is the subnet, with its lower half for addresses that the engine chooses.
func addressPool(subnet netip.Prefix) *types.IPAMPool {
	p := &types.IPAMPool{Subnet: subnet.String()}
	if subnet.Bits() < 29 {
		p.IPRange = netip.PrefixFrom(subnet.Masked().Addr(), subnet.Bits()+1).String()
	}
	return p
}

// Limits of a sidecar. The proxy stays well below them at 200 connections.
const (
	sidecarMemory = 64 << 20
	sidecarPIDs   = 128
)

// Sidecar is a service that runs this binary as proxy and forwarder, with nothing that it does not need: another user, no
// capability, a root that cannot be written. Networks, ports and labels are the caller's to add. It is given no secret.
func Sidecar(name, image string, cfg egress.Config) types.ServiceConfig {
	text, err := json.Marshal(cfg)
	if err != nil {
		// A Config is strings and numbers; an empty variable makes the sidecar refuse to start.
		text = nil
	}
	value := string(text)
	s := hardened(name, image, EgressUser)
	s.Entrypoint = types.ShellCommand{Program}
	s.Command = types.ShellCommand{"egress", "serve"}
	s.Environment = types.MappingWithEquals{egress.ConfigVariable: &value}
	// The control socket's place.
	s.Tmpfs = types.StringList{"/run:mode=0700,size=1m,uid=65532,gid=65532,noexec"}
	s.MemLimit, s.MemSwapLimit = sidecarMemory, sidecarMemory
	s.PidsLimit = sidecarPIDs
	// It is on two networks, and a new network namespace may take over that this host forwards packets: then a service that
	// makes packets of its own (Docker gives it NET_RAW) could send them through.
	s.Sysctls = types.Mapping{"net.ipv4.ip_forward": "0"}
	s.Restart = types.RestartPolicyOnFailure
	s.StopGracePeriod = grace()
	// `agent log` reads it, whatever the engine's default driver is, and a sandbox that asks for ever does not fill the disk.
	s.Logging = &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m", "max-file": "3"}}
	return s
}

// hardened is what both containers have in common. The seccomp profile is the engine's: saying nothing is what asks for it.
func hardened(name, image, user string) types.ServiceConfig {
	return types.ServiceConfig{
		Name:        name,
		Image:       image,
		PullPolicy:  types.PullPolicyNever,
		User:        user,
		CapDrop:     []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges:true"},
		ReadOnly:    true,
		// A private namespace also where the engine's default is another.
		Ipc:         "private",
		Cgroup:      "private",
		HealthCheck: &types.HealthCheckConfig{Disable: true},
		Restart:     types.RestartPolicyNo,
	}
}

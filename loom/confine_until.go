package loom

import (
	"encoding/json"
	"maps"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/sandbox/egress"
)

// Both are sandbox's, once it is there.
func isolate(n *types.NetworkConfig, isolatedGateway bool) {
	no := false
	n.Internal, n.EnableIPv6 = true, &no
	n.DriverOpts = maps.Clone(n.DriverOpts)
	if n.DriverOpts == nil {
		n.DriverOpts = types.Options{}
	}
	if isolatedGateway {
		n.DriverOpts["com.docker.network.bridge.gateway_mode_ipv4"] = "isolated"
	} else {
		n.DriverOpts["com.docker.network.bridge.inhibit_ipv4"] = "true"
	}
}

func newSidecar(name, image string, cfg egress.Config) (types.ServiceConfig, error) {
	text, err := json.Marshal(cfg)
	value := string(text)
	return types.ServiceConfig{
		Name: name, Image: image, PullPolicy: types.PullPolicyNever, User: "65532:65532", CapDrop: []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges:true"}, ReadOnly: true, Command: types.ShellCommand{"egress", "serve"},
		Environment: types.MappingWithEquals{egress.ConfigVariable: &value}, Restart: types.RestartPolicyOnFailure,
	}, err
}

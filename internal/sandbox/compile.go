package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// idleCommand is the sandbox's main process: it does nothing until it gets a signal to stop. Any shell can run it.
const idleCommand = `trap 'exit 0' TERM INT; while :; do sleep 3600 & wait "$!"; done`

// Compile returns the Compose project of a sandbox: two services, two networks and the volumes, named by
// [ServiceName], [EgressName], [OuterName], [HomeName] and [GitName]. Both services have the label [LabelSandbox],
// the hash of the wanted container.
func Compile(s Spec) (*types.Project, []finding.Finding, error) {
	if err := s.validate(); err != nil {
		return nil, nil, err
	}
	mounts, err := s.binds()
	if err != nil {
		return nil, nil, err
	}
	p := &types.Project{
		Name:       s.Project,
		WorkingDir: s.WorkTree,
		Services:   types.Services{},
		Networks:   s.networks(),
		Volumes:    s.volumes(),
	}
	agentService, sidecar := s.agentService(mounts), s.sidecarService()
	agentService.Labels[LabelSandbox] = s.agentHash(agentService, mounts, p)
	sidecar.Labels[LabelSandbox] = s.sidecarHash(sidecar, p)
	p.Services[agentService.Name], p.Services[sidecar.Name] = agentService, sidecar
	return p, s.findings(), nil
}

// validate refuses a specification whose containers would not be a sandbox.
func (s Spec) validate() error {
	for _, f := range []struct{ name, value string }{
		{"project name", s.Project}, {"work tree", s.WorkTree}, {"image", s.Image}, {"image of the sidecar", s.EgressImage},
	} {
		if f.value == "" {
			return fmt.Errorf("sandbox: the %s must not be empty", f.name)
		}
	}
	if s.UID <= 0 || s.GID <= 0 {
		return fmt.Errorf("sandbox: user %d:%d: an agent must not run as root", s.UID, s.GID)
	}
	switch s.Egress {
	case egress.None, egress.Restricted, egress.Open:
	default:
		return fmt.Errorf("egress must be none, restricted or open, not %q", s.Egress)
	}
	if !filepath.IsAbs(s.WorkTree) || filepath.Clean(s.WorkTree) != s.WorkTree {
		return fmt.Errorf("sandbox: work tree %q must be a clean absolute path", s.WorkTree)
	}
	for _, p := range []netip.Prefix{s.Subnet, s.OuterSubnet} {
		if !p.IsValid() || !p.Addr().Is4() || p.Bits() > 28 {
			return fmt.Errorf("sandbox: subnet must be of IPv4 with at least 16 addresses, not %s", p)
		}
	}
	if s.Subnet.Overlaps(s.OuterSubnet) {
		return fmt.Errorf("sandbox: subnets %s and %s overlap", s.Subnet, s.OuterSubnet)
	}
	if coversSystem(s.WorkTree) {
		return fmt.Errorf("sandbox: work tree %s is a folder of the system: it would cover the sandbox's own", s.WorkTree)
	}
	return checkAgentName(s.Agent)
}

func (s Spec) labels() types.Labels {
	l := types.Labels{}
	maps.Copy(l, s.Labels)
	return l
}

// networks returns the isolated network of the agent and the sidecar's network to the outside.
func (s Spec) networks() types.Networks {
	name, outerName := ServiceName(s.Agent), OuterName(s.Agent)
	inner := types.NetworkConfig{Name: s.Project + "_" + name, Driver: "bridge", Labels: s.labels()}
	inner.Ipam.Config = []*types.IPAMPool{addressPool(s.Subnet)}
	Isolate(&inner, Gateway(s.IsolatedGateway))
	no := false
	outer := types.NetworkConfig{Name: s.Project + "_" + outerName, Driver: "bridge", Labels: s.labels(), EnableIPv6: &no}
	outer.Ipam.Config = []*types.IPAMPool{{Subnet: s.OuterSubnet.String()}}
	return types.Networks{name: inner, outerName: outer}
}

func (s Spec) volumes() types.Volumes {
	names := []string{HomeName(s.Agent)}
	if s.hasView() {
		names = append(names, GitName(s.Agent))
	}
	all := types.Volumes{}
	for _, name := range names {
		all[name] = types.VolumeConfig{Name: s.Project + "_" + name, Labels: s.labels()}
	}
	return all
}

// agentService returns the service in which the agent's commands run.
func (s Spec) agentService(mounts []bind) types.ServiceConfig {
	name, sidecar := ServiceName(s.Agent), EgressName(s.Agent)
	limits := s.Limits.orDefault()
	yes := true
	c := hardened(name, s.Image, strconv.Itoa(s.UID)+":"+strconv.Itoa(s.GID))
	c.Init = &yes
	c.Entrypoint = types.ShellCommand{"/bin/sh", "-c", idleCommand}
	c.Command = types.ShellCommand{}
	c.StopSignal = "SIGTERM" // an image may set another one
	c.StopGracePeriod = stopGracePeriod()
	c.WorkingDir = s.WorkTree
	c.Runtime = s.Runtime
	c.Environment = s.environment()
	c.Tmpfs = types.StringList{
		// Builds execute files in /tmp. Its files count as memory, so it may take a quarter of that.
		fmt.Sprintf("/tmp:exec,mode=1777,size=%d", limits.Memory/4),
		fmt.Sprintf("/run:mode=0755,size=16m,uid=%d,gid=%d", s.UID, s.GID),
	}
	c.MemLimit = types.UnitBytes(limits.Memory)
	c.MemSwapLimit = c.MemLimit // memory and swap together: no swap
	c.CPUS = float32(limits.CPUs)
	c.PidsLimit = limits.PIDs
	// The engine itself answers the names of this network. It sends other names to this server, where nothing listens.
	c.DNS = types.StringList{"127.0.0.1"}
	c.DNSSearch = types.StringList{"."}
	// gVisor cannot use the engine's name server.
	c.ExtraHosts = types.HostsList{sidecar: {SidecarAddress(s.Subnet).String()}}
	c.Networks = map[string]*types.ServiceNetworkConfig{name: {Ipv4Address: Address(s.Subnet).String()}}
	c.DependsOn = types.DependsOnConfig{sidecar: {Condition: types.ServiceConditionStarted, Required: true}}
	if s.DockerSocket != "" {
		c.GroupAdd = []string{strconv.Itoa(s.SocketGID)}
	}
	c.Labels = s.labels()
	c.Labels[LabelAgent] = s.agentName()
	for _, m := range mounts {
		c.Volumes = append(c.Volumes, m.volume())
	}
	return c
}

// sidecarService returns the service that is the way out.
func (s Spec) sidecarService() types.ServiceConfig {
	c := Sidecar(EgressName(s.Agent), s.EgressImage, s.EgressConfig())
	c.Networks = map[string]*types.ServiceNetworkConfig{
		ServiceName(s.Agent): {Ipv4Address: SidecarAddress(s.Subnet).String()},
		// The default route must go out by this network. Compose decides that by priority.
		OuterName(s.Agent): {Priority: 1000},
	}
	c.Labels = s.labels()
	c.Labels[LabelAgent] = s.agentName()
	return c
}

// EgressConfig returns the policy that the sidecar starts with.
func (s Spec) EgressConfig() egress.Config {
	return egress.Config{
		Mode: s.Egress, Allow: s.Allow, Services: slices.Sorted(slices.Values(s.Services)), Hint: s.Hint,
		Clients: []netip.Prefix{netip.PrefixFrom(Address(s.Subnet), 32)},
		Closed:  egress.Closed(s.Machine),
	}
}

func (s Spec) agentName() string {
	if s.Agent == "" {
		return DefaultAgent
	}
	return s.Agent
}

// environment returns the container's environment, which every command has too.
func (s Spec) environment() types.MappingWithEquals {
	proxy := "http://" + net.JoinHostPort(EgressName(s.Agent), strconv.Itoa(egress.Port))
	env := map[string]string{
		"HOME": Home, "USER": "agent", "LOGNAME": "agent",
		"HTTP_PROXY": proxy, "http_proxy": proxy, "HTTPS_PROXY": proxy, "https_proxy": proxy,
		// Without this variable Node (24 and later) ignores those above.
		"NODE_USE_ENV_PROXY": "1",
	}
	maps.Copy(env, s.Env)
	for _, kv := range NoProxy(s.Services) {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	// Compose would add the proxies of the user's ~/.docker/config.json, with their passwords. A nil value prevents that.
	out := types.MappingWithEquals{"ALL_PROXY": nil, "all_proxy": nil, "FTP_PROXY": nil, "ftp_proxy": nil}
	for k, v := range env {
		out[k] = &v
	}
	return out
}

// NoProxy returns the variables, as NAME=value, with which programs reach the services without the proxy. Each
// command gets the current ones: services come and go without the sandbox being recreated.
func NoProxy(services []string) []string {
	all := slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, slices.Sorted(slices.Values(services)))
	list := strings.Join(slices.Compact(all), ",")
	return []string{"NO_PROXY=" + list, "no_proxy=" + list}
}

func stopGracePeriod() *types.Duration {
	d := types.Duration(5 * time.Second)
	return &d
}

// agentHash returns the hash of the wanted agent container. Three things do not count, so that they end no command in
// it: the sidecar's rules, the services of the loom (NO_PROXY), and unhashed mounts.
func (s Spec) agentHash(c types.ServiceConfig, mounts []bind, p *types.Project) string {
	c.Environment = maps.Clone(c.Environment)
	delete(c.Environment, "NO_PROXY")
	delete(c.Environment, "no_proxy")
	c.Volumes = nil
	for _, m := range mounts {
		if !m.unhashed {
			c.Volumes = append(c.Volumes, m.volume())
		}
	}
	return hash(c, s.ImageID, p.Networks[ServiceName(s.Agent)], p.Volumes)
}

// sidecarHash returns the hash of the wanted sidecar. The services in its configuration only appear in denials.
func (s Spec) sidecarHash(c types.ServiceConfig, p *types.Project) string {
	cfg := s.EgressConfig()
	cfg.Services = nil
	c.Environment = nil
	return hash(c, cfg, p.Networks[ServiceName(s.Agent)], p.Networks[OuterName(s.Agent)])
}

// hash returns a hash of the JSON of its arguments. JSON sorts the keys of maps.
func hash(parts ...any) string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(parts); err != nil {
		return "" // equal to no label; Compose's types can always be encoded
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// Hashes returns the wanted hashes of sandbox and sidecar from a project of [Compile].
func Hashes(p *types.Project, agent string) (sandbox, sidecar string) {
	return p.Services[ServiceName(agent)].Labels[LabelSandbox], p.Services[EgressName(agent)].Labels[LabelSandbox]
}

// findings warn of what the policy gives away.
func (s Spec) findings() []finding.Finding {
	var fs []finding.Finding
	subject := "agent " + s.agentName()
	if s.DockerSocket != "" {
		fs = append(fs, finding.Finding{
			Level: finding.Warning, Subject: subject,
			Message: "it reaches the engine's socket: that is root on this host, and not a sandbox",
			Remedy:  "remove container.agent.dockerAccess",
		})
	}
	if s.Egress == egress.Open {
		fs = append(fs, finding.Finding{
			Level: finding.Warning, Subject: subject, Message: "it reaches every public host", Remedy: "--egress restricted",
		})
	}
	return fs
}

package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
)

// idle is the sandbox's main process: it does nothing until it is told to stop. Any shell can run it.
const idle = `trap 'exit 0' TERM INT; while :; do sleep 3600 & wait "$!"; done`

// Compile makes the Compose project of a sandbox: the services, networks and volume that [ServiceName] and its relatives
// name. Both services carry [LabelSandbox], the hash of what they are wanted to be.
func Compile(s Spec) (*types.Project, []finding.Finding, error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	name, sidecar, outer, home := ServiceName(s.Agent), EgressName(s.Agent), OuterName(s.Agent), HomeName(s.Agent)
	mounts, err := s.binds()
	if err != nil {
		return nil, nil, err
	}

	box := s.service(name, sidecar)
	for _, m := range mounts {
		box.Volumes = append(box.Volumes, m.volume())
	}
	way := s.sidecar(sidecar, name, outer)

	inner := types.NetworkConfig{Name: s.Project + "_" + name, Driver: "bridge", Labels: s.labels()}
	inner.Ipam.Config = []*types.IPAMPool{addressPool(s.Subnet)}
	Isolate(&inner, s.IsolatedGateway)
	no := false
	out := types.NetworkConfig{Name: s.Project + "_" + outer, Driver: "bridge", Labels: s.labels(), EnableIPv6: &no}
	out.Ipam.Config = []*types.IPAMPool{{Subnet: s.OuterSubnet.String()}}

	p := &types.Project{
		Name:       s.Project,
		WorkingDir: s.WorkTree,
		Services:   types.Services{name: box, sidecar: way},
		Networks:   types.Networks{name: inner, outer: out},
		Volumes:    types.Volumes{home: {Name: s.Project + "_" + home, Labels: s.labels()}},
	}
	if s.hasView() {
		view := GitName(s.Agent)
		p.Volumes[view] = types.VolumeConfig{Name: s.Project + "_" + view, Labels: s.labels()}
	}
	s.seal(p, name, sidecar, outer, mounts)
	return p, s.findings(), nil
}

// check refuses what would be no sandbox.
func (s Spec) check() error {
	for _, f := range []struct{ name, value string }{
		{"project name", s.Project}, {"work tree", s.WorkTree}, {"image", s.Image}, {"image of the sidecar", s.EgressImage},
	} {
		if f.value == "" {
			return fmt.Errorf("sandbox: no %s", f.name)
		}
	}
	if s.UID <= 0 || s.GID <= 0 {
		return fmt.Errorf("sandbox: user %d:%d: an agent never runs as root", s.UID, s.GID)
	}
	switch s.Egress {
	case egress.None, egress.Restricted, egress.Open:
	default:
		return fmt.Errorf("egress %q: allowed are none, restricted and open", s.Egress)
	}
	if !filepath.IsAbs(s.WorkTree) || filepath.Clean(s.WorkTree) != s.WorkTree {
		return fmt.Errorf("sandbox: work tree %q is no clean absolute path", s.WorkTree)
	}
	for _, p := range []netip.Prefix{s.Subnet, s.OuterSubnet} {
		if !p.IsValid() || !p.Addr().Is4() || p.Bits() > 28 {
			return fmt.Errorf("sandbox: subnet %s: wanted is one of IPv4 with 16 addresses or more", p)
		}
	}
	if s.Subnet.Overlaps(s.OuterSubnet) {
		return fmt.Errorf("sandbox: subnets %s and %s overlap", s.Subnet, s.OuterSubnet)
	}
	if covers(s.WorkTree) {
		return fmt.Errorf("sandbox: work tree %s is a folder of the system, which the sandbox has its own of", s.WorkTree)
	}
	return checkAgent(s.Agent)
}

func (s Spec) labels() types.Labels {
	l := types.Labels{}
	maps.Copy(l, s.Labels)
	return l
}

// service is the sandbox itself, without its mounts.
func (s Spec) service(name, sidecar string) types.ServiceConfig {
	limits := s.Limits.orDefault()
	yes := true
	b := hardened(name, s.Image, strconv.Itoa(s.UID)+":"+strconv.Itoa(s.GID))
	b.Init = &yes
	b.Entrypoint = types.ShellCommand{"/bin/sh", "-c", idle}
	b.Command = types.ShellCommand{}
	b.StopSignal = "SIGTERM" // an image may say otherwise
	b.StopGracePeriod = grace()
	b.WorkingDir = s.WorkTree
	b.Runtime = s.Runtime
	b.Environment = s.environment(sidecar)
	b.Tmpfs = types.StringList{
		// Builds run what they put into /tmp. It counts as memory, so a quarter of that is its bound.
		fmt.Sprintf("/tmp:exec,mode=1777,size=%d", limits.Memory/4),
		fmt.Sprintf("/run:mode=0755,size=16m,uid=%d,gid=%d", s.UID, s.GID),
	}
	b.MemLimit = types.UnitBytes(limits.Memory)
	b.MemSwapLimit = b.MemLimit // memory and swap together: no swap
	b.CPUS = float32(limits.CPUs)
	b.PidsLimit = limits.PIDs
	// The engine answers names of this network itself and asks another server for the rest; here nobody is asked.
	b.DNS = types.StringList{"127.0.0.1"}
	b.DNSSearch = types.StringList{"."}
	// gVisor has no name server of the engine's.
	b.ExtraHosts = types.HostsList{sidecar: {SidecarAddress(s.Subnet).String()}}
	b.Networks = map[string]*types.ServiceNetworkConfig{name: {Ipv4Address: Address(s.Subnet).String()}}
	b.DependsOn = types.DependsOnConfig{sidecar: {Condition: types.ServiceConditionStarted, Required: true}}
	if s.DockerSocket != "" {
		b.GroupAdd = []string{strconv.Itoa(s.SocketGID)}
	}
	b.Labels = s.labels()
	b.Labels[LabelAgent] = s.agent()
	return b
}

// sidecar is the service that is the way out.
func (s Spec) sidecar(sidecar, inner, outer string) types.ServiceConfig {
	e := Sidecar(sidecar, s.EgressImage, s.EgressConfig())
	e.Networks = map[string]*types.ServiceNetworkConfig{
		inner: {Ipv4Address: SidecarAddress(s.Subnet).String()},
		// Its default route is the way out. Compose names networks by priority where there is no route to say it.
		outer: {Priority: 1000},
	}
	e.Labels = s.labels()
	e.Labels[LabelAgent] = s.agent()
	return e
}

// EgressConfig is the policy that the sidecar is started with.
func (s Spec) EgressConfig() egress.Config {
	return egress.Config{
		Mode: s.Egress, Allow: s.Allow, Services: slices.Sorted(slices.Values(s.Services)), Hint: s.Hint,
		Clients: []netip.Prefix{netip.PrefixFrom(Address(s.Subnet), 32)},
		Closed:  egress.Closed(s.Machine),
	}
}

func (s Spec) agent() string {
	if s.Agent == "" {
		return DefaultAgent
	}
	return s.Agent
}

// environment is that of the container itself, which every command has too.
func (s Spec) environment(sidecar string) types.MappingWithEquals {
	proxy := "http://" + net.JoinHostPort(sidecar, strconv.Itoa(egress.Port))
	env := map[string]string{
		"HOME": Home, "USER": "agent", "LOGNAME": "agent",
		"HTTP_PROXY": proxy, "http_proxy": proxy, "HTTPS_PROXY": proxy, "https_proxy": proxy,
		// Node obeys the variables above from 24 on, if it is told to.
		"NODE_USE_ENV_PROXY": "1",
	}
	maps.Copy(env, s.Env)
	for _, kv := range NoProxy(s.Services) {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	// Compose adds those of the user's ~/.docker/config.json, with their passwords: these it shall not.
	out := types.MappingWithEquals{"ALL_PROXY": nil, "all_proxy": nil, "FTP_PROXY": nil, "ftp_proxy": nil}
	for k, v := range env {
		out[k] = &v
	}
	return out
}

// NoProxy are the variables, as NAME=value, that let the services be reached without the proxy. Each command is given them
// as they are now: services come and go without the sandbox being made anew.
func NoProxy(services []string) []string {
	all := slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, slices.Sorted(slices.Values(services)))
	list := strings.Join(slices.Compact(all), ",")
	return []string{"NO_PROXY=" + list, "no_proxy=" + list}
}

func grace() *types.Duration {
	d := types.Duration(5 * time.Second)
	return &d
}

// seal puts the hashes on the services. The sandbox's is of all that makes it what it is but for two things: what the
// sidecar allows, so that a host allowed while it runs ends no command, and what changes with the loom while a command runs
// (NO_PROXY, and git's files that nobody needs to be kept from, [Git.Others]).
func (s Spec) seal(p *types.Project, name, sidecar, outer string, mounts []bind) {
	box, way := p.Services[name], p.Services[sidecar]
	hashed := box
	hashed.Environment = maps.Clone(box.Environment)
	delete(hashed.Environment, "NO_PROXY")
	delete(hashed.Environment, "no_proxy")
	hashed.Volumes = nil
	for _, m := range mounts {
		if !m.passing {
			hashed.Volumes = append(hashed.Volumes, m.volume())
		}
	}
	box.Labels[LabelSandbox] = hash(hashed, s.ImageID, p.Networks[name], p.Volumes)
	// Services in the sidecar's configuration are only said in its denials.
	cfg := s.EgressConfig()
	cfg.Services = nil
	hashed = way
	hashed.Environment = nil
	way.Labels[LabelSandbox] = hash(hashed, cfg, p.Networks[name], p.Networks[outer])
}

// hash is of the JSON of its arguments, whose maps are sorted.
func hash(parts ...any) string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(parts); err != nil {
		// Compose's types are made to be written. What cannot be compared is never the same.
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// Hashes are the wanted hashes of sandbox and sidecar in a project of [Compile].
func Hashes(p *types.Project, agent string) (sandbox, sidecar string) {
	return p.Services[ServiceName(agent)].Labels[LabelSandbox], p.Services[EgressName(agent)].Labels[LabelSandbox]
}

// findings warn of what the policy gives away.
func (s Spec) findings() []finding.Finding {
	var fs []finding.Finding
	subject := "agent " + s.agent()
	if s.DockerSocket != "" {
		fs = append(fs, finding.Finding{
			Level: finding.Warning, Subject: subject,
			Message: "it reaches the engine's socket: that is root on this host, and no sandbox", Remedy: "remove container.agent.dockerAccess",
		})
	}
	if s.Egress == egress.Open {
		fs = append(fs, finding.Finding{
			Level: finding.Warning, Subject: subject, Message: "it reaches every public host", Remedy: "--egress restricted",
		})
	}
	return fs
}

// bind is a mount of the sandbox.
type bind struct {
	source, target string
	readOnly       bool
	isVolume       bool // source is a volume's key
	// passing marks what may come and go without making another sandbox of it.
	passing bool
}

func (b bind) volume() types.ServiceVolumeConfig {
	v := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: b.source, Target: b.target, ReadOnly: b.readOnly}
	if b.isVolume {
		v.Type, v.Volume = types.VolumeTypeVolume, &types.ServiceVolumeVolume{NoCopy: true}
		return v
	}
	// A source that is not there is an error, not an empty folder of root's.
	v.Bind = &types.ServiceVolumeBind{CreateHostPath: false, Propagation: "rprivate"}
	return v
}

// errTwice is returned for two mounts at one place.
var errTwice = errors.New("mounted twice")

// binds are all mounts in the order in which the engine makes them: by the depth of their targets, so that what lies on top
// comes later.
func (s Spec) binds() ([]bind, error) {
	all := []bind{{source: s.WorkTree, target: s.WorkTree, readOnly: s.ReadOnly}}
	all = append(all, bind{source: filepath.Join(s.WorkTree, ".iloom"), target: filepath.Join(s.WorkTree, ".iloom"), readOnly: true})
	if s.Git != nil {
		all = append(all, s.Git.binds(s.WorkTree, s.ReadOnly)...)
	}
	if s.hasView() {
		all = append(all, bind{source: GitName(s.Agent), target: s.Git.Common, isVolume: true})
	}
	all = append(all, bind{source: HomeName(s.Agent), target: Home, isVolume: true})
	for _, f := range s.Files {
		all = append(all, bind{source: f.Source, target: f.Target, readOnly: !f.Writable})
	}
	for _, m := range s.Mounts {
		all = append(all, bind{source: m.Source, target: m.Target, readOnly: m.ReadOnly})
	}
	if s.DockerSocket != "" {
		all = append(all, bind{source: s.DockerSocket, target: "/var/run/docker.sock"})
	}
	all = append(all, s.held(all)...)
	slices.SortStableFunc(all, func(a, b bind) int {
		if d := depth(a.target) - depth(b.target); d != 0 {
			return d
		}
		return strings.Compare(a.target, b.target)
	})
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.target == b.target {
			if a.source != b.source || a.readOnly != b.readOnly {
				return nil, fmt.Errorf("%s: %w, from %s and from %s", b.target, errTwice, a.source, b.source)
			}
			all = slices.Delete(all, i, i+1)
			i--
		}
	}
	return all, nil
}

// held are the mounts that hold what services mount of the work tree, each with the folders that it is in: a mountpoint
// cannot be renamed, but its parent could. What is read-only already is held.
func (s Spec) held(others []bind) []bind {
	var all []bind
	for _, path := range s.Held {
		closed := slices.ContainsFunc(others, func(b bind) bool {
			return b.readOnly && b.target != s.WorkTree && (b.target == path || inside(b.target, path))
		})
		if closed || !inside(s.WorkTree, path) {
			continue
		}
		for _, at := range append(between(s.WorkTree, path), path) {
			if !slices.ContainsFunc(slices.Concat(others, all), func(b bind) bool { return b.target == at }) {
				all = append(all, bind{source: at, target: at, readOnly: s.ReadOnly})
			}
		}
	}
	return all
}

func depth(p string) int { return strings.Count(path.Clean(filepath.ToSlash(p)), "/") }

// Folders are the folders below [Home] in which files are bound, parents first: they must be the agent's before the
// container starts, or the engine makes them root's.
func Folders(s Spec) []string {
	var all []string
	for _, f := range s.Files {
		all = append(all, parents(f.Target)...)
	}
	for _, m := range s.Mounts {
		all = append(all, parents(m.Target)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// parents are the folders between [Home] and target.
func parents(target string) []string {
	var all []string
	for dir := path.Dir(target); strings.HasPrefix(dir, Home+"/"); dir = path.Dir(dir) {
		all = append(all, dir)
	}
	return all
}

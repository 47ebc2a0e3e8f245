package compile

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/blkiodev"
	"github.com/docker/docker/api/types/container"
	mounttypes "github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// runArgs says in Compose's words what runArgs asks of docker run, over what the service has already.
func (c *compiler) runArgs() error {
	if len(c.in.Config.RunArgs) == 0 {
		return nil
	}
	r, err := parseRunArgs(c.in.Config.RunArgs, c.in.Config.Workspace, c.in.MayRead)
	if err != nil {
		// docker adds a usage line.
		text, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("runArgs: %s", strings.TrimPrefix(text, "docker: "))
	}
	for _, name := range slices.Sorted(maps.Keys(r.flags)) {
		if f := runFlags[name]; f.told != "" {
			c.find(f.level, fmt.Sprintf("runArgs: --%s %s", name, f.told), "")
		}
	}
	c.runProcess(r)
	c.runResources(r)
	c.runSecurity(r)
	c.runNetwork(r)
	return c.runMounts(r)
}

// unsaid tells that a value of a flag cannot be said in Compose.
func (c *compiler) unsaid(flag, value string) {
	c.find(finding.Warning, fmt.Sprintf("runArgs: --%s %s cannot be said in Compose", flag, value), "")
}

func (c *compiler) runProcess(r *created) {
	s := &c.Service
	s.User = cmp.Or(r.User, s.User)
	s.WorkingDir, s.Hostname, s.DomainName = r.WorkingDir, r.Hostname, r.Domainname
	s.Tty, s.StdinOpen = r.Tty, r.OpenStdin
	s.StopSignal = r.StopSignal
	if r.StopTimeout != nil {
		d := types.Duration(time.Duration(*r.StopTimeout) * time.Second)
		s.StopGracePeriod = &d
	}
	for _, kv := range r.Env {
		name, value, has := strings.Cut(kv, "=")
		if s.Environment == nil {
			s.Environment = types.MappingWithEquals{}
		}
		s.Environment[name] = nil
		if has {
			s.Environment[name] = &value
		}
	}
	for name, value := range r.Labels {
		switch name {
		case devcontainer.LabelLocalFolder, devcontainer.LabelConfigFile, devcontainer.LabelMetadata:
		default:
			s.Labels[name] = value
		}
	}
	if p := r.host.RestartPolicy; r.set("restart") {
		s.Restart = string(p.Name)
		if p.MaximumRetryCount > 0 {
			s.Restart += ":" + strconv.Itoa(p.MaximumRetryCount)
		}
	}
	if r.host.Init != nil {
		s.Init = r.host.Init
	}
	if c.Merged.Init {
		s.Init = &c.Merged.Init
	}
	s.HealthCheck = healthcheck(r.Healthcheck)
	if l := r.host.LogConfig; l.Type != "" || len(l.Config) > 0 {
		s.Logging = &types.LoggingConfig{Driver: l.Type, Options: l.Config}
	}
	if r.set("platform") {
		s.Platform = r.last("platform")
	}
	switch pull := r.last("pull"); pull {
	case "", types.PullPolicyMissing:
	case types.PullPolicyAlways, types.PullPolicyNever:
		s.PullPolicy = pull
	default:
		c.unsaid("pull", pull)
	}
	// A loom takes it away again, because names collide.
	s.ContainerName = r.last("name")
	s.UseAPISocket, _ = strconv.ParseBool(r.last("use-api-socket"))
}

func healthcheck(h *container.HealthConfig) *types.HealthCheckConfig {
	if h == nil {
		return nil
	}
	if slices.Equal(h.Test, []string{"NONE"}) {
		return &types.HealthCheckConfig{Disable: true}
	}
	duration := func(d time.Duration) *types.Duration {
		if d == 0 {
			return nil
		}
		return (*types.Duration)(&d)
	}
	out := &types.HealthCheckConfig{
		Test: h.Test, Interval: duration(h.Interval), Timeout: duration(h.Timeout),
		StartPeriod: duration(h.StartPeriod), StartInterval: duration(h.StartInterval),
	}
	if h.Retries > 0 {
		n := uint64(h.Retries)
		out.Retries = &n
	}
	return out
}

func (c *compiler) runResources(r *created) {
	s, h := &c.Service, r.host
	s.CPUCount = h.CPUCount
	s.CPUPeriod, s.CPUQuota = h.CPUPeriod, h.CPUQuota
	s.CPURTPeriod, s.CPURTRuntime = h.CPURealtimePeriod, h.CPURealtimeRuntime
	s.CPUShares, s.CPUSet, s.CPUS = h.CPUShares, h.CpusetCpus, float32(h.NanoCPUs)/1e9
	s.MemLimit, s.MemReservation = types.UnitBytes(h.Memory), types.UnitBytes(h.MemoryReservation)
	if h.MemorySwap < 0 {
		c.unsaid("memory-swap", strconv.FormatInt(h.MemorySwap, 10))
	} else {
		s.MemSwapLimit = types.UnitBytes(h.MemorySwap)
	}
	if n := h.MemorySwappiness; n != nil && *n == 0 && r.set("memory-swappiness") {
		c.unsaid("memory-swappiness", "0")
	} else if n != nil && *n > 0 {
		s.MemSwappiness = types.UnitBytes(*n)
	}
	s.OomScoreAdj = int64(h.OomScoreAdj)
	s.OomKillDisable = h.OomKillDisable != nil && *h.OomKillDisable
	if h.PidsLimit != nil {
		s.PidsLimit = *h.PidsLimit
	}
	s.ShmSize, s.CgroupParent = types.UnitBytes(h.ShmSize), h.CgroupParent
	for _, u := range h.Ulimits {
		if s.Ulimits == nil {
			s.Ulimits = map[string]*types.UlimitsConfig{}
		}
		s.Ulimits[u.Name] = &types.UlimitsConfig{Soft: int(u.Soft), Hard: int(u.Hard)}
		if u.Soft == u.Hard {
			s.Ulimits[u.Name] = &types.UlimitsConfig{Single: int(u.Soft)}
		}
	}
	c.runBlkio(r)
	for _, d := range h.Devices {
		s.Devices = append(s.Devices, types.DeviceMapping{
			Source: d.PathOnHost, Target: d.PathInContainer, Permissions: d.CgroupPermissions,
		})
	}
	s.DeviceCgroupRules = h.DeviceCgroupRules
	for _, d := range h.DeviceRequests {
		if d.Driver == "cdi" {
			for _, id := range d.DeviceIDs {
				s.Devices = append(s.Devices, types.DeviceMapping{Source: id, Target: id, Permissions: "rwm"})
			}
			continue
		}
		gpus := types.DeviceRequest{Driver: d.Driver, Count: types.DeviceCount(d.Count), IDs: d.DeviceIDs}
		if len(d.Options) > 0 {
			gpus.Options = d.Options
		}
		for _, all := range d.Capabilities {
			for _, capability := range all {
				// Compose adds that one.
				if capability != "gpu" {
					gpus.Capabilities = append(gpus.Capabilities, capability)
				}
			}
		}
		s.Gpus = append(s.Gpus, gpus)
	}
}

func (c *compiler) runBlkio(r *created) {
	h := r.host
	b := types.BlkioConfig{Weight: h.BlkioWeight}
	for _, w := range h.BlkioWeightDevice {
		b.WeightDevice = append(b.WeightDevice, types.WeightDevice{Path: w.Path, Weight: w.Weight})
	}
	throttle := func(list []*blkiodev.ThrottleDevice) (out []types.ThrottleDevice) {
		for _, d := range list {
			out = append(out, types.ThrottleDevice{Path: d.Path, Rate: types.UnitBytes(d.Rate)})
		}
		return out
	}
	b.DeviceReadBps, b.DeviceWriteBps = throttle(h.BlkioDeviceReadBps), throttle(h.BlkioDeviceWriteBps)
	b.DeviceReadIOps, b.DeviceWriteIOps = throttle(h.BlkioDeviceReadIOps), throttle(h.BlkioDeviceWriteIOps)
	for _, flag := range []string{
		"blkio-weight", "blkio-weight-device",
		"device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops",
	} {
		if r.set(flag) {
			c.Service.BlkioConfig = &b
		}
	}
}

func (c *compiler) runSecurity(r *created) {
	s, h := &c.Service, r.host
	s.Privileged = s.Privileged || h.Privileged
	s.CapAdd, s.CapDrop = union(slices.Clone(h.CapAdd), s.CapAdd), h.CapDrop
	// As written: Compose reads a seccomp profile itself, as docker has done here.
	s.SecurityOpt = union(slices.Clone(r.flags["security-opt"]), s.SecurityOpt)
	s.GroupAdd, s.ReadOnly = h.GroupAdd, h.ReadonlyRootfs
	s.UserNSMode, s.Cgroup = string(h.UsernsMode), string(h.CgroupnsMode)
	s.Ipc, s.Pid, s.Uts = string(h.IpcMode), string(h.PidMode), string(h.UTSMode)
	s.Isolation, s.Runtime = string(h.Isolation), h.Runtime
	s.StorageOpt = h.StorageOpt
	if len(h.Sysctls) > 0 {
		s.Sysctls = h.Sysctls
	}
	if len(h.Annotations) > 0 {
		s.Annotations = h.Annotations
	}
}

func (c *compiler) runNetwork(r *created) {
	s, h := &c.Service, r.host
	s.DNS, s.DNSOpts, s.DNSSearch = filled(h.DNS), filled(h.DNSOptions), filled(h.DNSSearch)
	for _, entry := range h.ExtraHosts {
		name, ip, ok := strings.Cut(entry, ":")
		if !ok {
			name, ip, _ = strings.Cut(entry, "=")
		}
		if s.ExtraHosts == nil {
			s.ExtraHosts = types.HostsList{}
		}
		s.ExtraHosts[name] = append(s.ExtraHosts[name], strings.Trim(ip, "[]"))
	}
	for _, p := range slices.SortedFunc(maps.Keys(h.PortBindings), comparePorts) {
		for _, b := range h.PortBindings[p] {
			s.Ports = append(s.Ports, types.ServicePortConfig{
				Mode: "ingress", HostIP: b.HostIP, Target: uint32(p.Int()),
				Published: b.HostPort, Protocol: strings.ToLower(p.Proto()),
			})
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.ExposedPorts), comparePorts) {
		if _, published := h.PortBindings[p]; !published {
			s.Expose = append(s.Expose, strings.TrimSuffix(string(p), "/tcp"))
		}
	}
	s.ExternalLinks = h.Links
	mode := h.NetworkMode
	if !mode.IsUserDefined() {
		if !mode.IsDefault() && mode != "" {
			s.NetworkMode = string(mode)
			if e := r.networks[string(mode)]; e != nil {
				s.MacAddress = e.MacAddress
			}
			return
		}
		if e := endpoint(r.networks["default"]); e != nil {
			s.Networks = map[string]*types.ServiceNetworkConfig{"default": e}
		}
		return
	}
	first := c.network(mode.NetworkName())
	s.Networks = map[string]*types.ServiceNetworkConfig{first: nil}
	for name, e := range r.networks {
		s.Networks[c.network(name)] = endpoint(e)
	}
	if len(s.Networks) > 1 {
		// The first one is that of docker run --network.
		e := s.Networks[first]
		if e == nil {
			e = &types.ServiceNetworkConfig{}
		}
		e.Priority = 1
		s.Networks[first] = e
	}
}

// network is the key of the network that docker calls name: one of the project's own, or an external one, then added.
func (c *compiler) network(name string) string {
	key := name
	if p := c.in.Project; p != nil {
		// In a linked work tree the file means the project of the main one, which is called after another folder.
		main := loader.NormalizeProjectName(filepath.Base(filepath.Dir(c.in.Git.Common)))
		for own, n := range p.Networks {
			if n.Name == name || c.in.BaseName+"_"+own == name || main+"_"+own == name {
				return own
			}
		}
		if _, taken := p.Networks[key]; taken {
			key += "_external"
		}
	}
	c.Networks[key] = types.NetworkConfig{Name: name, External: true}
	return key
}

func filled(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func comparePorts(a, b nat.Port) int {
	return cmp.Or(cmp.Compare(a.Int(), b.Int()), cmp.Compare(a.Proto(), b.Proto()))
}

// endpoint is nil if nothing is said.
func endpoint(e *network.EndpointSettings) *types.ServiceNetworkConfig {
	if e == nil {
		return nil
	}
	out := types.ServiceNetworkConfig{Aliases: filled(e.Aliases), GatewayPriority: e.GwPriority, MacAddress: e.MacAddress}
	if len(e.DriverOpts) > 0 {
		out.DriverOpts = e.DriverOpts
	}
	if i := e.IPAMConfig; i != nil {
		out.Ipv4Address, out.Ipv6Address, out.LinkLocalIPs = i.IPv4Address, i.IPv6Address, filled(i.LinkLocalIPs)
	}
	if out.Aliases == nil && out.GatewayPriority == 0 && out.MacAddress == "" &&
		out.DriverOpts == nil && e.IPAMConfig == nil {
		return nil
	}
	return &out
}

func (c *compiler) runMounts(r *created) error {
	s, h := &c.Service, r.host
	for _, target := range slices.Sorted(maps.Keys(h.Tmpfs)) {
		entry := target
		if o := h.Tmpfs[target]; o != "" {
			entry += ":" + o
		}
		s.Tmpfs = append(s.Tmpfs, entry)
	}
	for _, from := range h.VolumesFrom {
		s.VolumesFrom = append(s.VolumesFrom, types.ContainerPrefix+from)
	}
	binds := append(slices.Clone(h.Binds), slices.Collect(maps.Keys(r.Volumes))...)
	slices.Sort(binds)
	for _, bind := range binds {
		v, err := format.ParseVolume(bind)
		if err != nil {
			return fmt.Errorf("runArgs: -v %s: %w", bind, err)
		}
		if strings.HasPrefix(v.Source, "~") {
			return fmt.Errorf("runArgs: -v %s: docker run knows no ~: write ${localEnv:HOME}", bind)
		}
		v.Target = path.Clean(v.Target)
		c.add(v)
		if v.Type == types.VolumeTypeVolume && v.Source == "" && h.VolumeDriver != "" {
			c.unsaid("volume-driver", h.VolumeDriver+" for the volume without a name at "+v.Target)
		}
		if v.Type == types.VolumeTypeVolume && v.Source != "" {
			if err := c.volume(v.Source, types.VolumeConfig{Driver: h.VolumeDriver}); err != nil {
				return err
			}
		}
	}
	for _, m := range h.Mounts {
		if m.Type == mounttypes.TypeBind && !filepath.IsAbs(m.Source) {
			return fmt.Errorf("runArgs: --mount: source %s is not an absolute path", m.Source)
		}
		v, err := c.convertMount(m, false)
		if err != nil {
			return err
		}
		c.add(v)
	}
	return nil
}

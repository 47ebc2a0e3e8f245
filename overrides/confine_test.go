package overrides_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

// confinement is one as the package loom makes it, of a work tree in dir.
func confinement(k *loom, dir string) overrides.Confinement {
	config := `{"mode":"restricted","price":"5$"}`
	label := "20000/tcp=web:80"
	no := false
	return overrides.Confinement{
		Sidecar: types.ServiceConfig{
			Name: "loom-egress", Image: "docker-loom-egress:1", PullPolicy: types.PullPolicyNever, User: "65532:65532", ReadOnly: true,
			CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"}, Command: types.ShellCommand{"egress", "serve"},
			Environment: types.MappingWithEquals{"LOOM_EGRESS": &config}, Labels: types.Labels{"ai.iloom.forwards": label},
			Tmpfs: types.StringList{"/run:mode=0700,size=1m"}, MemLimit: 64 << 20, MemSwapLimit: 64 << 20, PidsLimit: 128,
			Restart: types.RestartPolicyOnFailure, Ipc: "private", HealthCheck: &types.HealthCheckConfig{Disable: true},
			Logging: &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m"}},
		},
		Port: 3128, Outer: "loom-egress-out", Subnets: []netip.Prefix{netip.MustParsePrefix("10.191.0.0/24")},
		Labels: map[string]string{"ai.iloom.loom": k.id, "ai.iloom.repo": "/src/$repo"},
		Isolate: func(n *types.NetworkConfig) {
			n.Internal, n.EnableIPv6 = true, &no
			delete(n.DriverOpts, "com.docker.network.bridge.gateway_mode_ipv6")
			if n.DriverOpts == nil {
				n.DriverOpts = types.Options{}
			}
			n.DriverOpts["com.docker.network.bridge.gateway_mode_ipv4"] = "isolated"
		},
		Closing: overrides.Closing{Share: k.share}, Tree: dir, ReadOnly: []string{filepath.Join(dir, ".git"), filepath.Join(dir, ".iloom")},
		ResolveLinks: func(path string) string { return path },
	}
}

// What is confined must be so for plain docker compose too, for every project, and nothing of it may be left open without
// being named.
func TestEveryProjectIsConfinedInMemoryAsOnDisk(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"corpus", "traps"} {
		dir := copied(t, filepath.Join("testdata", from))
		var list []string
		if from == "traps" {
			for _, name := range traps(t, dir) {
				list = append(list, filepath.Join(dir, name))
			}
		} else {
			list = projects(t, dir)
		}
		for _, p := range list {
			vs := trapVariants(t, p)
			v := vs[len(vs)-1]
			v.confined = true
			t.Run(from+strings.TrimPrefix(v.dir, dir), func(t *testing.T) {
				t.Parallel()
				k, err := plan(t.Context(), v, "101", &host{}, mutation{}, nil)
				assert.NilError(t, err)
				for _, problem := range append(k.sameOnDisk(t.Context(), v), k.confines()...) {
					t.Error(problem)
				}
			})
		}
	}
}

// sameOnDisk is the part of survivesTheDisk that confinement can spoil.
func (k *loom) sameOnDisk(ctx context.Context, v variant) (problems []string) {
	if _, err := overrides.Write(k.files()); err != nil {
		return []string{err.Error()}
	}
	src := v.source()
	src.Files = nil
	if len(src.EnvFiles) > 0 {
		src.EnvFiles = append(src.EnvFiles, k.found.DotEnv())
	}
	disk, err := composes(ctx, src)
	if err != nil {
		return []string{"docker compose does not take it: " + err.Error()}
	}
	problems = sameHashes(k.project, disk)
	memory, onDisk := tree(k.project), tree(disk)
	for _, kind := range []string{"services", "networks", "volumes"} {
		for _, d := range differences(kind, memory[kind], onDisk[kind]) {
			problems = append(problems, "differs on disk: "+d.String())
		}
	}
	return problems
}

// confines tells which service of a confined project could leave, or publish, past the sidecar.
func (k *loom) confines() (problems []string) {
	p := k.project
	for name, s := range p.Services {
		named := slices.ContainsFunc(k.open, func(path overrides.OpenPath) bool { return path.Service == name })
		if name == "loom-egress" {
			continue
		}
		switch {
		case s.NetworkMode == "none", strings.HasPrefix(s.NetworkMode, types.ServicePrefix):
			continue
		case s.NetworkMode != "":
			if !named {
				problems = append(problems, "service "+name+" is on "+s.NetworkMode+", which no path names")
			}
			continue
		}
		for key := range s.Networks {
			n := p.Networks[key]
			isolated := n.Internal && n.DriverOpts["com.docker.network.bridge.gateway_mode_ipv4"] == "isolated"
			if !isolated && !named {
				problems = append(problems, "service "+name+" is on network "+key+", which is open and not named")
			}
		}
		if len(s.Ports) > 0 && !named {
			problems = append(problems, "service "+name+" publishes ports itself")
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly && v.Source == k.dir && !named &&
				!slices.ContainsFunc(s.Volumes, func(o types.ServiceVolumeConfig) bool {
					return o.Target == strings.TrimSuffix(v.Target, "/")+"/.git" && o.ReadOnly
				}) {
				problems = append(problems, "service "+name+" can write .git below "+v.Target)
			}
		}
	}
	var was, is int
	for _, e := range k.edits {
		if u, ok := e.(overrides.Unpublish); ok && p.Services[u.Service].Name != "" {
			was += len(u.Was)
		}
	}
	is = len(p.Services["loom-egress"].Ports)
	if is < was {
		problems = append(problems, "the sidecar publishes fewer ports than the services did")
	}
	return problems
}

func confined(t *testing.T, compose string, change func(*overrides.Confinement)) (*loom, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	assert.NilError(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	assert.NilError(t, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(compose), 0o644))
	v := variant{dir: dir, confined: true, confinement: change}
	k, err := plan(context.WithoutCancel(t.Context()), v, "7", &host{}, mutation{}, nil)
	if err == nil {
		problems := append(k.survivesTheDisk(t.Context(), v, mutation{}), k.confines()...)
		assert.Assert(t, len(problems) == 0, "%v\n%s", problems, k.override.Content)
	}
	return k, err
}

const shared = `
services:
  web:
    image: app
    ports: ["8080:80", "127.0.0.1:8081:80", "9000-9002:90", "53:53/udp", "70"]
    dns: [10.5.0.9, 8.8.8.8]
    volumes: [".:/src", "./data:/data"]
    networks: {back: {ipv4_address: 10.5.0.8, ipv6_address: "fd00:5::8"}}
  twice: {image: app, scale: 2, ports: ["7000-7001:70"], networks: [back], environment: {HTTP_PROXY: "http://mine:1"}}
  parent: {image: app, volumes: ["..:/up"], networks: [back]}
  git: {image: app, volumes: ["./.git:/repo.git"], networks: [back]}
  beside: {image: app, network_mode: "service:web"}
  host: {image: app, network_mode: host}
  none: {image: app, network_mode: none}
  out: {image: app, networks: [back, team], ports: ["6000:60"]}
  root: {image: app, privileged: true, networks: [back], volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]}
  dev: {image: app, networks: [back], volumes: [".:/w"]}
networks:
  back: {enable_ipv6: true, ipam: {config: [{subnet: 10.5.0.0/24}, {subnet: "fd00:5::/64"}]}}
  team: {external: true}
`

func TestServicesAreConfinedEachInItsWay(t *testing.T) {
	t.Parallel()
	k, err := confined(t, shared, func(in *overrides.Confinement) { in.Share, in.Dev = []string{"team"}, "dev" })
	assert.NilError(t, err)
	services := k.project.Services

	var ports []string
	for _, p := range services["loom-egress"].Ports {
		for _, f := range k.forwards {
			if uint32(f.Listen) == p.Target && f.Protocol == p.Protocol {
				ports = append(ports, fmt.Sprintf("%s:%d/%s %s %s", f.Service, f.Target, f.Protocol, p.HostIP, p.Published))
			}
		}
	}
	slices.Sort(ports)
	assert.DeepEqual(t, ports, []string{
		"out:60/tcp  6007", "twice:70/tcp  7007", "twice:70/tcp  7008", "web:53/udp  8060", "web:70/tcp  ",
		"web:80/tcp  8087", "web:80/tcp 127.0.0.1 8088", "web:90/tcp  9007-9009",
	})
	assert.Equal(t, len(services["web"].Ports)+len(services["twice"].Ports)+len(services["out"].Ports), 0)

	mounts := func(name string) (list []string) {
		for _, v := range services[name].Volumes {
			mode := ""
			if v.ReadOnly {
				mode = ":ro"
			}
			list = append(list, strings.ReplaceAll(v.Source, k.dir, ".")+":"+v.Target+mode)
		}
		return list
	}
	assert.DeepEqual(t, mounts("web"), []string{".:/src", "./data:/data", "./data:/src/data", "./.git:/src/.git:ro", "./.iloom:/src/.iloom:ro"})
	assert.DeepEqual(t, mounts("git"), []string{"./.git:/repo.git:ro"})
	assert.DeepEqual(t, mounts("dev"), []string{".:/w", "./data:/w/data", "./.iloom:/w/.iloom:ro"})
	up := "/up/" + filepath.Base(k.dir)
	assert.DeepEqual(t, mounts("parent")[1:], []string{".:" + up, "./data:" + up + "/data", "./.git:" + up + "/.git:ro", "./.iloom:" + up + "/.iloom:ro"})

	var open []string
	for _, p := range k.open {
		open = append(open, strings.ReplaceAll(p.String(), filepath.Dir(k.dir), "DIR"))
	}
	assert.DeepEqual(t, open, []string{
		"service dev is the dev container: it writes to the git folders, hooks and configuration too",
		"service host is in the host's network",
		"service out is on network team, which is shared",
		"service parent writes to DIR",
		"service root is privileged",
		"service root has the socket /var/run/docker.sock",
	})

	env := func(name, key string) string {
		if v := services[name].Environment[key]; v != nil {
			return *v
		}
		return ""
	}
	assert.Equal(t, env("web", "https_proxy"), "http://loom-egress:3128")
	assert.Equal(t, env("beside", "HTTP_PROXY"), "http://loom-egress:3128")
	assert.Equal(t, env("twice", "HTTP_PROXY")+env("twice", "http_proxy"), "http://mine:1")
	assert.Assert(t, strings.Contains(env("web", "NO_PROXY")+",", ",twice,"))
	for _, name := range []string{"host", "none"} {
		assert.Equal(t, len(services[name].Environment), 0, name)
	}
	assert.Equal(t, len(services["web"].DNS), 1)
	assert.Assert(t, strings.HasSuffix(services["web"].DNS[0], ".9"), "the loom's own resolver stays")
	assert.DeepEqual(t, []string(services["twice"].DNS), []string{"127.0.0.1"})
	assert.Equal(t, len(services["out"].DNS), 0)
	assert.Equal(t, services["web"].Networks["back"].Ipv6Address, "")
	back := k.project.Networks["back"]
	assert.Assert(t, back.Internal && len(back.Ipam.Config) == 1 && !*back.EnableIPv6)
	assert.Assert(t, !k.project.Networks["team"].Internal)
}

// An agent can put a link in the place of what a service mounts, and the engine follows it the next time the service starts.
func TestWhatServicesMountOfTheWorkTreeCannotBeReplacedByAnother(t *testing.T) {
	t.Parallel()
	k, err := confined(t, `
services:
  web: {image: app, volumes: [".:/src"]}
  nginx: {image: app, volumes: ["./conf/sub/nginx.conf:/etc/nginx.conf:ro", "./link/x:/x"]}
  sub: {image: app, volumes: ["./conf:/conf"]}
`, func(in *overrides.Confinement) {
		in.ResolveLinks = func(path string) string { return strings.Replace(path, "/link/", "/real/", 1) }
	})
	assert.NilError(t, err)
	mounts := func(name string) (list []string) {
		for _, v := range k.project.Services[name].Volumes {
			list = append(list, strings.TrimPrefix(v.Source, k.dir)+":"+v.Target)
		}
		slices.Sort(list)
		return list
	}
	assert.DeepEqual(t, mounts("web"), []string{
		"/.git:/src/.git", "/.iloom:/src/.iloom", "/conf/sub/nginx.conf:/src/conf/sub/nginx.conf", "/conf/sub:/src/conf/sub",
		"/conf:/src/conf", "/real/x:/src/real/x", "/real:/src/real", ":/src",
	})
	assert.DeepEqual(t, mounts("sub"), []string{"/conf/sub/nginx.conf:/conf/sub/nginx.conf", "/conf/sub:/conf/sub", "/conf:/conf"})
	assert.DeepEqual(t, mounts("nginx"), []string{"/conf/sub/nginx.conf:/etc/nginx.conf", "/real/x:/x"})
	assert.DeepEqual(t, k.held, []string{k.dir + "/conf", k.dir + "/conf/sub/nginx.conf", k.dir + "/real/x"})
}

// A part of a volume can be the very folder that is guarded.
func TestAPartOfAVolumeIsGuardedAsABindIs(t *testing.T) {
	t.Parallel()
	k, err := confined(t, `
services:
  web: {image: app, volumes: [{type: volume, source: tree, target: /settings, volume: {subpath: .iloom}}]}
volumes:
  tree: {driver: local, driver_opts: {type: none, o: bind, device: .}}
`, nil)
	assert.NilError(t, err)
	volumes := k.project.Services["web"].Volumes
	assert.Assert(t, len(volumes) == 1 && volumes[0].ReadOnly, volumes)
}

func TestServicesOnAgentsNetworksHaveNoNetRaw(t *testing.T) {
	t.Parallel()
	k, err := confined(t, `
services:
  web: {image: app}
  beside: {image: app, network_mode: "service:web"}
  bridge: {image: app, network_mode: bridge}
  drops: {image: app, cap_drop: [MKNOD]}
  has-none: {image: app, cap_drop: [all]}
  has-it-not: {image: app, cap_drop: [cap_net_raw]}
  adds: {image: app, cap_add: [SYS_NICE]}
  asks: {image: app, cap_add: [Cap_Net_Raw]}
  asks-back: {image: app, cap_drop: [ALL], cap_add: [net_raw]}
  asks-all: {image: app, cap_add: [all]}
  admin: {image: app, cap_add: [net_admin]}
  root: {image: app, privileged: true}
  host: {image: app, network_mode: host}
  on-host: {image: app, network_mode: "service:host"}
  alone: {image: app, network_mode: none}
`, nil)
	assert.NilError(t, err)
	drops := map[string][]string{}
	for name, s := range k.project.Services {
		if len(s.CapDrop) > 0 && name != "loom-egress" {
			drops[name] = s.CapDrop
		}
	}
	assert.DeepEqual(t, drops, map[string][]string{
		"web": {"NET_RAW"}, "beside": {"NET_RAW"}, "bridge": {"NET_RAW"}, "drops": {"MKNOD", "NET_RAW"}, "has-none": {"all"},
		"has-it-not": {"cap_net_raw"}, "adds": {"NET_RAW"}, "asks-back": {"ALL"}, "admin": {"NET_RAW"},
	})
	var open []string
	for _, p := range k.open {
		open = append(open, p.String())
	}
	assert.DeepEqual(t, open, []string{
		"service admin has the capability NET_ADMIN", "service asks has the capability NET_RAW",
		"service asks-all has the capability ALL", "service asks-back has the capability NET_RAW",
		"service bridge is on the engine's network bridge", "service host is in the host's network", "service root is privileged",
	})
}

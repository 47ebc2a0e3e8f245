package loom

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/overrides"
)

func TestPowersAreWhatLeavesTheLoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.NilError(t, os.Symlink("/etc", filepath.Join(dir, "link")))
	bind := func(source string, readOnly bool) types.ServiceVolumeConfig {
		return types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: source, Target: "/x", ReadOnly: readOnly}
	}
	tests := map[string]struct {
		service types.ServiceConfig
		want    []string
	}{
		"nothing of the host":    {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind(dir, false), bind(filepath.Join(dir, ".git"), true)}, SecurityOpt: []string{"no-new-privileges=true"}}, nil},
		"privileged":             {types.ServiceConfig{Privileged: true}, []string{"service web is privileged"}},
		"a bind":                 {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind("/home/dev/.ssh", true)}}, []string{"service web reads /home/dev/.ssh"}},
		"a bind by a link":       {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind(filepath.Join(dir, "link/ssh"), false)}}, []string{"service web writes to " + filepath.Join(dir, "link/ssh")}},
		"a bind beside the tree": {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind(dir+"2", true)}}, []string{"service web reads " + dir + "2"}},
		"the socket":             {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind("/var/run/docker.sock", true)}}, []string{"service web has the socket /var/run/docker.sock"}},
		"capabilities":           {types.ServiceConfig{CapAdd: []string{"cap_sys_ptrace"}}, []string{"service web has the capability SYS_PTRACE"}},
		"security options":       {types.ServiceConfig{SecurityOpt: []string{"seccomp=unconfined"}}, []string{"service web has the security option seccomp=unconfined"}},
		"devices":                {types.ServiceConfig{Devices: []types.DeviceMapping{{Source: "/dev/kvm"}}}, []string{"service web has the device /dev/kvm"}},
		"host namespaces":        {types.ServiceConfig{NetworkMode: "host", Pid: "host"}, []string{"service web joins the network namespace host", "service web joins the pid namespace host"}},
		"an engine's network":    {types.ServiceConfig{NetworkMode: "bridge"}, []string{"service web is on the engine's network bridge"}},
		"a sibling's namespace":  {types.ServiceConfig{NetworkMode: "service:db"}, nil},
		"a program":              {types.ServiceConfig{Provider: &types.ServiceProviderConfig{Type: "vpn"}}, []string{"service web is provided by the program vpn on this machine"}},
		"a part of the tree":     {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind(filepath.Join(dir, "src"), false)}}, []string{"a service mounts, of the work tree, src"}},
		"git's folder":           {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind(filepath.Join(dir, ".git", "hooks"), false)}}, []string{"a service writes to the repository's git folder " + filepath.Join(dir, ".git", "hooks")}},
		"git's folder, read":     {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{bind(filepath.Join(dir, ".git", "hooks"), true)}}, nil},
		"a log that leaves":      {types.ServiceConfig{Logging: &types.LoggingConfig{Driver: "gelf"}}, []string{"service web sends its log by the driver gelf, from this machine"}},
		"a log that stays":       {types.ServiceConfig{Logging: &types.LoggingConfig{Driver: "json-file"}}, nil},
		"a privileged hook":      {types.ServiceConfig{PostStart: []types.ServiceHook{{Privileged: true}}, PreStop: []types.ServiceHook{{}}}, []string{"service web runs a privileged hook"}},
		"labels of a file":       {types.ServiceConfig{LabelFiles: []string{"/home/dev/.netrc"}}, []string{"service web reads /home/dev/.netrc"}},
		"a variable passed on":   {types.ServiceConfig{Environment: types.MappingWithEquals{"TOKEN": nil, "HOME": nil}}, []string{"the files read your variable TOKEN"}},
		"a build's cache":        {types.ServiceConfig{Build: &types.BuildConfig{Context: dir, CacheTo: []string{"type=local,dest=/home/dev/.config"}, CacheFrom: []string{"type=registry,ref=x/y"}}}, []string{"service web keeps its build's cache in /home/dev/.config"}},
		"a build context":        {types.ServiceConfig{Build: &types.BuildConfig{Context: dir, AdditionalContexts: types.Mapping{"home": "/home/dev"}}}, []string{"service web is built with /home/dev"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &types.Project{Services: types.Services{"web": tt.service}}
			assert.DeepEqual(t, powers(p, followed, grounds{tree: dir, git: filepath.Join(dir, ".git")}, nil), tt.want)
		})
	}
}

func TestALoomThatOthersWriteMayNotAskForMore(t *testing.T) {
	t.Parallel()
	accepted := &registry.Accepted{Powers: []string{"a"}}
	ours := &registry.Loom{ID: "7", Repository: "/r", Accepted: accepted}
	tests := map[string]struct {
		entry registry.Loom
		looms []*registry.Loom
		want  []string
	}{
		"the user's own":                           {registry.Loom{ID: "5", Repository: "/r"}, nil, nil},
		"a pull request, never seen":               {registry.Loom{ID: "pr/5", Repository: "/r"}, nil, []string{"a", "b"}},
		"a pull request beside a trusted loom":     {registry.Loom{ID: "pr/5", Repository: "/r"}, []*registry.Loom{ours}, []string{"b"}},
		"beside a loom of another repository":      {registry.Loom{ID: "pr/5", Repository: "/q"}, []*registry.Loom{ours}, []string{"a", "b"}},
		"a pull request that was accepted":         {registry.Loom{ID: "pr/5", Repository: "/r", Accepted: &registry.Accepted{Powers: []string{"a", "b"}}}, nil, nil},
		"a work tree that a sandbox may write":     {registry.Loom{ID: "5", Repository: "/r", Sandboxed: true, Accepted: accepted}, nil, []string{"b"}},
		"its own acceptance counts, not another's": {registry.Loom{ID: "5", Repository: "/r", Untrusted: true, Accepted: &registry.Accepted{}}, []*registry.Loom{ours}, []string{"a", "b"}},
		"another untrusted loom vouches for none":  {registry.Loom{ID: "pr/5", Repository: "/r"}, []*registry.Loom{{ID: "pr/6", Repository: "/r", Accepted: accepted}}, []string{"a", "b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.DeepEqual(t, judge(&tt.entry, tt.looms, []string{"a", "b"}), tt.want)
		})
	}
}

// TestSomePowersCountWhereTheyDoHarm: which variables files read is recorded always, and counts where the variable is set;
// what a service mounts of the work tree counts once an agent can put a link in its place.
func TestSomePowersCountWhereTheyDoHarm(t *testing.T) {
	t.Setenv("LOOM_TEST_TOKEN", "x")
	all := []string{readsVariable + "LOOM_TEST_TOKEN", readsVariable + "LOOM_TEST_OTHER", mountsOfTree + "data", writesGit + "/r/.git"}
	assert.DeepEqual(t, judge(&registry.Loom{ID: "pr/5", Repository: "/r"}, nil, all), all[:1])
	assert.DeepEqual(t, judge(&registry.Loom{ID: "5", Repository: "/r", Sandboxed: true, Accepted: &registry.Accepted{}}, nil, all), []string{all[0], all[2], all[3]})
}

func TestPowersBesideTheProject(t *testing.T) {
	t.Parallel()
	port := func(ip string) []types.ServicePortConfig {
		return []types.ServicePortConfig{{Target: 80, Protocol: "tcp", HostIP: ip, Published: "80"}}
	}
	web := func(ip string) []string { return exposed("web", types.ServiceConfig{Ports: port(ip)}, nil) }
	assert.DeepEqual(t, web(""), []string{letsIn + "port 80/tcp of service web"})
	assert.DeepEqual(t, web("0.0.0.0"), web(""))
	assert.Equal(t, len(web("127.0.0.1"))+len(web("::1")), 0)
	sidecar := exposed(egressService, types.ServiceConfig{Ports: port("")}, []engine.Forward{{Listen: 80, Protocol: "tcp", Service: "db", Target: 5432}})
	assert.DeepEqual(t, sidecar, []string{letsIn + "port 5432/tcp of service db"})

	assert.DeepEqual(t, claims(&types.Project{Services: types.Services{
		"web": {Labels: types.Labels{"ai.iloom.loom": "1", "ai.iloom.repo": "/r", "traefik.enable": "true"}},
	}}), []string(nil))
	claiming := types.Services{
		"loom-agent": {}, "loom-agent-egress": {}, "loom-egress": {}, "web": {Labels: types.Labels{"ai.iloom.forwards": "x"}},
	}
	for name, s := range claiming {
		assert.Equal(t, len(claims(&types.Project{Services: types.Services{name: s}})), 1, name)
	}
}

func TestAnAgentMayNotLetOthersInNorMountMoreOfTheTree(t *testing.T) {
	t.Parallel()
	sandboxed := &registry.Loom{ID: "5", Repository: "/r", Sandboxed: true, Accepted: &registry.Accepted{}}
	fromOthers := &registry.Loom{ID: "pr/5", Repository: "/r", Accepted: &registry.Accepted{}}
	for _, power := range []string{letsIn + "port 80/tcp of service web", mountsOfTree + "data", writesGit + "/r/.git"} {
		assert.DeepEqual(t, judge(sandboxed, nil, []string{power}), []string{power})
		assert.Equal(t, len(judge(fromOthers, nil, []string{power})), 0, power)
	}
}

// What confinement mounts is not what the files ask for.
func TestPowersDoNotChangeWithConfinement(t *testing.T) {
	t.Parallel()
	own := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/r", Target: "/src"}
	added := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/r/conf", Target: "/src/conf"}
	p := &Plan{
		Project: &types.Project{Services: types.Services{"web": {Name: "web", Volumes: []types.ServiceVolumeConfig{own, added}}, egressService: {}}},
		Edits:   []overrides.Edit{overrides.ProtectMounts{Service: "web", Mounts: []types.ServiceVolumeConfig{added}, Added: []types.ServiceVolumeConfig{added}}},
	}
	assert.DeepEqual(t, p.asked().Services, types.Services{"web": {Name: "web", Volumes: []types.ServiceVolumeConfig{own}}})
	assert.Equal(t, len(p.Project.Services["web"].Volumes), 2)
}

func TestNetworksAndVolumesThatLeaveTheLoomArePowers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &types.Project{
		Name: "shop",
		Services: types.Services{"web": {Volumes: []types.ServiceVolumeConfig{
			{Type: types.VolumeTypeVolume, Source: "tree", Target: "/x", Volume: &types.ServiceVolumeVolume{Subpath: ".git/hooks"}},
		}}},
		Networks: types.Networks{
			"vms": {DriverOpts: types.Options{"com.docker.network.bridge.name": "virbr0"}}, "mesh": {Driver: "weave"},
			"own": {Driver: "bridge", DriverOpts: types.Options{"com.docker.network.driver.mtu": "1400"}},
		},
		Volumes: types.Volumes{"root": {DriverOpts: types.Options{"type": "none", "o": "bind", "device": "home"}}, "memory": {DriverOpts: types.Options{"type": "tmpfs", "device": "tmpfs"}}, "tree": {DriverOpts: types.Options{"type": "none", "o": "bind", "device": dir}}},
	}
	assert.DeepEqual(t, powers(p, followed, grounds{tree: dir, git: filepath.Join(dir, ".git")}, nil), []string{
		"a service writes to the repository's git folder " + filepath.Join(dir, ".git", "hooks"),
		"network mesh has the driver weave", "network vms is on the bridge virbr0",
		"volume root keeps its data in home",
	})
}

func TestNamesOfSandboxesAreClaims(t *testing.T) {
	t.Parallel()
	got := namesakes(&types.Project{
		Services: types.Services{"loom-egress": {}, "web": {}},
		Networks: types.Networks{"loom-egress-out": {}, "loom-agent-out": {}, "default": {}},
		Volumes:  types.Volumes{"loom-agent-reviewer-home": {}, "data": {}},
	})
	slices.Sort(got)
	assert.DeepEqual(t, got, []string{
		"network loom-agent-out has a name of docker loom's own", "network loom-egress-out has a name of docker loom's own",
		"service loom-egress has a name of docker loom's own", "volume loom-agent-reviewer-home has a name of docker loom's own",
	})
}

func TestWhatIsAskedForHidesNothingFromATerminal(t *testing.T) {
	t.Parallel()
	err := &AccessError{Loom: "shop/1", Added: []string{"service web reads /x\x1b[2K\r  + service db reads /y", "plain"}}
	assert.Equal(t, err.Error(), "the files of loom shop/1 ask for more of this machine than was accepted:\n"+
		`  + "service web reads /x\x1b[2K\r  + service db reads /y"`+"\n  + plain")
}

func TestLabelsKeepALoomWithASandboxClosed(t *testing.T) {
	t.Parallel()
	of := func(service string, labels map[string]string) engine.Container {
		return engine.Container{Service: service, Labels: labels}
	}
	k := fromLabels(engine.Loom{ID: "1", Containers: []engine.Container{of("web", nil), of("loom-agent", map[string]string{sandbox.LabelAgent: "agent"}), of("loom-egress", nil)}})
	assert.Assert(t, k.Sandboxed && k.Confined != nil && k.Confined.Mode == "none")
	k = fromLabels(engine.Loom{ID: "1", Containers: []engine.Container{of("web", nil)}})
	assert.Assert(t, !k.Sandboxed && k.Confined == nil)
}

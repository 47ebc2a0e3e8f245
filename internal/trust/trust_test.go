package trust

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/registry"
)

// reserved are names and labels of docker loom's own, as it has them.
var reserved = Reserved{
	Sidecar: "loom-egress", Outer: "loom-egress-out", Sandbox: "loom-agent",
	Labels: []string{"ai.iloom.loom", "ai.iloom.repo", "ai.iloom.build"},
}

// noneSet is an environment without variables.
func noneSet(string) bool { return false }

func TestHostAccessIsWhatLeavesTheLoom(t *testing.T) {
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
		"a device to read":       {types.ServiceConfig{Devices: []types.DeviceMapping{{Source: "/dev/sda", Permissions: "r"}}}, []string{"service web has the device /dev/sda for r"}},
		"a shared mount":         {types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{{Type: types.VolumeTypeBind, Source: dir, Bind: &types.ServiceVolumeBind{Propagation: "rshared"}}}}, []string{"service web mounts " + dir + " with the propagation rshared"}},
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
		"a build's cache":        {types.ServiceConfig{Build: &types.BuildConfig{Context: dir, CacheTo: []string{"type=local,dest=/home/dev/.config"}, CacheFrom: []string{"type=registry,ref=x/y"}}}, []string{"service web is built with the cache type=registry,ref=x/y", "service web keeps its build's cache in type=local,dest=/home/dev/.config"}},
		"a build context":        {types.ServiceConfig{Build: &types.BuildConfig{Context: dir, AdditionalContexts: types.Mapping{"home": "/home/dev"}}}, []string{"service web is built with /home/dev"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &types.Project{Services: types.Services{"web": tt.service}}
			assert.DeepEqual(t, HostAccess(p, host.RealPath, Folders{Tree: dir, Git: filepath.Join(dir, ".git")}, Mask{}), tt.want)
		})
	}
}

func TestALoomThatOthersWriteMayNotAskForMore(t *testing.T) {
	t.Parallel()
	accepted := &registry.Accepted{HostAccess: []string{"a"}}
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
		"a pull request that was accepted":         {registry.Loom{ID: "pr/5", Repository: "/r", Accepted: &registry.Accepted{HostAccess: []string{"a", "b"}}}, nil, nil},
		"a work tree that a sandbox may write":     {registry.Loom{ID: "5", Repository: "/r", Sandboxed: true, Accepted: accepted}, nil, []string{"b"}},
		"its own acceptance counts, not another's": {registry.Loom{ID: "5", Repository: "/r", Untrusted: true, Accepted: &registry.Accepted{}}, []*registry.Loom{ours}, []string{"a", "b"}},
		"another untrusted loom vouches for none":  {registry.Loom{ID: "pr/5", Repository: "/r"}, []*registry.Loom{{ID: "pr/6", Repository: "/r", Accepted: accepted}}, []string{"a", "b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.DeepEqual(t, NotAccepted(&tt.entry, tt.looms, []string{"a", "b"}, noneSet), tt.want)
		})
	}
}

// A line names a service, and each folder has its own: what was accepted for one says nothing about another's of that name.
func TestWhatWasAcceptedForAFolderCountsForNoOther(t *testing.T) {
	t.Parallel()
	in := func(id, tree, folder string) *registry.Loom {
		return &registry.Loom{ID: id, Repository: "/r", WorkTree: tree, Dir: filepath.Join(tree, filepath.FromSlash(folder))}
	}
	const line = "service db is privileged"
	web := in("7", "/r", "apps/web")
	web.Accepted = &registry.Accepted{HostAccess: []string{line}}
	looms := []*registry.Loom{web}
	asks := func(entry *registry.Loom) []string { return NotAccepted(entry, looms, []string{line}, noneSet) }

	assert.Equal(t, len(asks(in("pr/5", "/t", "apps/web"))), 0, "the same folder of another work tree")
	for _, folder := range []string{"apps/evil", "apps/api", ".", "apps", "apps/web/deeper", "../r/apps/web/x"} {
		assert.DeepEqual(t, asks(in("pr/5", "/t", folder)), []string{line})
	}
	// A project of the very loom that is added once a sandbox could write the tree.
	added := in("7", "/r", "apps/evil")
	added.Sandboxed = true
	assert.DeepEqual(t, asks(added), []string{line})
	// A dev container's folder is its workspace: compose files elsewhere do not lend it another's name.
	lent := in("pr/5", "/t", "apps/web")
	lent.Workspace = "/t/apps/evil"
	assert.DeepEqual(t, asks(lent), []string{line})
	// A link does not help either: folders are compared by their paths.
	outside := in("pr/5", "/t", "apps/web")
	outside.Dir = "/r/apps/web"
	assert.DeepEqual(t, asks(outside), []string{line})
}

// Which variables files read is recorded always, and counts where the variable is set;
// what a service mounts of the work tree counts once an agent can put a link in its place.
func TestSomeAccessCountsWhereItDoesHarm(t *testing.T) {
	t.Parallel()
	isSet := func(name string) bool { return name == "LOOM_TEST_TOKEN" }
	all := []string{ReadsVariable + "LOOM_TEST_TOKEN", ReadsVariable + "LOOM_TEST_OTHER", MountsTree + "data", WritesGit + "/r/.git"}
	assert.DeepEqual(t, NotAccepted(&registry.Loom{ID: "pr/5", Repository: "/r"}, nil, all, isSet), all[:1])
	assert.DeepEqual(t, NotAccepted(&registry.Loom{ID: "5", Repository: "/r", Sandboxed: true, Accepted: &registry.Accepted{}}, nil, all, isSet), []string{all[0], all[2], all[3]})
}

func TestAccessBesideTheProject(t *testing.T) {
	t.Parallel()
	port := func(ip string) []types.ServicePortConfig {
		return []types.ServicePortConfig{{Target: 80, Protocol: "tcp", HostIP: ip, Published: "80"}}
	}
	web := func(ip string) []string {
		return PublishedBeyondLoopback(&types.Project{Services: types.Services{"web": {Ports: port(ip)}}}, reserved.Sidecar)
	}
	assert.DeepEqual(t, web(""), []string{Publishes + "port 80/tcp of service web"})
	assert.DeepEqual(t, web("0.0.0.0"), web(""))
	assert.Equal(t, len(web("127.0.0.1"))+len(web("::1")), 0)
	forwards := engine.FormatForwards([]engine.Forward{{Listen: 80, Protocol: "tcp", Service: "db", Target: 5432}})
	sidecar := PublishedBeyondLoopback(&types.Project{Services: types.Services{
		reserved.Sidecar: {Ports: port(""), Labels: types.Labels{engine.LabelForwards: forwards}},
	}}, reserved.Sidecar)
	assert.DeepEqual(t, sidecar, []string{Publishes + "port 5432/tcp of service db"})

	assert.DeepEqual(t, reserved.InProject(&types.Project{Services: types.Services{
		"web": {Labels: types.Labels{"ai.iloom.loom": "1", "ai.iloom.repo": "/r", "traefik.enable": "true"}},
	}}), []string(nil))
	claiming := types.Services{
		"loom-agent": {}, "loom-agent-egress": {}, "loom-egress": {}, "web": {Labels: types.Labels{"ai.iloom.forwards": "x"}},
	}
	for name, s := range claiming {
		assert.Equal(t, len(reserved.InProject(&types.Project{Services: types.Services{name: s}})), 1, name)
	}
}

func TestAnAgentMayNotLetOthersInNorMountMoreOfTheTree(t *testing.T) {
	t.Parallel()
	sandboxed := &registry.Loom{ID: "5", Repository: "/r", Sandboxed: true, Accepted: &registry.Accepted{}}
	fromOthers := &registry.Loom{ID: "pr/5", Repository: "/r", Accepted: &registry.Accepted{}}
	for _, access := range []string{Publishes + "port 80/tcp of service web", MountsTree + "data", WritesGit + "/r/.git"} {
		assert.DeepEqual(t, NotAccepted(sandboxed, nil, []string{access}, noneSet), []string{access})
		assert.Equal(t, len(NotAccepted(fromOthers, nil, []string{access}, noneSet)), 0, access)
	}
}

func TestNetworksAndVolumesThatLeaveTheLoomAreAccess(t *testing.T) {
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
	assert.DeepEqual(t, HostAccess(p, host.RealPath, Folders{Tree: dir, Git: filepath.Join(dir, ".git")}, Mask{}), []string{
		"a service writes to the repository's git folder " + filepath.Join(dir, ".git", "hooks"),
		"network mesh has the driver weave", `network own has driver_opts: {"com.docker.network.driver.mtu":"1400"}`,
		`network vms has driver_opts: {"com.docker.network.bridge.name":"virbr0"}`,
		`volume memory has driver_opts: {"device":"tmpfs","type":"tmpfs"}`,
		`volume root has driver_opts: {"device":"home","o":"bind","type":"none"}`,
		`volume tree has driver_opts: {"device":"` + dir + `","o":"bind","type":"none"}`,
	})
}

func TestNamesOfSandboxesAreReserved(t *testing.T) {
	t.Parallel()
	got := reserved.InFiles(&types.Project{
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

func TestWhatOthersCouldTakeForAnotherLoomIsReserved(t *testing.T) {
	t.Parallel()
	claim := types.Labels{"ai.iloom.loom": "5", "com.docker.compose.project": "other", "traefik.enable": "true"}
	both := func(subject string) []string {
		return []string{
			subject + " has the label ai.iloom.loom, which is docker loom's own",
			subject + " has the label com.docker.compose.project, which is Compose's own",
		}
	}
	called := func(name string) []string {
		return []string{"service web has the name " + name + " for others, which is docker loom's own"}
	}
	service := func(s types.ServiceConfig) *types.Project { return &types.Project{Services: types.Services{"web": s}} }
	tests := map[string]struct {
		files *types.Project
		want  []string
	}{
		"labels of a service":      {service(types.ServiceConfig{Labels: claim}), both("service web")},
		"labels of its image":      {service(types.ServiceConfig{Build: &types.BuildConfig{Labels: claim}}), both("service web")},
		"labels of a cluster":      {service(types.ServiceConfig{Deploy: &types.DeployConfig{Labels: claim}}), both("service web")},
		"labels of an own volume":  {service(types.ServiceConfig{Volumes: []types.ServiceVolumeConfig{{Volume: &types.ServiceVolumeVolume{Labels: types.Mapping(claim)}}}}), both("service web")},
		"labels of a network":      {&types.Project{Networks: types.Networks{"n": {Labels: claim}}}, both("network n")},
		"labels of a volume":       {&types.Project{Volumes: types.Volumes{"v": {Labels: claim}}}, both("volume v")},
		"labels of a secret":       {&types.Project{Secrets: types.Secrets{"s": {Labels: claim}}}, both("secret s")},
		"labels of a config":       {&types.Project{Configs: types.Configs{"c": {Labels: claim}}}, both("config c")},
		"a container's name":       {service(types.ServiceConfig{ContainerName: "loom-agent"}), called("loom-agent")},
		"a host name":              {service(types.ServiceConfig{Hostname: "loom-agent-egress"}), called("loom-agent-egress")},
		"an alias":                 {service(types.ServiceConfig{Networks: map[string]*types.ServiceNetworkConfig{"a": nil, "b": {Aliases: []string{"web", "loom-egress"}}}}), called("loom-egress")},
		"a link":                   {service(types.ServiceConfig{Links: []string{"db", "db:loom-egress"}}), called("loom-egress")},
		"a host":                   {service(types.ServiceConfig{ExtraHosts: types.HostsList{"loom-agent-x-egress": {"1.2.3.4"}}}), called("loom-agent-x-egress")},
		"names that are like ours": {service(types.ServiceConfig{Hostname: "loom-egress2", ContainerName: "loom-agents", Links: []string{"loom"}}), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := reserved.InFiles(tt.files)
			slices.Sort(got)
			assert.DeepEqual(t, got, tt.want)
		})
	}
}

func TestABuildMayTakeNoNameThatIsNotTheProjects(t *testing.T) {
	t.Parallel()
	of := func(image string, build *types.BuildConfig) []string {
		p := &types.Project{Name: "shop", Services: types.Services{"web": {Image: image, Build: build}}}
		return HostAccess(p, host.RealPath, Folders{}, Mask{})
	}
	for _, image := range []string{"", "shop-web", "shop-web-base"} {
		assert.DeepEqual(t, of(image, &types.BuildConfig{}), []string(nil))
	}
	assert.DeepEqual(t, of("postgres:16", nil), []string(nil))
	assert.DeepEqual(t, of("postgres:16", &types.BuildConfig{}), []string{"service web is built as the image postgres:16"})
	assert.DeepEqual(t, of("shop-db", &types.BuildConfig{}), []string{"service web is built as the image shop-db"})
}

func TestWhatIsAskedForHidesNothingFromATerminal(t *testing.T) {
	t.Parallel()
	err := &AccessError{Loom: "shop/1", Added: []string{"service web reads /x\x1b[2K\r  + service db reads /y", "plain"}}
	assert.Equal(t, err.Error(), "the files of loom shop/1 ask for more of this machine than was accepted:\n"+
		`  + "service web reads /x\x1b[2K\r  + service db reads /y"`+"\n  + plain")
}

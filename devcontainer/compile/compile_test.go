package compile

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/types"
	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
)

// dev is a dev container of the kind at /src/shop.
func dev(kind devcontainer.Kind) Input {
	c := &devcontainer.Config{Kind: kind, Path: "/src/shop/.devcontainer/devcontainer.json", Workspace: "/src/shop"}
	in := Input{Config: c, Merged: &devcontainer.Merged{}, Git: mounts.Repository{Root: "/src/shop"}, BaseTag: "shop-base"}
	switch kind {
	case devcontainer.KindImage:
		c.Image = "alpine"
	case devcontainer.KindDockerfile:
		c.Build = &devcontainer.Build{Dockerfile: "Dockerfile"}
	case devcontainer.KindCompose:
		c.Compose = &devcontainer.Compose{Service: "app"}
		in.Project = &types.Project{Name: "shop", Services: types.Services{
			"app": {Name: "app", Image: "alpine", Volumes: []types.ServiceVolumeConfig{{Type: "bind", Source: "/src/shop", Target: "/work"}}},
			"db":  {Name: "db", Image: "postgres"},
		}}
	}
	return in
}

func compile(t *testing.T, in Input) (*Compiled, []finding.Finding) {
	t.Helper()
	done, findings, err := Compile(in)
	assert.NilError(t, err)
	reloads(t, done)
	return done, findings
}

func messages(findings []finding.Finding) string {
	var list []string
	for _, f := range findings {
		list = append(list, fmt.Sprintf("%s: %s", f.Level, f.Message))
	}
	return strings.Join(list, "\n")
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	assert.NilError(t, err)
	return string(b)
}

func TestTheEntrypointKeepsTheOriginalOneWhereItIsNotOverridden(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	image := devcontainer.ImageInfo{Entrypoint: []string{"/e"}, Cmd: []string{"c"}}
	for _, c := range []struct {
		name                string
		kind                devcontainer.Kind
		override            *bool
		entrypoint, command types.ShellCommand
		wrapped, is         types.ShellCommand
	}{
		{name: "image", kind: devcontainer.KindImage},
		{name: "image, not overridden", kind: devcontainer.KindImage, override: &no, wrapped: []string{"/e"}, is: []string{"c"}},
		{name: "compose", kind: devcontainer.KindCompose, wrapped: []string{"/e"}, is: []string{"c"}},
		{name: "compose, overridden", kind: devcontainer.KindCompose, override: &yes, entrypoint: []string{"/s"}, command: []string{"x"}},
		{name: "its command", kind: devcontainer.KindCompose, command: []string{"x", "$y"}, wrapped: []string{"/e"}, is: []string{"x", "$y"}},
		{name: "its entrypoint", kind: devcontainer.KindCompose, entrypoint: []string{"/s", "t"}, wrapped: []string{"/s", "t"}},
		{name: "both", kind: devcontainer.KindCompose, entrypoint: []string{"/s"}, command: []string{"x"}, wrapped: []string{"/s"}, is: []string{"x"}},
		{name: "its empty entrypoint", kind: devcontainer.KindCompose, entrypoint: []string{}, command: []string{"x"}, is: []string{"x"}},
		{name: "its empty command", kind: devcontainer.KindCompose, command: []string{}, wrapped: []string{"/e"}},
	} {
		in := dev(c.kind)
		in.Image, in.Merged.OverrideCommand = image, c.override
		in.Merged.Entrypoints = []string{"/start one", "/start two"}
		if c.kind == devcontainer.KindCompose {
			s := in.Project.Services["app"]
			s.Entrypoint, s.Command = c.entrypoint, c.command
			in.Project.Services["app"] = s
		}
		done, _ := compile(t, in)
		s := done.Service
		assert.DeepEqual(t, []string(s.Entrypoint[:2]), []string{"/bin/sh", "-c"})
		assert.Equal(t, s.Entrypoint[2], "echo Container started\ntrap \"exit 0\" 15\n/start one\n/start two\nexec \"$@\"\nwhile sleep 1 & wait $!; do :; done", c.name)
		assert.Equal(t, s.Entrypoint[3], "-")
		assert.Equal(t, text(t, s.Entrypoint[4:]), text(t, append(types.ShellCommand{}, c.wrapped...)), c.name)
		assert.Equal(t, text(t, s.Command), text(t, c.is), c.name)
	}
}

func TestTheWorkspaceIsMountedAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	none, own := "", "source=/src,target=/w,type=bind,consistency=cached,readonly"
	for _, c := range []struct {
		folder        string
		mount         *string
		git           string
		source, opens string
	}{
		{git: "/src/shop", source: "/src/shop:/workspaces/shop:rw", opens: "/workspaces/shop"},
		{git: "/src", source: "/src:/workspaces/src:rw", opens: "/workspaces/src/shop"},
		{git: "/src/shop", folder: "/x", source: "/src/shop:/workspaces/shop:rw", opens: "/x"},
		{git: "/src/shop", mount: &none, opens: "/workspaces/shop"},
		{git: "/src/shop", mount: &own, folder: "/w/shop", source: "/src:/w:ro", opens: "/w/shop"},
	} {
		in := dev(devcontainer.KindImage)
		in.Git.Root, in.Config.WorkspaceFolder, in.Config.WorkspaceMount = c.git, c.folder, c.mount
		done, findings := compile(t, in)
		var mounts []string
		for _, v := range done.Service.Volumes {
			mounts = append(mounts, v.String())
		}
		assert.Equal(t, strings.Join(mounts, " "), c.source)
		assert.Equal(t, done.WorkspaceFolder, c.opens)
		assert.Equal(t, len(findings), 0)
	}
	done, _ := compile(t, dev(devcontainer.KindCompose))
	assert.Equal(t, done.WorkspaceFolder, "/")
	assert.Equal(t, len(done.Service.Volumes), 1)
}

func TestMountsKeepWhatTheySay(t *testing.T) {
	t.Parallel()
	mounts := []devcontainer.Mount{
		{Type: "bind", Source: "/home/me/.ssh", Target: "/root/.ssh", ReadOnly: true},
		{Type: "volume", Source: "cache", Target: "/cache", Options: []string{"volume-nocopy"}},
		{Type: "volume", Source: "vscode", Target: "/vscode", External: true},
		{Type: "tmpfs", Target: "/tmp"},
		{Type: "volume", Source: "data", Target: "/d,1"},
	}
	for _, c := range []struct {
		kind    devcontainer.Kind
		volumes string
	}{
		{devcontainer.KindImage, `{"cache":{"name":"cache","ipam":{}},"data":{"name":"data"},"vscode":{"name":"vscode","external":true}}`},
		{devcontainer.KindCompose, `{"cache":{"name":"shop_cache"},"vscode":{"name":"vscode","external":true}}`},
	} {
		in := dev(c.kind)
		in.Merged.Mounts = mounts
		if c.kind == devcontainer.KindCompose {
			in.Project.Volumes = types.Volumes{"data": {Name: "shop_data"}}
		}
		done, _, err := Compile(in)
		assert.NilError(t, err)
		var list []string
		for _, v := range done.Service.Volumes[1:] {
			list = append(list, v.Type+" "+v.String())
		}
		assert.Equal(t, strings.Join(list, "\n"), `bind /home/me/.ssh:/root/.ssh:ro
volume cache:/cache:rw,nocopy
volume vscode:/vscode:rw
tmpfs :/tmp:rw
volume data:/d,1:rw`)
		assert.Equal(t, text(t, done.Volumes), strings.ReplaceAll(c.volumes, `,"ipam":{}`, ""))
	}
	for want, m := range map[string]devcontainer.Mount{
		"invalid mount":            {Type: "bind", Source: "/a", Target: "/b", Options: []string{"readonly=perhaps"}},
		"unexpected key 'sourced'": {Type: "bind", Target: "/b", Options: []string{"sourced=x"}},
	} {
		in := dev(devcontainer.KindImage)
		in.Merged.Mounts = []devcontainer.Mount{m}
		_, _, err := Compile(in)
		assert.ErrorContains(t, err, strings.TrimPrefix(want, "invalid mount"))
	}
}

// linked is a linked work tree at /src/shop.
func linked(common, pointer string) mounts.Repository {
	return mounts.Repository{
		Root: "/src/shop", Common: common, Own: common + "/worktrees/x", Pointer: pointer, Back: "/src/shop/.git",
	}
}

func TestGitWorksInsideWhereDotGitIsAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		kind    devcontainer.Kind
		git     mounts.Repository
		volumes []types.ServiceVolumeConfig
		bind    string
		safe    string
		says    string
	}{
		{name: "a main work tree", kind: devcontainer.KindImage, git: mounts.Repository{Root: "/src/shop"}},
		{
			name: "linked", kind: devcontainer.KindImage, git: linked("/repos/shop/.git", "/repos/shop/.git/worktrees/x"),
			bind: "/repos/shop/.git:/repos/shop/.git:rw", safe: "/workspaces/shop",
		},
		{
			name: "linked by a relative path", kind: devcontainer.KindImage, git: linked("/src/main/.git", "../main/.git/worktrees/x"),
			bind: "/src/main/.git:/workspaces/main/.git:rw", safe: "/workspaces/shop",
		},
		{
			name: "compose", kind: devcontainer.KindCompose, git: linked("/repos/shop/.git", "/repos/shop/.git/worktrees/x"),
			bind: "/repos/shop/.git:/repos/shop/.git:rw", safe: "/work",
		},
		{
			name: "compose, relative", kind: devcontainer.KindCompose, git: linked("/src/main/.git", "../main/.git/worktrees/x"),
			bind: "/src/main/.git:/main/.git:rw", safe: "/work",
		},
		{
			name: "covered by a mount", kind: devcontainer.KindCompose, git: linked("/src/main/.git", "/src/main/.git/worktrees/x"),
			volumes: []types.ServiceVolumeConfig{{Type: "bind", Source: "/src", Target: "/src"}}, safe: "/src/shop",
		},
		{
			name: "the work tree is not mounted", kind: devcontainer.KindCompose, git: linked("/src/main/.git", "/src/main/.git/worktrees/x"),
			volumes: []types.ServiceVolumeConfig{{Type: "bind", Source: "/src/shop/web", Target: "/web"}},
		},
		{
			name: "something else is there", kind: devcontainer.KindCompose, git: linked("/src/main/.git", "/src/main/.git/worktrees/x"),
			volumes: []types.ServiceVolumeConfig{{Type: "bind", Source: "/src/shop", Target: "/work"}, {Type: "volume", Source: "g", Target: "/src/main/.git"}},
			says:    "warning: git does not work inside: something else is mounted at /src/main/.git, where the work tree's .git points to",
		},
		{
			name: "a submodule", kind: devcontainer.KindImage,
			git: mounts.Repository{
				Root: "/src/shop", Common: "/src/.git/modules/shop", Own: "/src/.git/modules/shop", Pointer: "../.git/modules/shop",
			},
			bind: "/src/.git/modules/shop:/workspaces/.git/modules/shop:rw", safe: "/workspaces/shop",
		},
	} {
		in := dev(c.kind)
		in.Git = c.git
		have := 1
		if c.volumes != nil {
			s := in.Project.Services["app"]
			s.Volumes = c.volumes
			in.Project.Services["app"] = s
			in.Project.Volumes = types.Volumes{"g": {Name: "g"}}
			have = len(c.volumes)
		}
		done, findings, err := Compile(in)
		assert.NilError(t, err)
		bind := ""
		for _, v := range done.Service.Volumes[have:] {
			if !strings.Contains(v.Target, "/worktrees") && !strings.HasSuffix(v.Source, "/shop/.git") || v.Source == c.git.Common {
				bind += v.String()
			}
		}
		assert.Equal(t, bind, c.bind, c.name)
		safe := ""
		if v := done.Service.Environment["GIT_CONFIG_VALUE_1"]; v != nil {
			safe = *v
		}
		assert.Equal(t, safe, c.safe, c.name)
		assert.Equal(t, messages(findings), c.says, c.name)
	}
}

func TestGitConfigurationOfTheContainerIsKept(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindImage)
	in.Git = linked("/m/.git", "/m/.git/worktrees/x")
	in.Image.Env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_VALUE_0=c"}
	done, _ := compile(t, in)
	env := done.Service.Environment
	assert.Equal(t, *env["GIT_CONFIG_COUNT"], "5")
	assert.Equal(t, *env["GIT_CONFIG_KEY_1"], "gc.worktreePruneExpire")
	assert.Equal(t, *env["GIT_CONFIG_KEY_2"], "safe.directory")
	assert.Assert(t, env["GIT_CONFIG_KEY_0"] == nil)
}

func TestForwardedPortsArePublishedOnce(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindCompose)
	services := in.Project.Services
	services["db"] = types.ServiceConfig{Name: "db", Image: "postgres", Ports: []types.ServicePortConfig{{Mode: "ingress", Target: 5432, Published: "5432", Protocol: "tcp"}}}
	services["cache"] = types.ServiceConfig{Name: "cache", Image: "redis"}
	services["host"] = types.ServiceConfig{Name: "host", Image: "x", NetworkMode: "host"}
	services["none"] = types.ServiceConfig{Name: "none", Image: "x", NetworkMode: "none"}
	in.Merged.ForwardPorts = []devcontainer.ForwardPort{{Port: 3000}, {Port: 3000}, {Host: "db", Port: 5432}, {Port: 5432}, {Host: "cache", Port: 6379}, {Host: "nobody", Port: 1}, {Host: "host", Port: 1}, {Host: "none", Port: 7}}
	done, findings := compile(t, in)
	assert.Equal(t, portsOf(done.Service), "127.0.0.1:3000:3000 127.0.0.1:5433:5432")
	assert.Equal(t, portsOf(done.Others["cache"]), "127.0.0.1:6379:6379")
	_, changed := done.Others["db"]
	assert.Assert(t, !changed)
	assert.Equal(t, messages(findings), "warning: forwardPorts nobody:1: no service is called nobody\nwarning: forwardPorts none:7 cannot be published with network_mode: none")
	assert.Equal(t, len(done.Forwards), 5)
}

func TestPortsOfASharedNetworkArePublishedOnItsOwner(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindCompose)
	s := in.Project.Services["app"]
	s.NetworkMode = "service:db"
	s.DependsOn = types.DependsOnConfig{"db": {Condition: "service_started", Restart: true, Required: true}}
	in.Project.Services["app"] = s
	in.Merged.ForwardPorts = []devcontainer.ForwardPort{{Port: 5000}, {Port: 5432}, {Host: "db", Port: 5432}}
	done, findings, err := Compile(in)
	assert.NilError(t, err)
	assert.Equal(t, len(done.Service.Ports), 0)
	assert.Equal(t, portsOf(done.Others["db"]), "127.0.0.1:5000:5000 127.0.0.1:5432:5432")
	assert.Equal(t, len(findings), 0)
	assert.Equal(t, len(in.Project.Services["db"].Ports), 0)
}

func portsOf(s types.ServiceConfig) string {
	var list []string
	for _, p := range s.Ports {
		list = append(list, fmt.Sprintf("%s:%s:%d", p.HostIP, p.Published, p.Target))
	}
	return strings.Join(list, " ")
}

func TestAppPortIsPublishedAsDockerRunDoes(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindImage)
	in.Config.AppPort = []string{"127.0.0.1:3000:3000", "8080:80", "9000"}
	in.Merged.ForwardPorts = []devcontainer.ForwardPort{{Port: 80}, {Port: 8080}}
	done, _ := compile(t, in)
	assert.Equal(t, portsOf(done.Service), "127.0.0.1:3000:3000 :8080:80 ::9000 127.0.0.1:8081:8080")
}

func TestWhatTheMachineLacksIsTold(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindImage)
	in.Merged.HostRequirements = &devcontainer.HostRequirements{CPUs: 8, Memory: 16 << 30, Storage: 1 << 40, GPU: &devcontainer.GPU{}}
	in.Host = Host{CPUs: 2, Memory: 4 << 30}
	done, findings := compile(t, in)
	assert.Equal(t, messages(findings), "warning: hostRequirements: a GPU is wanted, the engine has none\n"+
		"warning: hostRequirements: 8 CPUs are wanted, the engine has 2\n"+
		"warning: hostRequirements: memory of 16GiB is wanted, the engine has 4GiB")
	assert.Equal(t, len(done.Service.Gpus), 0)
	in.Merged.HostRequirements = &devcontainer.HostRequirements{CPUs: 2, Memory: 4 << 30, GPU: &devcontainer.GPU{Optional: true}}
	done, findings = compile(t, in)
	assert.Equal(t, messages(findings), "")
	assert.Equal(t, len(done.Service.Gpus), 0)
	in.Host.GPU = true
	done, findings = compile(t, in)
	assert.Equal(t, messages(findings), "")
	assert.Equal(t, int(done.Service.Gpus[0].Count), -1)
}

func TestTheUserIsGivenTheHostsIDsWhereThatIsWanted(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, c := range map[string]struct {
		change func(in *Input)
		needed bool
	}{
		"remoteUser":         {func(in *Input) { in.Merged.RemoteUser = "node" }, true},
		"containerUser":      {func(in *Input) { in.Merged.ContainerUser = "node" }, true},
		"image's user":       {func(in *Input) { in.Image.User = "node:node" }, true},
		"asked for":          {func(in *Input) { in.Merged.RemoteUser, in.Merged.UpdateRemoteUserUID = "node", &yes }, true},
		"not asked for":      {func(in *Input) { in.Merged.RemoteUser, in.Merged.UpdateRemoteUserUID = "node", &no }, false},
		"root":               {func(in *Input) { in.Merged.RemoteUser = "root"; in.Image.User = "node" }, false},
		"nobody":             {func(*Input) {}, false},
		"a number":           {func(in *Input) { in.Image.User = "1000:1000" }, false},
		"not on Linux":       {func(in *Input) { in.Merged.RemoteUser = "node"; in.Host.OS = "darwin" }, false},
		"root on the host":   {func(in *Input) { in.Merged.RemoteUser = "node"; in.Host.UID = 0 }, false},
		"runArgs say root":   {func(in *Input) { in.Image.User = "node"; in.Config.RunArgs = []string{"-u", "root"} }, false},
		"runArgs say a user": {func(in *Input) { in.Config.RunArgs = []string{"--user=node"} }, true},
	} {
		for _, kind := range []devcontainer.Kind{devcontainer.KindImage, devcontainer.KindDockerfile} {
			in := dev(kind)
			in.Host = Host{OS: "linux", UID: 1234, GID: 1235}
			c.change(&in)
			done, _ := compile(t, in)
			assert.Equal(t, done.UID.Needed, c.needed, name)
			if !c.needed {
				assert.Assert(t, done.Base == nil)
				continue
			}
			want := map[devcontainer.Kind]string{devcontainer.KindImage: "alpine", devcontainer.KindDockerfile: "shop-base"}[kind]
			assert.Equal(t, done.Base.Image, want)
			assert.Equal(t, done.Base.Build != nil, kind == devcontainer.KindDockerfile)
			assert.Equal(t, *done.Service.Build.Args["BASE_IMAGE"], want)
			assert.Equal(t, *done.Service.Build.Args["REMOTE_USER"], "node")
			assert.Equal(t, *done.Service.Build.Args["NEW_UID"], "1234")
			assert.Equal(t, *done.Service.Build.Args["NEW_GID"], "1235")
			assert.Equal(t, *done.Service.Build.Args["IMAGE_USER"], map[bool]string{true: "root", false: in.Image.User}[in.Image.User == ""])
			assert.Equal(t, done.Service.Image, "")
		}
	}
}

func TestTheComposeServiceIsExtendedAndNothingElse(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindCompose)
	in.Config.RunArgs, in.Config.AppPort = []string{"--privileged"}, []string{"80"}
	before := text(t, in.Project.Services)
	in.Merged.Privileged, in.Merged.CapAdd = true, []string{"SYS_PTRACE"}
	in.Config.Compose.RunServices = []string{"db"}
	done, findings := compile(t, in)
	assert.Equal(t, text(t, in.Project.Services), before)
	assert.DeepEqual(t, done.RunServices, []string{"db", "app"})
	assert.Equal(t, messages(findings), "warning: runArgs has no effect together with dockerComposeFile\nwarning: appPort has no effect together with dockerComposeFile")
	assert.Equal(t, len(done.Service.Ports), 0)
	assert.Equal(t, done.Service.Labels[devcontainer.LabelMetadata], "[]")
	assert.Equal(t, done.Service.Labels[devcontainer.LabelConfigFile], in.Config.Path)

	in.Config.Compose.Service = "web"
	_, _, err := Compile(in)
	assert.ErrorContains(t, err, `/src/shop/.devcontainer/devcontainer.json: service "web" is not in the compose files`)
}

func TestBuildSaysAllOfTheFile(t *testing.T) {
	t.Parallel()
	in := dev(devcontainer.KindDockerfile)
	in.Config.Build = &devcontainer.Build{
		Dockerfile: "docker/Dockerfile", Context: "..", Args: map[string]string{"A": "$a"}, Target: "dev", CacheFrom: []string{"cache:1"},
		Options: []string{
			"--add-host=a:1.2.3.4", "--network", "host", "--platform=linux/amd64", "--build-arg", "B=b", "--no-cache", "--pull=false",
			"--label", "x=y", "--shm-size=1g", "--ssh", "default", "--ulimit", "nofile=1:2", "--cache-from=cache:2", "--cache-to=type=inline",
			"--build-context", "base=docker-image://alpine", "--secret=id=s", "--progress=plain", "-t", "mine",
		},
	}
	done, findings := compile(t, in)
	assert.Equal(t, text(t, done.Service.Build), `{"context":"/src/shop","dockerfile":".devcontainer/docker/Dockerfile","args":{"A":"$a","B":"b"},"ssh":["default"],`+
		`"labels":{"x":"y"},"cache_from":["cache:1","cache:2"],"cache_to":["type=inline"],"no_cache":true,"additional_contexts":{"base":"docker-image://alpine"},`+
		`"extra_hosts":["a=1.2.3.4"],"network":"host","target":"dev","shm_size":"1073741824","ulimits":{"nofile":{"soft":1,"hard":2}},"platforms":["linux/amd64"]}`)
	assert.Equal(t, messages(findings), `info: build.options: --progress has no effect here
warning: build.options: --secret is not taken over: a dev container's image is built by Compose
warning: build.options: --tag is not taken over: a dev container's image is built by Compose`)

	in.Config.Build = &devcontainer.Build{Dockerfile: "Dockerfile"}
	done, _ = compile(t, in)
	assert.Equal(t, done.Service.Build.Context, filepath.FromSlash("/src/shop/.devcontainer"))
	assert.Equal(t, done.Service.Build.Dockerfile, "Dockerfile")

	for want, options := range map[string][]string{
		"build.options: unknown flag: --nocache":                         {"--nocache"},
		`build.options: "." is neither a flag nor the value of one`:      {"."},
		"build.options: --shm-size: invalid":                             {"--shm-size=x"},
		"build.options: flag needs an argument: --target":                {"--target"},
		`build.options: invalid argument "perhaps" for "--no-cache" fla`: {"--no-cache=perhaps"},
	} {
		in.Config.Build.Options = options
		_, _, err := Compile(in)
		assert.ErrorContains(t, err, want)
	}
}

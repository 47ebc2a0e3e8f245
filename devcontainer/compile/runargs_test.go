package compile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker-loom/docker-loom/devcontainer"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	dockercontainer "github.com/docker/cli/cli/command/container"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
)

// runExamples has an example for every flag of docker run.
var runExamples = map[string]string{
	"add-host": "--add-host=host.docker.internal:host-gateway --add-host=v6:[::1]", "annotation": "--annotation a=b$c",
	"attach": "-a STDOUT", "blkio-weight": "--blkio-weight 300", "blkio-weight-device": "--blkio-weight-device /dev/sda:200",
	"cap-add": "--cap-add=SYS_PTRACE --cap-add NET_ADMIN", "cap-drop": "--cap-drop ALL", "cgroup-parent": "--cgroup-parent /x",
	"cgroupns": "--cgroupns host", "cidfile": "--cidfile /nowhere/id", "cpu-count": "--cpu-count 2", "cpu-percent": "--cpu-percent 20",
	"cpu-period": "--cpu-period 100000", "cpu-quota": "--cpu-quota 50000", "cpu-rt-period": "--cpu-rt-period 1000000",
	"cpu-rt-runtime": "--cpu-rt-runtime 950000", "cpu-shares": "-c 512", "cpus": "--cpus=1.5", "cpuset-cpus": "--cpuset-cpus 0-1",
	"cpuset-mems": "--cpuset-mems 0", "detach": "-d", "detach-keys": "--detach-keys ctrl-a",
	"device": "--device /dev/fuse --device=/dev/a:/dev/b:r --device nvidia.com/gpu=all", "device-cgroup-rule": "--device-cgroup-rule|c 189:* rmw",
	"device-read-bps": "--device-read-bps /dev/sda:1mb", "device-read-iops": "--device-read-iops /dev/sda:100",
	"device-write-bps": "--device-write-bps /dev/sda:1mb", "device-write-iops": "--device-write-iops /dev/sda:100",
	"disable-content-trust": "--disable-content-trust", "dns": "--dns 1.1.1.1", "dns-opt": "--dns-opt ndots:2",
	"dns-option": "--dns-option ndots:3", "dns-search": "--dns-search example.com", "domainname": "--domainname example.com",
	"entrypoint": "--entrypoint /tini", "env": "-e A=b --env=C=$d -e|E=two words", "env-file": "--env-file env", "expose": "--expose 8000-8001 --expose 53/udp",
	"gpus": "--gpus all", "group-add": "--group-add video", "health-cmd": "--health-cmd|curl $URL", "health-interval": "--health-interval 5s",
	"health-retries": "--health-retries 3", "health-start-interval": "--health-start-interval 1s", "health-start-period": "--health-start-period 1m",
	"health-timeout": "--health-timeout 3s", "help": "--help", "hostname": "-h dev", "init": "--init", "interactive": "-i",
	"io-maxbandwidth": "--io-maxbandwidth 1m", "io-maxiops": "--io-maxiops 100", "ip": "--network back --ip 10.0.0.5",
	"ip6": "--network back --ip6 fd00::5", "ipc": "--ipc=host", "isolation": "--isolation default", "kernel-memory": "--kernel-memory 50m",
	"label": "-l a=b --label=devcontainer.metadata=x", "label-file": "--label-file labels", "link": "--link db:database",
	"link-local-ip": "--network back --link-local-ip 169.254.1.1", "log-driver": "--log-driver json-file",
	"log-opt": "--log-driver json-file --log-opt max-size=10m", "mac-address": "--mac-address 92:d0:c6:0a:29:33",
	"memory": "-m 4g", "memory-reservation": "--memory-reservation 1g", "memory-swap": "--memory-swap=-1", "memory-swappiness": "--memory-swappiness 60",
	"mount": "--mount type=bind,source=./x,target=/x,readonly --mount type=volume,src=cache,dst=/cache,volume-nocopy --mount type=tmpfs,target=/t,tmpfs-size=1m",
	"name":  "--name app", "net": "--net host", "net-alias": "--net back --net-alias a", "network": "--network name=back,alias=web --network front",
	"network-alias": "--network back --network-alias web", "no-healthcheck": "--no-healthcheck", "oom-kill-disable": "--oom-kill-disable",
	"oom-score-adj": "--oom-score-adj 500", "pid": "--pid=host", "pids-limit": "--pids-limit 100", "platform": "--platform linux/amd64",
	"privileged": "--privileged", "publish": "-p 8080:80 -p 127.0.0.1:53:53/udp -p 9000-9001:9000-9001 -p 7000", "publish-all": "-P", "pull": "--pull always",
	"quiet": "-q", "read-only": "--read-only", "restart": "--restart on-failure:3", "rm": "--rm", "runtime": "--runtime runc",
	"security-opt": "--security-opt seccomp=unconfined --security-opt=seccomp=seccomp.json --security-opt systempaths=unconfined",
	"shm-size":     "--shm-size=1g", "sig-proxy": "--sig-proxy=false", "stop-signal": "--stop-signal SIGINT", "stop-timeout": "--stop-timeout 5",
	"storage-opt": "--storage-opt size=10G", "sysctl": "--sysctl net.core.somaxconn=1024", "tmpfs": "--tmpfs /run:size=64m --tmpfs /tmp",
	"tty": "-t", "ulimit": "--ulimit nofile=1024:2048 --ulimit core=0 --ulimit memlock=-1", "use-api-socket": "--use-api-socket", "user": "-u 1000:1000",
	"userns": "--userns host", "uts": "--uts host", "volume": "-v ./x:/x:ro -v cache:/cache -v /srv/data:/data:z,rshared -v /anonymous",
	"volume-driver": "--volume-driver nfs -v data:/data", "volumes-from": "--volumes-from other:ro", "workdir": "-w /src",
}

// words splits at blanks; what stands behind a | is one word.
func words(s string) []string {
	before, after, found := strings.Cut(s, "|")
	if !found {
		return strings.Fields(s)
	}
	return append(strings.Fields(before), after)
}

// runConfig is an image dev container with these runArgs, in a folder that has the files of the examples.
func runConfig(t *testing.T, args []string) *devcontainer.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"env": "FROM_FILE=x\n", "labels": "from.file=y\n", "seccomp.json": "{}"} {
		assert.NilError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	none := ""
	return &devcontainer.Config{Kind: devcontainer.KindImage, Image: "alpine", Path: filepath.Join(dir, ".devcontainer.json"), Workspace: dir, WorkspaceMount: &none, RunArgs: args}
}

func compileRunArgs(t *testing.T, args ...string) (*Compiled, []finding.Finding, error) {
	t.Helper()
	c := runConfig(t, args)
	return Compile(Input{Config: c, Merged: &devcontainer.Merged{}, Git: mounts.Repository{Root: c.Workspace}})
}

func TestEveryFlagOfDockerRunIsDecided(t *testing.T) {
	t.Parallel()
	known, want := []string{}, slices.Sorted(maps.Keys(runFlags))
	flags := dockercontainer.NewRunCommand(&runCLI{}).Flags() //nolint:staticcheck // see parseRunArgs
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	slices.Sort(known)
	assert.DeepEqual(t, known, want)
	assert.DeepEqual(t, slices.Sorted(maps.Keys(runExamples)), want)
}

func TestRunArgsAreSaidInComposeOrTold(t *testing.T) {
	var out strings.Builder
	plain, _, err := compileRunArgs(t)
	assert.NilError(t, err)
	for _, flag := range slices.Sorted(maps.Keys(runExamples)) {
		args := words(runExamples[flag])
		done, findings, err := compileRunArgs(t, args...)
		assert.NilError(t, err, flag)
		dir := filepath.ToSlash(done.Service.Labels[devcontainer.LabelLocalFolder])
		said := difference(t, plain, done)
		for _, f := range findings {
			said += fmt.Sprintf("# %s: %s\n", f.Level, f.Message)
		}
		fmt.Fprintf(&out, "== %s\n%s\n", strings.Join(args, " "), strings.ReplaceAll(said, dir, "DIR"))
		if said == "" {
			t.Errorf("%s: nothing comes of it and nobody is told", flag)
		}
		reloads(t, done)
	}
	golden.Assert(t, out.String(), "runargs.golden")
}

// difference is what the second has and the first has not, as YAML.
func difference(t *testing.T, a, b *Compiled) string {
	t.Helper()
	fields := func(c *Compiled) map[string]any {
		s := c.Service
		s.Labels = maps.Clone(s.Labels)
		delete(s.Labels, devcontainer.LabelLocalFolder)
		delete(s.Labels, devcontainer.LabelConfigFile)
		text, err := yaml.Marshal(s)
		assert.NilError(t, err)
		m := map[string]any{}
		assert.NilError(t, yaml.Unmarshal(text, &m))
		for key, value := range map[string]any{"(volumes)": c.Volumes, "(networks)": c.Networks} {
			text, err := yaml.Marshal(value)
			assert.NilError(t, err)
			var v any
			assert.NilError(t, yaml.Unmarshal(text, &v))
			m[key] = v
		}
		return m
	}
	was, is := fields(a), fields(b)
	for key, value := range was {
		if fmt.Sprint(is[key]) == fmt.Sprint(value) {
			delete(is, key)
		}
	}
	if len(is) == 0 {
		return ""
	}
	text, err := yaml.Marshal(is)
	assert.NilError(t, err)
	return string(text)
}

// reloads checks that Compose reads the service from a file as it was compiled.
func reloads(t *testing.T, done *Compiled) {
	t.Helper()
	s := done.Service
	if s.NetworkMode == "" && len(s.Networks) == 0 {
		s.Networks = map[string]*types.ServiceNetworkConfig{"default": nil}
	}
	p := &types.Project{Name: "p", Services: types.Services{s.Name: s}, Volumes: done.Volumes, Networks: done.Networks}
	text, err := p.MarshalYAML()
	assert.NilError(t, err)
	text = []byte(strings.ReplaceAll(string(text), "$", "$$"))
	q, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{WorkingDir: done.Service.Labels[devcontainer.LabelLocalFolder], ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: text}}},
		func(o *loader.Options) { o.SetProjectName("p", true); o.SkipResolveEnvironment = true })
	assert.NilError(t, err, "%s", text)
	want, err := json.Marshal(s)
	assert.NilError(t, err)
	got, err := json.Marshal(q.Services[s.Name])
	assert.NilError(t, err)
	// Compose reads what a service needs from its references.
	q2 := q.Services[s.Name]
	if len(q2.DependsOn) > 0 {
		q2.DependsOn = s.DependsOn
		got, err = json.Marshal(q2)
		assert.NilError(t, err)
	}
	assert.Equal(t, string(got), string(want), "%s", text)
}

func TestRunArgsThatDockerRefuses(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"runArgs: unknown flag: --no-such":                       {"--no-such", "host"},
		`runArgs: "host" is neither a flag nor the value of one`: {"--privileged", "host"},
		"runArgs: --network needs a value":                       {"--network"},
		"runArgs: -v ~/.ssh:/x: docker run knows no ~":           {"-v", "~/.ssh:/x"},
		`runArgs: invalid argument "x" for "-m, --memory" flag`:  {"-m", "x"},
		"runArgs: open ": {"--env-file", "nowhere"},
		"runArgs: conflicting options: cannot attach both": {"--network", "host", "--network", "a"},
		"runArgs: invalid range format for --expose: x":    {"--expose", "x"},
	} {
		_, _, err := compileRunArgs(t, args...)
		assert.ErrorContains(t, err, want, "%q", args)
	}
}

func TestRunArgsComeBehindTheProperties(t *testing.T) {
	t.Parallel()
	c := runConfig(t, []string{"-u", "root", "-e", "A=runArgs", "-it", "--network", "shop_default", "-v", c0 + ":/work"})
	yes := true
	p := &types.Project{Name: "iloom-shop-7", Networks: types.Networks{"default": {Name: "iloom-shop-7_default"}}}
	done, findings, err := Compile(Input{
		Config: c, Git: mounts.Repository{Root: c.Workspace}, Project: p, BaseName: "shop",
		Merged: &devcontainer.Merged{
			ContainerUser: "node", ContainerEnv: map[string]string{"A": "containerEnv", "B": "b"}, OverrideCommand: &yes,
			Mounts: []devcontainer.Mount{{Type: "volume", Source: "work", Target: "/work"}}, ForwardPorts: []devcontainer.ForwardPort{{Port: 3000}},
		},
	})
	assert.NilError(t, err)
	assert.Equal(t, len(findings), 0, "%v", findings)
	assert.Equal(t, done.Service.User, "root")
	assert.Equal(t, done.RemoteUser, "root")
	assert.Equal(t, *done.Service.Environment["A"], "runArgs")
	assert.Equal(t, *done.Service.Environment["B"], "b")
	assert.Equal(t, len(done.Service.Volumes), 1)
	assert.Equal(t, done.Service.Volumes[0].Source, c0)
	assert.Equal(t, len(done.Networks), 0)
	_, own := done.Service.Networks["default"]
	assert.Assert(t, own, "%v", done.Service.Networks)

	// The main work tree's folder names it too.
	done, _, err = Compile(Input{Config: c, Git: mounts.Repository{Root: c.Workspace, Common: "/src/Shop/.git"}, Project: p, BaseName: "shop-7", Merged: &devcontainer.Merged{}})
	assert.NilError(t, err)
	_, own = done.Service.Networks["default"]
	assert.Assert(t, own, "%v", done.Service.Networks)
}

const c0 = "/srv"

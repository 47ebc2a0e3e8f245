package compile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/docker/cli/cli/command"
	dockercontainer "github.com/docker/cli/cli/command/container"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/streams"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/pflag"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// runFlag is what becomes of a flag of docker run.
type runFlag struct {
	// told is the finding if Compose cannot express the flag, of this level; empty if it can.
	told  string
	level finding.Level
	// muted keeps the value from docker's own code, which would act on it; the last one is asked for with created.last.
	muted bool
	// path makes a relative path in the value count from the workspace.
	path func(dir, value string) string
	// file is the path of the file in the value that docker's own code reads, "" if there is none.
	file func(value string) string
}

const (
	windows = "is for Windows containers"
	lasting = "has no effect: a dev container is created once and stays"

	inBackground   = "has no effect: a dev container runs in the background"
	noContentTrust = "has no effect: Compose pulls without content trust"
	staysUntilDown = "is left out: the container stays until docker loom down"
	ownEntrypoint  = "has no effect: dev containers have an entrypoint of their own, " +
		"which the specification puts behind runArgs"
)

// runFlags are all flags of docker run; a test holds that none is missing. Those with an empty entry come out as
// fields of the service.
var runFlags = map[string]runFlag{
	"add-host": {}, "annotation": {}, "blkio-weight": {}, "blkio-weight-device": {}, "cap-add": {}, "cap-drop": {},
	"cgroup-parent": {}, "cgroupns": {}, "cpu-count": {}, "cpu-period": {}, "cpu-quota": {},
	"cpu-rt-period": {}, "cpu-rt-runtime": {}, "cpu-shares": {}, "cpus": {}, "cpuset-cpus": {}, "device": {},
	"device-cgroup-rule": {}, "device-read-bps": {}, "device-read-iops": {}, "device-write-bps": {},
	"device-write-iops": {}, "dns": {}, "dns-opt": {}, "dns-option": {}, "dns-search": {}, "domainname": {},
	"env": {}, "expose": {}, "gpus": {},
	"group-add": {}, "health-cmd": {}, "health-interval": {}, "health-retries": {}, "health-start-interval": {},
	"health-start-period": {}, "health-timeout": {}, "hostname": {}, "init": {}, "interactive": {}, "ip": {}, "ip6": {},
	"ipc": {}, "isolation": {}, "label": {}, "link": {}, "link-local-ip": {}, "log-driver": {}, "log-opt": {},
	"mac-address": {}, "memory": {}, "memory-reservation": {}, "memory-swap": {}, "memory-swappiness": {},
	"name": {muted: true}, "net": {},
	"net-alias": {}, "network": {}, "network-alias": {}, "no-healthcheck": {}, "oom-kill-disable": {}, "oom-score-adj": {},
	"pid": {}, "pids-limit": {}, "platform": {}, "privileged": {}, "publish": {}, "pull": {muted: true}, "read-only": {},
	"restart": {}, "runtime": {}, "shm-size": {}, "stop-signal": {}, "stop-timeout": {}, "storage-opt": {}, "sysctl": {},
	"tmpfs": {}, "tty": {}, "ulimit": {}, "use-api-socket": {muted: true}, "user": {}, "userns": {}, "uts": {},
	"volume-driver": {}, "volumes-from": {}, "workdir": {},

	"env-file":     {path: whole, file: all},
	"label-file":   {path: whole, file: all},
	"volume":       {path: beforeColon},
	"mount":        {path: inSource},
	"security-opt": {path: inSeccomp, file: ofSeccomp},

	"attach":                {told: inBackground, level: finding.Info},
	"cidfile":               {told: lasting, level: finding.Warning, muted: true},
	"cpu-percent":           {level: finding.Warning, told: windows},
	"cpuset-mems":           {told: "cannot be said in Compose", level: finding.Warning},
	"detach":                {level: finding.Info, muted: true, told: inBackground},
	"detach-keys":           {level: finding.Info, muted: true, told: "has no effect: nothing is attached"},
	"disable-content-trust": {level: finding.Info, muted: true, told: noContentTrust},
	"entrypoint":            {level: finding.Warning, told: ownEntrypoint},
	"help":                  {level: finding.Warning, muted: true, told: "is not a flag for a container"},
	"io-maxbandwidth":       {level: finding.Warning, told: windows},
	"io-maxiops":            {level: finding.Warning, told: windows},
	"kernel-memory":         {level: finding.Warning, told: "is no longer known to Docker Engine"},
	"publish-all":           {level: finding.Warning, told: "cannot be said in Compose: name the ports in forwardPorts"},
	"quiet":                 {level: finding.Info, muted: true, told: lasting},
	"rm":                    {level: finding.Warning, muted: true, told: staysUntilDown},
	"sig-proxy":             {level: finding.Info, muted: true, told: "has no effect: nothing is attached"},
}

func whole(dir, value string) string { return absolute(dir, value) }

// beforeColon is for SOURCE:TARGET[:OPTIONS], where docker takes a source that begins with a dot for a path.
func beforeColon(dir, value string) string {
	source, rest, ok := strings.Cut(value, ":")
	if !ok || !strings.HasPrefix(source, ".") {
		return value
	}
	return absolute(dir, source) + ":" + rest
}

func inSource(dir, value string) string {
	fields := strings.Split(value, ",")
	for i, field := range fields {
		key, source, _ := strings.Cut(field, "=")
		if (key == "source" || key == "src") && strings.HasPrefix(source, ".") {
			fields[i] = key + "=" + absolute(dir, source)
		}
	}
	return strings.Join(fields, ",")
}

func inSeccomp(dir, value string) string {
	if file := ofSeccomp(value); file != "" {
		return "seccomp=" + absolute(dir, file)
	}
	return value
}

func all(value string) string { return value }

func ofSeccomp(value string) string {
	file, ok := strings.CutPrefix(value, "seccomp=")
	if !ok || file == "unconfined" || file == "builtin" || strings.HasPrefix(file, "{") {
		return ""
	}
	return file
}

// spyFlag stands before a flag of docker's, remembers what it was set to, and passes it on unless it is muted.
type spyFlag struct {
	pflag.Value
	is      runFlag
	dir     string
	mayRead func(path string) error
	values  []string
}

func (f *spyFlag) Set(s string) error {
	if f.is.path != nil {
		s = f.is.path(f.dir, s)
	}
	if f.is.file != nil && f.mayRead != nil {
		if file := f.is.file(s); file != "" {
			if err := f.mayRead(file); err != nil {
				return err
			}
		}
	}
	f.values = append(f.values, s)
	if f.is.muted {
		return nil
	}
	return f.Value.Set(s)
}

// created is what docker run would ask of the engine.
type created struct {
	*container.Config
	host     *container.HostConfig
	networks map[string]*network.EndpointSettings
	platform *ocispec.Platform
	flags    map[string][]string // what each flag was set to, by name
}

// errCaptured ends docker run when it would create the container.
var errCaptured = errors.New("captured")

// runCLI is the docker CLI with a client that knows one request.
type runCLI struct {
	command.Cli
	client runClient
}

func (c *runCLI) Client() client.APIClient { return &c.client }

func (*runCLI) ConfigFile() *configfile.ConfigFile {
	return &configfile.ConfigFile{}
}

func (*runCLI) ServerInfo() command.ServerInfo { return command.ServerInfo{OSType: "linux"} }

func (*runCLI) Out() *streams.Out { return streams.NewOut(io.Discard) }

func (*runCLI) Err() *streams.Out { return streams.NewOut(io.Discard) }

// In is a terminal, because docker refuses --tty without one: the flag is kept for the service.
func (*runCLI) In() *streams.In {
	in := streams.NewIn(http.NoBody)
	in.SetIsTerminal(true)
	return in
}

type runClient struct {
	client.APIClient
	created *created
}

func (*runClient) DaemonHost() string { return "" }

func (*runClient) ClientVersion() string { return "1.51" }

// ContainerCreate keeps what docker run asks for.
//
//nolint:revive // The client's interface has six parameters.
func (c *runClient) ContainerCreate(
	_ context.Context, config *container.Config, host *container.HostConfig,
	net *network.NetworkingConfig, platform *ocispec.Platform, _ string,
) (container.CreateResponse, error) {
	c.created = &created{Config: config, host: host, networks: net.EndpointsConfig, platform: platform}
	return container.CreateResponse{}, errCaptured
}

// anImage is an image that no registry is asked for: an ID.
const anImage = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// parseRunArgs reads arguments of docker run as docker does: its own command runs until it would ask the engine.
// Paths count from dir. Environment and label files are read, and variables without a value taken from the process.
func parseRunArgs(args []string, dir string, mayRead func(path string) error) (*created, error) {
	cli := &runCLI{}
	//nolint:staticcheck // Deprecated for importers, but no other parser exists.
	cmd := dockercontainer.NewRunCommand(cli)
	flags := cmd.Flags()
	spies := map[string]*spyFlag{}
	flags.VisitAll(func(f *pflag.Flag) {
		spies[f.Name] = &spyFlag{Value: f.Value, is: runFlags[f.Name], dir: dir, mayRead: mayRead}
		f.Value = spies[f.Name]
	})
	if err := flags.Parse(append(slices.Clone(args), anImage)); err != nil {
		return nil, err
	}
	switch rest := flags.Args(); {
	case len(rest) == 0:
		return nil, fmt.Errorf("%s needs a value", args[len(args)-1])
	case rest[0] != anImage:
		return nil, fmt.Errorf("%q is neither a flag nor the value of one", rest[0])
	}
	cmd.SetContext(context.Background())
	if err := cmd.RunE(cmd, flags.Args()); cli.client.created == nil {
		return nil, cmp.Or(err, errors.New("docker run does not create a container"))
	}
	c := cli.client.created
	c.flags = map[string][]string{}
	flags.Visit(func(f *pflag.Flag) { c.flags[f.Name] = spies[f.Name].values })
	return c, nil
}

func (r *created) set(flag string) bool { return len(r.flags[flag]) > 0 }

// last is the value of a flag that was not passed on to docker.
func (r *created) last(flag string) string {
	if !r.set(flag) {
		return ""
	}
	return r.flags[flag][len(r.flags[flag])-1]
}

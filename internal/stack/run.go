package stack

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	mobysignal "github.com/moby/sys/signal"
)

// RunOptions are the choices of Run, as docker compose run has them.
type RunOptions struct {
	Service string
	// Command and Entrypoint replace the service's if they are not empty.
	Command, Entrypoint []string
	// Name is the container's, empty for one that Compose makes up.
	Name string
	// Detach leaves the container running and prints its id; Remove removes it when it ends.
	Detach, Remove bool
	// TTY gives it a terminal, Interactive keeps its stdin open.
	TTY, Interactive bool
	// Env are variables, NAME=value, or NAME for one of the environment; EnvFiles have more, which are weaker.
	Env, EnvFiles []string
	// Volumes and Publish add mounts and host ports; with ServicePorts the service's own ports are published instead.
	Volumes, Publish []string
	ServicePorts     bool
	User, WorkingDir string
	CapAdd, CapDrop  []string
	Labels           map[string]string
	// UseAliases lets other services find the container by the service's names.
	UseAliases bool
	// NoDeps starts no dependencies and waits for none.
	NoDeps bool
	// Build builds the image first. Pull is always, missing or never; empty leaves it to the files.
	Build bool
	Pull  string
	// QuietPull and QuietBuild show no progress of these.
	QuietPull, QuietBuild bool
	RemoveOrphans         bool
}

// apply writes into the project what Compose's own command line puts there.
func (o RunOptions) apply(p *types.Project) (*types.Project, error) {
	policy := types.IncludeDependencies
	if o.NoDeps {
		policy = types.IgnoreDependencies
	}
	p, err := p.WithSelectedServices([]string{o.Service}, policy)
	if err != nil {
		return nil, err
	}
	if err := platforms(p, true); err != nil {
		return nil, err
	}
	CreateOptions{Build: o.Build, Pull: o.Pull}.policies(p)
	s := p.Services[o.Service]
	s.Tty, s.StdinOpen = o.TTY, o.Interactive
	if !o.ServicePorts {
		s.Ports = []types.ServicePortConfig{}
		for _, text := range o.Publish {
			ports, err := types.ParsePortConfig(text)
			if err != nil {
				return nil, err
			}
			s.Ports = append(s.Ports, ports...)
		}
	}
	s.Volumes = slices.Clone(s.Volumes)
	for _, text := range o.Volumes {
		volume, err := format.ParseVolume(text)
		if err != nil {
			return nil, err
		}
		s.Volumes = append(s.Volumes, volume)
	}
	p.Services[o.Service] = s
	return p, nil
}

// environment reads the variables of Env and of the files.
func (o RunOptions) environment(lookup func(string) (string, bool)) ([]string, error) {
	env := types.NewMappingWithEquals(o.Env).Resolve(lookup).ToMapping()
	for _, path := range o.EnvFiles {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		vars, err := dotenv.ParseWithLookup(f, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		for name, value := range vars {
			if _, ok := env[name]; !ok {
				env[name] = value
			}
		}
	}
	return env.Values(), nil
}

// StartDependencies creates and starts what a service depends on.
func (s *Stack) StartDependencies(ctx context.Context, p *types.Project, o RunOptions) error {
	p, err := p.WithSelectedServices([]string{o.Service})
	if err != nil {
		return err
	}
	p = p.WithServicesDisabled(o.Service)
	if len(p.Services) == 0 {
		return nil
	}
	return s.Up(ctx, p, CreateOptions{RemoveOrphans: o.RemoveOrphans})
}

// Run runs a container of a service besides those that it has, and returns its exit code. Signals of this process go to
// the container once it runs; before that the end of ctx ends the command. Where ctx ends later and no signal came with
// it, as when only the docker command was told to end, the container gets SIGTERM.
func (s *Stack) Run(ctx context.Context, p *types.Project, o RunOptions) (int, error) {
	p, err := o.apply(p)
	if err != nil {
		return 0, err
	}
	env, err := o.environment(p.Environment.Resolve)
	if err != nil {
		return 0, err
	}
	if err := s.freeChangedNetworks(ctx, p); err != nil {
		return 0, err
	}
	build := &api.BuildOptions{Progress: buildProgress(), Quiet: o.QuietBuild}
	options := api.RunOptions{
		CreateOptions: api.CreateOptions{
			Build: build, RemoveOrphans: o.RemoveOrphans, QuietPull: o.QuietPull, Inherit: true,
			Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged,
		},
		Name: o.Name, Service: o.Service, Command: o.Command, Entrypoint: o.Entrypoint,
		Detach: o.Detach, AutoRemove: o.Remove, Tty: o.TTY, Interactive: o.Interactive,
		Environment: env, User: o.User, WorkingDir: o.WorkingDir, CapAdd: o.CapAdd, CapDrop: o.CapDrop,
		Labels: o.Labels, UseNetworkAliases: o.UseAliases, NoDeps: o.NoDeps,
	}
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	ear := &ear{APIClient: s.making.Client(), ctx: ctx, stop: stop}
	defer ear.close()
	backend := compose.NewComposeService(heard{s.docker, ear}, compose.WithPrompt(no))
	code := 0
	err = withStdoutOnStderr(func() error {
		code, err = backend.RunOneOffContainer(lasting, p, options)
		return err
	})
	return code, err
}

// heard is the docker command line with a client that listens.
type heard struct {
	command.Cli
	ear *ear
}

// Client is the one that listens.
func (h heard) Client() client.APIClient { return h.ear }

// ear passes signals on to the container that it sees started. Compose and the docker command line, which it calls,
// would each do that, so that one Ctrl-C arrives twice, which many programs take for an order to drop everything; and
// neither passes on that only the docker command was told to end: the container would stay behind.
type ear struct {
	client.APIClient
	ctx  context.Context
	stop func() bool // parts the container's life from ctx

	mu      sync.Mutex
	started map[string]bool
	signals []chan os.Signal
}

// ContainerStart starts a container, which signals go to from then on if it is a one-off one: those are what Run
// attaches to.
func (e *ear) ContainerStart(ctx context.Context, id string, o container.StartOptions) error {
	c, err := e.ContainerInspect(ctx, id)
	if err != nil {
		return err
	}
	if !strings.EqualFold(c.Config.Labels[api.OneoffLabel], "True") {
		return e.APIClient.ContainerStart(ctx, id, o)
	}
	e.stop()
	signals := make(chan os.Signal, 32)
	e.mu.Lock()
	if e.started == nil {
		e.started = map[string]bool{}
	}
	e.started[id] = true
	e.signals = append(e.signals, signals)
	e.mu.Unlock()
	signal.Notify(signals)
	go e.pass(signals, id)
	return e.APIClient.ContainerStart(ctx, id, o)
}

// ContainerKill is what Compose and the docker command line pass signals on with.
func (e *ear) ContainerKill(ctx context.Context, id, sig string) error {
	e.mu.Lock()
	started := e.started[id]
	e.mu.Unlock()
	if started {
		return nil
	}
	return e.APIClient.ContainerKill(ctx, id, sig)
}

// pass passes each signal on once, until the channel is closed.
func (e *ear) pass(signals <-chan os.Signal, id string) {
	ctx := context.WithoutCancel(e.ctx)
	done := e.ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case sig, ok := <-signals:
			if !ok {
				return
			}
			name := ""
			for n, s := range mobysignal.SignalMap {
				if s == sig {
					name = n
				}
			}
			switch name {
			case "", "CHLD", "PIPE", "URG", "WINCH":
				// The runtime's own, children's, and the window's, whose size is passed on otherwise.
				continue
			}
			late = nil
			_ = e.APIClient.ContainerKill(ctx, id, name) // it may have ended meanwhile
		case <-done:
			// The signal that ended ctx may be on its way here.
			done, late = nil, time.After(200*time.Millisecond)
		case <-late:
			late = nil
			_ = e.APIClient.ContainerKill(ctx, id, "TERM")
		}
	}
}

func (e *ear) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.signals {
		signal.Stop(c)
		close(c)
	}
	e.signals = nil
}

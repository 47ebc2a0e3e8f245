// Package stack is everything that docker loom asks of Compose: finding and loading a project, and bringing it up and
// down through Compose's Go API. It is the only importer of github.com/docker/compose, so that a later major of
// Compose changes this package alone. Decisions about isolation are made elsewhere; this package is handed a project
// and carries it out.
package stack

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/cmd/formatter"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"
	"github.com/docker/compose/v2/pkg/progress"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"
)

// Names of the labels that Compose puts on what it makes.
const (
	LabelProject     = api.ProjectLabel
	LabelService     = api.ServiceLabel
	LabelConfigHash  = api.ConfigHashLabel
	LabelImageDigest = api.ImageDigestLabel
	LabelWorkingDir  = api.WorkingDirLabel
	LabelOneOff      = api.OneoffLabel
	LabelNetwork     = api.NetworkLabel // on a network: its key in the files
	LabelVolume      = api.VolumeLabel  // on a volume: its key in the files
)

// Stack runs projects on one engine.
type Stack struct {
	docker  command.Cli
	making  command.Cli // what Compose gets: it makes networks and volumes as a loom has them
	compose api.Compose
}

// New returns a Stack on the engine that docker is connected to. Progress goes to docker's error stream. What carries the
// label own belongs to a loom; its networks and volumes bear [LabelOwnHash].
func New(docker command.Cli, own string) *Stack {
	version()
	made := unhashed{docker, own}
	return &Stack{docker: docker, making: made, compose: compose.NewComposeService(made, compose.WithPrompt(no))}
}

// no answers Compose's questions. A volume whose configuration has changed makes it ask whether to recreate it, which
// loses its data; a loom's volumes end with the loom.
func no(string, bool) (bool, error) { return false, nil }

// version tells Compose which version it is, once: Compose reads that without a lock.
var version = sync.OnceFunc(func() {
	if api.ComposeVersion == "" {
		api.ComposeVersion = builtWith()
	}
})

// builtWith is the version of Compose inside this binary. Compose's own build sets it by linker flags; an embedder's
// containers would otherwise carry an empty version label.
func builtWith() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/docker/compose/v2" {
			return strings.TrimPrefix(dep.Version, "v")
		}
	}
	return ""
}

// Version is the version of Compose that this binary contains.
func Version() string { return builtWith() }

// SetProgress chooses how progress is shown: auto, tty, plain, json or quiet.
func SetProgress(mode string) { progress.Mode = mode }

// CreateOptions are the choices of Up and Create.
type CreateOptions struct {
	// Build builds images even where they exist.
	Build bool
	// Pull is always, missing or never; empty leaves it to the files.
	Pull string
	// RemoveOrphans removes containers of services that the files no longer have.
	RemoveOrphans bool
	// ForceRecreate makes every container anew.
	ForceRecreate bool
	// RenewVolumes makes the anonymous volumes of recreated containers anew.
	RenewVolumes bool
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
}

func (o CreateOptions) api(p *types.Project) api.CreateOptions {
	recreate := api.RecreateDiverged
	if o.ForceRecreate {
		recreate = api.RecreateForce
	}
	create := api.CreateOptions{
		Build:                &api.BuildOptions{Services: p.ServiceNames(), Deps: true, Progress: buildProgress()},
		Services:             p.ServiceNames(),
		RemoveOrphans:        o.RemoveOrphans,
		Recreate:             recreate,
		RecreateDependencies: api.RecreateDiverged,
		Inherit:              !o.RenewVolumes,
	}
	if o.Timeout > 0 {
		create.Timeout = &o.Timeout
	}
	return create
}

func buildProgress() string {
	if progress.Mode == progress.ModeJSON {
		return "rawjson"
	}
	return progress.Mode
}

// policies writes --build and --pull into the project, where Compose's own command line puts them.
func (o CreateOptions) policies(p *types.Project) {
	for name, s := range p.Services {
		switch {
		case o.Build && s.Build != nil:
			s.PullPolicy = types.PullPolicyBuild
		case o.Pull != "" && (s.Build == nil || s.PullPolicy == ""):
			if s.PullPolicy != types.PullPolicyNever {
				s.PullPolicy = o.Pull
			}
		}
		p.Services[name] = s
	}
}

// Up creates what is missing or changed and starts it, detached. It returns when the containers run and the conditions
// of depends_on held; it does not wait for the last services to be ready.
func (s *Stack) Up(ctx context.Context, p *types.Project, o CreateOptions) error {
	if err := platforms(p, true); err != nil {
		return err
	}
	o.policies(p)
	return s.change(ctx, p, o, func(o CreateOptions) error {
		return s.compose.Up(ctx, p, api.UpOptions{Create: o.api(p), Start: api.StartOptions{Project: p, Services: p.ServiceNames()}})
	})
}

// Create creates what is missing or changed and starts nothing.
func (s *Stack) Create(ctx context.Context, p *types.Project, o CreateOptions) error {
	if err := platforms(p, true); err != nil {
		return err
	}
	o.policies(p)
	return s.change(ctx, p, o, func(o CreateOptions) error { return s.compose.Create(ctx, p, o.api(p)) })
}

// Provide brings the image of a project of one service here: built where the service says how, else pulled.
func (s *Stack) Provide(ctx context.Context, p *types.Project) error {
	return withStdoutOnStderr(func() error {
		for _, svc := range p.Services {
			if svc.Build == nil {
				return s.compose.Pull(ctx, p, api.PullOptions{})
			}
		}
		return s.compose.Build(ctx, p, api.BuildOptions{Progress: buildProgress(), Services: p.ServiceNames()})
	})
}

// change prepares the networks before Compose converges the project.
func (s *Stack) change(ctx context.Context, p *types.Project, o CreateOptions, converge func(CreateOptions) error) error {
	if err := s.freeChangedNetworks(ctx, p); err != nil {
		return err
	}
	off, err := s.offTheirNetworks(ctx, p)
	if err != nil {
		return err
	}
	o.ForceRecreate = o.ForceRecreate || off
	return withStdoutOnStderr(func() error { return converge(o) })
}

// freeChangedNetworks removes networks whose configuration changed, after it took the containers off them. Compose
// recreates such a network and joins the same containers again without any alias, so that their names no longer resolve,
// and the next up finds nothing to do. The containers stay, stopped: their successors inherit the anonymous volumes.
func (s *Stack) freeChangedNetworks(ctx context.Context, p *types.Project) error {
	client := s.docker.Client()
	byProject := filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+p.Name))
	networks, err := client.NetworkList(ctx, network.ListOptions{Filters: byProject})
	if err != nil {
		return err
	}
	var changed []string
	on := map[string][]container.Summary{}
	var services []string
	for _, n := range networks {
		wanted, ok := p.Networks[n.Labels[api.NetworkLabel]]
		if !ok || bool(wanted.External) || wanted.Name != n.Name {
			continue
		}
		hash, err := compose.NetworkHash(&wanted)
		if err != nil {
			return err
		}
		if have := madeFrom(n.Labels); have == "" || have == hash {
			continue
		}
		changed = append(changed, n.ID)
		args := byProject.Clone()
		args.Add("network", n.ID)
		if on[n.ID], err = client.ContainerList(ctx, container.ListOptions{All: true, Filters: args}); err != nil {
			return err
		}
		for _, c := range on[n.ID] {
			if name := c.Labels[api.ServiceLabel]; p.Services[name].Name != "" && !slices.Contains(services, name) {
				services = append(services, name)
			}
		}
	}
	if len(services) > 0 {
		// What else was joined to the network keeps running.
		if err := s.compose.Stop(ctx, p.Name, api.StopOptions{Project: p, Services: services}); err != nil {
			return err
		}
	}
	for _, id := range changed {
		for _, c := range on[id] {
			if err := client.NetworkDisconnect(ctx, id, c.ID, true); err != nil && !errdefs.IsNotFound(err) {
				return err
			}
		}
		if err := client.NetworkRemove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// offTheirNetworks tells whether a container is not on a network of its service: that was freed, now or by an up that did
// not finish. Compose would look at running containers only.
func (s *Stack) offTheirNetworks(ctx context.Context, p *types.Project) (bool, error) {
	list, err := s.docker.Client().ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", api.ProjectLabel+"="+p.Name), filters.Arg("label", api.OneoffLabel+"=False"))})
	if err != nil {
		return false, err
	}
	for _, c := range list {
		service, ok := p.Services[c.Labels[api.ServiceLabel]]
		if !ok || service.NetworkMode != "" || c.NetworkSettings == nil {
			continue
		}
		for key := range service.Networks {
			n := p.Networks[key]
			if _, on := c.NetworkSettings.Networks[n.Name]; !on && !bool(n.External) {
				return true, nil
			}
		}
	}
	return false, nil
}

var stdoutMu sync.Mutex

// withStdoutOnStderr keeps results and progress apart: a build inside this process writes its progress to os.Stdout,
// whatever writer it is given.
func withStdoutOnStderr(f func() error) error {
	stdoutMu.Lock()
	defer stdoutMu.Unlock()
	out := os.Stdout
	os.Stdout = os.Stderr
	defer func() { os.Stdout = out }()
	return f()
}

// DownOptions are the choices of Down.
type DownOptions struct {
	// Project gives the pre_stop hooks and the order; nil where the files cannot be loaded any more.
	Project *types.Project
	// Timeout bounds the stopping of containers; zero is each service's own.
	Timeout time.Duration
}

// Down removes the containers, their anonymous volumes, the networks and the built images of the project with this name,
// whatever the files say now: Compose finds them by its labels. Named volumes stay.
func (s *Stack) Down(ctx context.Context, name string, o DownOptions) error {
	// By name Compose runs no pre_stop hooks, and from files it removes only what the files still name: so stop from the
	// files, then remove by name.
	if err := s.compose.Stop(ctx, name, api.StopOptions{Project: o.Project, Timeout: timeout(o.Timeout)}); err != nil {
		return err
	}
	if err := s.removeContainers(ctx, name); err != nil {
		return err
	}
	return s.compose.Down(ctx, name, api.DownOptions{RemoveOrphans: true, Images: "local", Timeout: timeout(o.Timeout)})
}

// removeContainers removes a project's containers together with their anonymous volumes, which nothing else ties to the
// project: Compose keeps them unless the named volumes go too.
func (s *Stack) removeContainers(ctx context.Context, name string) error {
	client := s.docker.Client()
	list, err := client.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+name))})
	if err != nil || len(list) == 0 {
		return err
	}
	return s.Progress(ctx, "Removing", func(ctx context.Context, step Step) error {
		var g errgroup.Group
		for _, c := range list {
			g.Go(func() error {
				id := "Container " + strings.TrimPrefix(append(c.Names, c.ID)[0], "/")
				step(id, "Removing", Working)
				err := client.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
				if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
					step(id, "Error", Failed)
					return err
				}
				step(id, "Removed", Done)
				return nil
			})
		}
		return g.Wait()
	})
}

// DownFromFiles is docker compose down, and with volumes docker compose down --volumes: what other files made under the
// same project name stays.
func (s *Stack) DownFromFiles(ctx context.Context, p *types.Project, volumes bool, d time.Duration) error {
	return s.compose.Down(ctx, p.Name, api.DownOptions{Project: p, Volumes: volumes, Timeout: timeout(d)})
}

func timeout(d time.Duration) *time.Duration {
	if d <= 0 {
		return nil
	}
	return &d
}

// Stop stops the containers of the project with this name; p may be nil where the files cannot be loaded.
func (s *Stack) Stop(ctx context.Context, name string, p *types.Project, d time.Duration) error {
	return s.compose.Stop(ctx, name, api.StopOptions{Project: p, Timeout: timeout(d)})
}

// StopServices stops the containers of these services of the project with this name.
func (s *Stack) StopServices(ctx context.Context, name string, services []string, d time.Duration) error {
	return s.compose.Stop(ctx, name, api.StopOptions{Services: services, Timeout: timeout(d)})
}

// Kill kills the containers of the project with this name.
func (s *Stack) Kill(ctx context.Context, name string) error {
	return s.compose.Kill(ctx, name, api.KillOptions{All: true})
}

// Start starts the stopped containers of the project with this name.
func (s *Stack) Start(ctx context.Context, name string) error {
	return s.compose.Start(ctx, name, api.StartOptions{})
}

// LogOptions are the choices of Logs, as docker compose logs has them.
type LogOptions struct {
	Services           []string
	Index              int // of one container of the one service named; 0 for all
	Follow, Timestamps bool
	Tail, Since, Until string
	NoColor, NoPrefix  bool
	Stdout, Stderr     io.Writer
}

// Logs copies the containers' output to the writers until it ends, or until ctx does where it is followed.
func (s *Stack) Logs(ctx context.Context, name string, o LogOptions) error {
	consumer := formatter.NewLogConsumer(ctx, o.Stdout, o.Stderr, !o.NoColor, !o.NoPrefix, false)
	return s.compose.Logs(ctx, name, consumer, api.LogOptions{
		Services: o.Services, Index: o.Index, Follow: o.Follow,
		Timestamps: o.Timestamps, Tail: o.Tail, Since: o.Since, Until: o.Until,
	})
}

// Progress shows a phase of work of our own as Compose shows its phases. Inside f, events are reported with step.
func (s *Stack) Progress(ctx context.Context, title string, f func(ctx context.Context, step Step) error) error {
	return progress.RunWithTitle(ctx, func(ctx context.Context) error {
		w := progress.ContextWriter(ctx)
		return f(ctx, func(id, text string, state StepState) {
			w.Event(progress.NewEvent(id, progress.EventStatus(state), text))
		})
	}, s.docker.Err(), title)
}

// Step reports the state of one line of progress.
type Step func(id, text string, state StepState)

// StepState is the state of one line of progress.
type StepState progress.EventStatus

// States of a line of progress.
const (
	Working = StepState(progress.Working)
	Done    = StepState(progress.Done)
	Failed  = StepState(progress.Error)
)

// Beside makes a project that was compiled, not loaded, ready for Compose's API, beside the services of others in the same
// project, which are no orphans of it. custom labels go on every container without being hashed.
func Beside(p *types.Project, others []string, custom map[string]string) {
	if p.Environment == nil {
		p.Environment = types.Mapping{}
	}
	for name, s := range p.Services {
		s.CustomLabels = types.Labels{
			api.ProjectLabel: p.Name, api.ServiceLabel: name, api.VersionLabel: api.ComposeVersion,
			api.WorkingDirLabel: p.WorkingDir, api.ConfigFilesLabel: "", api.OneoffLabel: "False",
		}
		for k, v := range custom {
			s.CustomLabels[k] = v
		}
		p.Services[name] = s
	}
	Keep(p, others)
}

// Keep makes containers of services that the project does not have no orphans of it.
func Keep(p *types.Project, others []string) {
	for _, name := range others {
		if _, own := p.Services[name]; own {
			continue
		}
		if p.DisabledServices == nil {
			p.DisabledServices = types.Services{}
		}
		if _, disabled := p.DisabledServices[name]; !disabled {
			p.DisabledServices[name] = types.ServiceConfig{Name: name}
		}
	}
}

// Package stack is everything that docker loom asks of Compose: finding and loading a project, and bringing it up and
// down through Compose's Go API. It is the only importer of github.com/docker/compose, so that a later major of
// Compose changes this package alone. Decisions about isolation are made elsewhere; this package is handed a project
// and carries it out.
package stack

import (
	"context"
	"maps"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/compose"

	"github.com/docker-loom/docker-loom/internal/stack/references"
)

// Names of the labels that Compose puts on what it makes.
const (
	LabelProject     = api.ProjectLabel
	LabelService     = api.ServiceLabel
	LabelConfigHash  = api.ConfigHashLabel
	LabelImageDigest = api.ImageDigestLabel
	LabelWorkingDir  = api.WorkingDirLabel
	LabelConfigFiles = api.ConfigFilesLabel
	LabelOneOff      = api.OneoffLabel
	LabelNetwork     = api.NetworkLabel // on a network: its key in the files
	LabelVolume      = api.VolumeLabel  // on a volume: its key in the files
)

// Stack runs projects on one engine.
type Stack struct {
	docker  command.Cli
	making  command.Cli // the one that Compose gets: its networks and volumes are made as a loom has them
	compose api.Compose
	// fetchers have the files of other machines that were fetched in this process.
	fetchers []*references.Fetcher
}

// New returns a Stack on the engine that docker is connected to. Progress goes to docker's error stream. What carries
// the label own belongs to a loom; its networks and volumes bear [LabelOwnHash].
func New(docker command.Cli, own string) *Stack {
	tellVersion()
	made := unhashed{docker, own}
	return &Stack{docker: docker, making: made, compose: compose.NewComposeService(made, compose.WithPrompt(no))}
}

// no answers Compose's questions. A volume whose configuration has changed makes it ask whether to recreate it, which
// loses its data; a loom's volumes end with the loom.
func no(string, bool) (bool, error) { return false, nil }

// tellVersion tells Compose which version it is, once: Compose reads that without a lock.
var tellVersion = sync.OnceFunc(func() {
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

// CreateOptions are the choices of Up and Create.
type CreateOptions struct {
	// Build builds images even if they exist.
	Build bool
	// Pull is always, missing or never; empty leaves it to the files.
	Pull string
	// RemoveOrphans removes containers of services that the files no longer have.
	RemoveOrphans bool
	// ForceRecreate recreates every container.
	ForceRecreate bool
	// RenewVolumes recreates the anonymous volumes of recreated containers.
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
		start := api.StartOptions{Project: p, Services: p.ServiceNames()}
		return s.converger(p).Up(ctx, p, api.UpOptions{Create: o.api(p), Start: start})
	})
}

// Create creates what is missing or changed and starts nothing.
func (s *Stack) Create(ctx context.Context, p *types.Project, o CreateOptions) error {
	if err := platforms(p, true); err != nil {
		return err
	}
	o.policies(p)
	return s.change(ctx, p, o, func(o CreateOptions) error { return s.converger(p).Create(ctx, p, o.api(p)) })
}

// Provide builds the image of a project of one service, or pulls it if the service has no build section.
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

// ProvideService builds or pulls the image of one service, which need not be in the project, with the project's
// environment.
func (s *Stack) ProvideService(ctx context.Context, p *types.Project, service types.ServiceConfig) error {
	return s.Provide(ctx, &types.Project{
		Name: p.Name, WorkingDir: p.WorkingDir, Environment: p.Environment,
		Services: types.Services{service.Name: service},
	})
}

// change prepares the networks, and then lets Compose converge the project.
func (s *Stack) change(
	ctx context.Context, p *types.Project, o CreateOptions, converge func(CreateOptions) error,
) error {
	if err := s.freeChangedNetworks(ctx, p); err != nil {
		return err
	}
	detached, err := s.hasDetachedContainer(ctx, p)
	if err != nil {
		return err
	}
	o.ForceRecreate = o.ForceRecreate || detached
	return withStdoutOnStderr(func() error { return converge(o) })
}

// Complete gives a project that was compiled, not loaded, what Compose's API needs. The services of others have
// containers in the same Compose project, which must not be removed as its orphans. Every container gets the custom
// labels, which Compose does not hash.
func Complete(p *types.Project, others []string, custom map[string]string) {
	if p.Environment == nil {
		p.Environment = types.Mapping{}
	}
	for name, s := range p.Services {
		s.CustomLabels = types.Labels{
			api.ProjectLabel: p.Name, api.ServiceLabel: name, api.VersionLabel: api.ComposeVersion,
			api.WorkingDirLabel: p.WorkingDir, api.ConfigFilesLabel: "", api.OneoffLabel: "False",
		}
		maps.Copy(s.CustomLabels, custom)
		p.Services[name] = s
	}
	Keep(p, others)
}

// Keep keeps Compose from removing the containers of other services as orphans of the project.
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

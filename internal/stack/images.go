package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v2/pkg/api"
	"github.com/docker/compose/v2/pkg/progress"

	"github.com/docker-loom/docker-loom/internal/stack/buildx"
)

// platforms carries a service's platform into its build, where Compose's own command line does it. With single, images
// are for this machine to run: a list of several platforms, which the engine's own builder refuses, is left to it.
func platforms(p *types.Project, single bool) error {
	standard := p.Environment["DOCKER_DEFAULT_PLATFORM"]
	for name, s := range p.Services {
		if s.Build == nil {
			continue
		}
		if s.Platform == "" {
			s.Platform = standard
		}
		build := *s.Build
		if s.Platform != "" {
			if len(build.Platforms) > 0 && !slices.Contains(build.Platforms, s.Platform) {
				return fmt.Errorf("service %s: build.platforms has no %s", name, s.Platform)
			}
			if single || len(build.Platforms) == 0 {
				build.Platforms = []string{s.Platform}
			}
		}
		if single && len(build.Platforms) > 1 {
			build.Platforms = nil
		}
		s.Build = &build
		p.Services[name] = s
	}
	return nil
}

// BuildOptions are the choices of Build, as docker compose build has them.
type BuildOptions struct {
	// Services are those to build, empty for all that have a build section; with Deps their dependencies too.
	Services []string
	Deps     bool
	buildx.Target
	// Push pushes what was built.
	Push bool
	// Args are build arguments, NAME=value, or NAME for one of the environment.
	Args []string
	// SSH is default, or ID=PATH of a socket or key; Builder the name of buildx's.
	SSH, Builder string
	// Provenance and SBOM are attestations as buildx has them.
	Provenance, SBOM string
	// Memory bounds build containers, in bytes; the classic builder's only.
	Memory int64
	// Quiet shows no output, Check only checks the build configuration, Print only prints the bake file.
	Quiet, Check, Print bool
}

// Built is an image that Build makes.
type Built struct {
	Service string `json:"service"`
	Image   string `json:"image"`
}

// Build builds images of services that have a build section, and says which.
func (s *Stack) Build(ctx context.Context, p *types.Project, o BuildOptions) ([]Built, error) {
	if err := platforms(p, false); err != nil {
		return nil, err
	}
	options := api.BuildOptions{
		Services: o.Services, Deps: o.Deps, Push: o.Push,
		Args: types.NewMappingWithEquals(o.Args), Builder: o.Builder, Provenance: o.Provenance, SBOM: o.SBOM,
		Memory: o.Memory, Quiet: o.Quiet, Check: o.Check, Print: o.Print, Progress: buildProgress(), Attestations: true,
	}
	if o.SSH != "" {
		id, path, found := strings.Cut(o.SSH, "=")
		if !found && id != "default" {
			return nil, fmt.Errorf("--ssh must be default or ID=PATH, not %q", o.SSH)
		}
		options.SSHs = []types.SSHKey{{ID: id, Path: path}}
	}
	policy := types.IgnoreDependencies
	if o.Deps {
		policy = types.IncludeDependencies
	}
	built := []Built{}
	err := p.ForEachService(o.Services, func(name string, service *types.ServiceConfig) error {
		if service.Build != nil {
			built = append(built, Built{Service: name, Image: Image(*service, p.Name)})
		}
		return nil
	}, policy)
	if err != nil || len(built) == 0 {
		return built, err
	}
	slices.SortFunc(built, func(a, b Built) int { return strings.Compare(a.Service, b.Service) })
	for _, b := range built {
		service, part := p.Services[b.Service], ""
		if len(built) > 1 {
			part = b.Service
		}
		service.Build = o.On(*service.Build, part)
		p.Services[b.Service] = service
	}
	return built, withStdoutOnStderr(func() error { return s.compose.Build(ctx, p, options) })
}

// PullOptions are the choices of Pull, as docker compose pull has them.
type PullOptions struct {
	// Services are those whose images to pull, empty for all; with Deps those of their dependencies too.
	Services []string
	Deps     bool
	// Quiet shows no progress.
	Quiet bool
	// IgnoreFailures goes on after an image that cannot be had; IgnoreBuildable leaves out what can be built.
	IgnoreFailures, IgnoreBuildable bool
	// Policy is always or missing; empty leaves it to the files.
	Policy string
}

// Pull pulls the images of services that are not the project's own builds, and says which.
func (s *Stack) Pull(ctx context.Context, p *types.Project, o PullOptions) ([]Built, error) {
	policy := types.IgnoreDependencies
	if o.Deps {
		policy = types.IncludeDependencies
	}
	p, err := p.WithSelectedServices(o.Services, policy)
	if err != nil {
		return nil, err
	}
	pulled := []Built{}
	for _, name := range p.ServiceNames() {
		service := p.Services[name]
		policy := service.PullPolicy
		if service.Image == "" || policy == types.PullPolicyNever || policy == types.PullPolicyBuild ||
			o.IgnoreBuildable && service.Build != nil {
			continue
		}
		if o.Policy != "" {
			service.PullPolicy = o.Policy
			p.Services[name] = service
		}
		pulled = append(pulled, Built{Service: name, Image: service.Image})
	}
	return pulled, s.compose.Pull(ctx, p, api.PullOptions{
		Quiet:          o.Quiet || progress.Mode == progress.ModeQuiet,
		IgnoreFailures: o.IgnoreFailures, IgnoreBuildable: o.IgnoreBuildable,
	})
}

// Push pushes one image with the credentials of docker login.
func (s *Stack) Push(ctx context.Context, ref string) error {
	service := types.ServiceConfig{Name: "image", Image: ref, Build: &types.BuildConfig{}}
	one := &types.Project{Name: "push", Services: types.Services{"image": service}}
	return withStdoutOnStderr(func() error { return s.compose.Push(ctx, one, api.PushOptions{}) })
}

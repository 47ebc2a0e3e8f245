// Package survey reads everything that a command decides by, once: the files of the project, git, the registry, the
// engine and this host. It changes nothing.
package survey

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/rooted"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/tell"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/overrides"
)

// Surveyor reads.
type Surveyor struct {
	Stack    *stack.Stack
	Engine   *engine.Engine
	Registry *registry.Registry
	Features *features.Store
	// UserSettings is the path of the user's own settings file.
	UserSettings string
	Teller       tell.Teller
	Process      host.Process
}

// Facts are what is known before anything is decided. Nothing in it is changed after it was read, except by [Complete].
type Facts struct {
	Target   *Target
	Settings *settings.Settings
	// State is what the registry said.
	State *registry.State
	// Space is the lease space of the engine.
	Space string

	// Dev is the dev container, nil if there is none. DevErr says why the devcontainer.json cannot be read.
	Dev    *DevContainer
	DevErr error

	// Git is the repository of the work tree as far as mounts of it have to be known, the zero value without git.
	Git mounts.Repository

	Found *stack.Found
	// Folders are those of the work tree in which up finds a project, if the project has no name yet that depends on them.
	Folders []string
	// composeFolders are those with a compose file, nil until they are needed.
	composeFolders []string
	// Elsewhere are the volumes that projects in other folders make, nil until they are needed.
	Elsewhere []registry.Made
	// DotEnv is the text of .env, nil if there is none; Block are the variables of the block in it, whichever loom's.
	DotEnv []byte
	Block  []overrides.Var
	// Tracked says of paths whether git tracks them: of generated files, and of those that were asked for.
	Tracked map[string]bool
	// Links are files to be written that are symbolic links: somebody else's.
	Links map[string]bool
	// Generated has the text of the files of the project's folder that docker loom made, by path; nil for any other file.
	Generated map[string][]byte
	// OtherOverrides are files with Compose's default names for an override that docker loom did not make.
	OtherOverrides []string
	// Files are those that the project is made from. What was read stays as it was.
	Files *rooted.Files
	// Process is this process, with the variables that the files may have.
	Process host.Process
	// ByOthers says that others may have written the work tree. Withheld are then the variables of the user's that the
	// files do not have, Given those that they have because that was accepted.
	ByOthers        bool
	Withheld, Given map[string]bool
	// Includes is the access of files that the compose files include from other machines, or that are read outside of the
	// work tree.
	Includes []string
	// PolicyAccess is the access that the agents' policy in the work tree asks for.
	PolicyAccess []string

	trust Trust

	// Base is the project as the files say it, under the loom's name and without its edits.
	Base *stack.Model
	// Texts are files beside the compose files in which people write ports and names.
	Texts []overrides.Text
	// From are the images that the Dockerfile of a service is FROM, by service.
	From map[string][]string
	// Written is what is remembered of the work tree if others may have written it.
	Written *registry.WrittenTree
	// Guarded are the paths of the work tree that make this machine do something, MountedBeside those that services of the
	// loom's other projects mount, Proxies the proxy variables that services take from their env files; they are for a
	// confined loom.
	Guarded, MountedBeside []string
	Proxies                map[string][]string

	Engine Engine
	Host   Host
}

// Engine is one observation of the engine.
type Engine struct {
	// Containers are all there are, of every project and of none.
	Containers []engine.Container
	// Networks are all of the engine's, nil until they are needed.
	Networks []engine.Network
	// Volumes are the names of all of the engine's, nil until they are needed.
	Volumes []string
	// Images are the IDs of images by reference, as far as they were asked for; "" for an image that is not there.
	Images map[string]string
	// Bindings are the host ports of all containers, nil until they are needed.
	Bindings []engine.Binding
	// NamedContexts and IsolatedGateway are what the engine can do.
	NamedContexts, IsolatedGateway bool
}

// Project lists the containers of a Compose project.
func (e Engine) Project(name string) []engine.Container {
	var list []engine.Container
	for _, c := range e.Containers {
		if c.Project == name {
			list = append(list, c)
		}
	}
	return list
}

// ProjectNetworks lists the networks of a Compose project.
func (e Engine) ProjectNetworks(name string) []engine.Network {
	var list []engine.Network
	for _, n := range e.Networks {
		if n.Labels[stack.LabelProject] == name {
			list = append(list, n)
		}
	}
	return list
}

// Options choose what is read.
type Options struct {
	// Config is the devcontainer.json that the user named, "" to look for one.
	Config string
	// Added is what the user adds to it, as the text of another devcontainer.json; "" for nothing.
	Added string
	// Platform is the one that the dev container's image is made for, "" for what its files say. An image that is made for
	// a platform that was asked for is not the loom's own.
	Platform string
	// Trust says what the user lets the files have; nil for all.
	Trust Trust
}

// Trust says what the user lets the files of a work tree have of the host.
type Trust interface {
	// WrittenByOthers reports whether others may have written the work tree.
	WrittenByOthers(f *Facts) bool
	// Accepted returns what reports whether access was accepted.
	Accepted(f *Facts) func(access string) bool
	// Permit asks for access, before a file is read that is outside of the work tree, or fetched, or because the files
	// cannot be read without it. An error refuses it.
	Permit(f *Facts, access ...string) error
	// BeforeFetch is asked before a file is fetched that may be had. An error puts it off.
	BeforeFetch() error
}

// Begin reads what tells how to go on: settings, registry and devcontainer.json. state is what the registry said.
func (s *Surveyor) Begin(ctx context.Context, t *Target, state *registry.State, o Options) (*Facts, error) {
	f := &Facts{
		Target: t, State: state, Written: cmp.Or(t.Written, s.Registry.Written(t.WorkTree)),
		Engine: Engine{Images: map[string]string{}},
		Host: Host{
			Names: HostNames(s.Engine, t.ID),
			Local: s.Engine.Local(), Real: map[string]string{}, Listening: map[ports.Lease]Listener{}, process: s.Process,
		},
	}
	f.open(s.Process, o.Trust)
	if err := s.settings(f); err != nil {
		return nil, err
	}
	var err error
	if f.Space, err = s.Engine.Space(ctx); err != nil {
		return nil, err
	}
	f.Dev, f.DevErr = s.findDev(f, o)
	return f, nil
}

// settings reads the settings, unless the target has their files already.
func (s *Surveyor) settings(f *Facts) (err error) {
	t := f.Target
	files := t.SettingsFiles
	if files == nil {
		files, err = settings.ReadFiles(settings.Sources{User: s.UserSettings, WorkTree: t.WorkTree})
		if err != nil {
			return err
		}
	}
	if f.Settings, err = files.Settings(); err != nil || t.WorkTree != t.Repository {
		return err
	}
	// Only there the agents' policy of a work tree is obeyed.
	own, err := files.OfWorkTree()
	if err != nil {
		return err
	}
	f.PolicyAccess = trust.PolicyAccess(own, sandbox.DefaultAgent)
	return nil
}

// Find looks for the project's files, and observes the engine.
func (s *Surveyor) Find(ctx context.Context, f *Facts) error {
	t := f.Target
	source := t.Source
	source.Environ, source.Reader = f.Process.Environ, f.Files
	ours := Ours(f.State, t, s.Process)
	if f.Dev != nil && f.Dev.Config.Kind == devcontainer.KindCompose && len(t.Source.Files) > 0 {
		t.Notes = append(t.Notes,
			"the files named by --file come before those of "+f.Dev.Place.Path+": there is no dev container")
		f.Dev = nil
	}
	var err error
	if f.Found, err = s.findProject(source, f.Dev, ours); err != nil {
		return err
	}
	f.Found.Fetch.MayHave = f.mayHave
	if f.trust != nil {
		f.Found.Fetch.BeforeFetch = func(string) error { return f.trust.BeforeFetch() }
	}
	if d := f.Dev; d != nil && d.Config.Kind != devcontainer.KindCompose && f.Found.Dir != d.Place.Workspace &&
		host.IsBelow(f.Found.Dir, d.Place.Workspace) {
		t.leaveOut(d.Place.Path, f.Found.Dir)
		f.Dev = nil
	}
	f.OtherOverrides = stack.OverrideNames(f.Found.Dir, ours)
	if err := f.knowProject(ctx); err != nil {
		return err
	}
	return f.readGenerated(ctx)
}

// readGenerated reads the files that a loom writes, as they are now.
func (f *Facts) readGenerated(ctx context.Context) error {
	dir, dotEnv := f.Found.Dir, f.Found.DotEnv()
	var err error
	if f.DotEnv, err = f.Files.Read(dotEnv); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, f.Block, _ = overrides.Block(f.DotEnv)
	files := []string{dotEnv, filepath.Join(dir, overrides.OverrideFile)}
	if f.Dev != nil && f.Dev.DotEnv != dotEnv {
		files = append(files, f.Dev.DotEnv)
		if f.Dev.DotEnvText, err = f.Files.Read(f.Dev.DotEnv); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f.Links, f.Generated, f.Tracked = map[string]bool{}, map[string][]byte{}, map[string]bool{}
	for _, path := range files {
		f.Links[path] = host.IsLink(path)
	}
	for _, name := range []string{overrides.OverrideFile, overrides.NamedFile} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		f.Generated[path] = overrides.ReadGenerated(path)
	}
	if f.Target.Git == nil {
		return nil
	}
	f.Tracked, err = f.Target.Git.Tracked(ctx, files...)
	return err
}

// Observe asks the engine once for its containers.
func (s *Surveyor) Observe(ctx context.Context, f *Facts) error {
	var err error
	if f.Engine.Containers, err = s.Engine.All(ctx); err != nil {
		return err
	}
	features := s.Engine.Features()
	f.Engine.NamedContexts, f.Engine.IsolatedGateway = features.NamedContexts, features.IsolatedGateway
	return nil
}

// Rewritten is the variable in which docker loom env lists the others that it gave values for a loom. A shell that
// exports them for one loom can bring up another: their values are then not the files'.
const Rewritten = "ILOOM_REWRITTEN"

// Ours tells the base load what a loom itself has put among the files and variables.
func Ours(state *registry.State, t *Target, shell host.Process) stack.Ours {
	rewritten := strings.Fields(shell.Getenv(Rewritten))
	return stack.Ours{
		Cut:      overrides.Cut,
		Override: overrides.Generated,
		Variable: func(name, value string, process bool) (string, bool) {
			switch {
			case name == "ILOOM_LOOM", name == Rewritten, strings.HasPrefix(name, "ILOOM_BASE_"),
				process && strings.HasPrefix(name, overrides.PortPrefix):
				return "", true
			case name == "COMPOSE_PROJECT_NAME":
				k := state.ByProject(value)
				return value, k != nil && k.ID != identity.Main
			}
			// A shell that evaluated a loom's environment has our own lease where the base should be.
			for _, k := range state.Looms {
				base, ok := k.Variables[name]
				if ok && base != value && k.Repository == t.Repository && k.HasHostPort(value) {
					return base, false
				}
			}
			return value, process && slices.Contains(rewritten, name)
		},
	}
}

// sortedCompact returns the strings sorted, each once.
func sortedCompact(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

package survey

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/gitfile/mounts"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/trust"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// LabelBuild carries the hash of what a dev container's image is built from. Compose hashes it as it does all labels of
// a service, so that another Dockerfile is another container.
const LabelBuild = "ai.iloom.build"

// DevContainer is what is known of a loom's dev container.
type DevContainer struct {
	Place devcontainer.Place
	// Read is the file as written, Config the same with its variables replaced.
	Read, Config *devcontainer.Config
	// UserVariables are the variables of the user's environment that the file, or the metadata of an image or feature,
	// asks for.
	UserVariables map[string]bool
	Workspace     devcontainer.Workspace
	Git           mounts.Repository
	// Service is its service in the project.
	Service string
	// DerivedProject is the project's name as the reference CLI derives it, for a dev container of a Compose project.
	DerivedProject string
	// BaseProject is the project's name without a loom.
	BaseProject string
	// DotEnv is the .env of the workspace, which the reference CLI reads; DotEnvText its text if it is not the project's.
	DotEnv     string
	DotEnvText []byte
	// Host is what the file may require of this machine.
	Host compile.Host
	// platform is what the user asks for, "" for what the files say.
	platform string
	// Container is the loom's own, nil if there is none.
	Container *engine.Container

	// Base is the image that the dev container's own is made from.
	Base DevImage
	// Features are those to be installed, in order. FeaturesErr says why they are not known.
	Features    []*features.Feature
	FeaturesErr error
	// Installed is the image with the features on top of the base; its Ref is empty without features.
	Installed DevImage
	// Install makes it, nil without features.
	Install *features.Build

	// Platform is that of its images, "" for the engine's.
	Platform string

	vars   devcontainer.Vars
	reader stack.Reader
}

// DevImage is an image that a dev container needs.
type DevImage struct {
	// Ref is the name under which it is found, or will be.
	Ref string
	// Info is what it says; without an ID it is not there.
	Info devcontainer.ImageInfo
	// Service builds or pulls it.
	Service types.ServiceConfig
	// BuildHash covers the build section and the Dockerfile; it is empty for a pulled image. Outdated reports that the
	// loom's container was built from another hash.
	BuildHash string
	Outdated  bool
	// NameInFiles is the tag that the files give an image which is built, "" if the loom's has that name too.
	NameInFiles string
	// BuiltRef is the tag that a build of the image gives it, if a step of the plan goes on top; otherwise empty.
	BuiltRef string
	// Provided says that the image was pulled or built by this command.
	Provided bool
}

// findDev reads the devcontainer.json of a folder: the one that was chosen, or that the settings name, or that is
// found, in this order. It returns nil if there is none.
func (s *Surveyor) findDev(f *Facts, o Options) (*DevContainer, error) {
	t, chosen := f.Target, o.Config
	if !host.IsDir(t.Source.Dir) {
		return nil, nil
	}
	if chosen == "" && t.Known != nil && host.IsFile(t.Known.DevContainer) {
		chosen = t.Known.DevContainer
	}
	isNamed := chosen != ""
	if chosen == "" && f.Settings.Container.ConfigPath != "" {
		chosen = filepath.Join(t.WorkTree, filepath.FromSlash(f.Settings.Container.ConfigPath))
	}
	place, err := devcontainer.Find(devcontainer.Search{Dir: t.Source.Dir, Top: t.Source.Top, Chosen: chosen})
	if err != nil || place == nil {
		return nil, err
	}
	d := &DevContainer{Place: *place, DotEnv: filepath.Join(place.Workspace, overrides.EnvFile)}
	if d.Read, err = readDev(f.Files, *place); err != nil {
		return nil, err
	}
	if o.Added != "" {
		if d.Read, err = d.Read.With("added on the command line", []byte(o.Added)); err != nil {
			return nil, err
		}
	}
	if d.Git, err = gitOf(t.Git, place.Workspace); err != nil {
		return nil, err
	}
	d.reader, d.platform = f.Files, o.Platform
	d.UserVariables = map[string]bool{}
	lookup := func(name string) (string, bool) {
		_, isSet := s.Process.LookupEnv(name)
		if isSet && !trust.IsHarmlessVariable(name) {
			d.UserVariables[name] = true
		}
		return f.Process.LookupEnv(name)
	}
	d.vars = devcontainer.Vars{
		Env: lookup, LocalFolder: place.Workspace, ContainerFolder: d.Read.ContainerFolder(d.Git.Root).Folder,
		ID: devcontainer.ID(d.Read.IDLabels()),
	}
	if d.Config, err = d.Read.Substitute(d.vars); err != nil {
		return nil, err
	}
	if dir := d.nearerProject(t.Source); dir != "" && !isNamed {
		t.leaveOut(d.Place.Path, dir)
		return nil, nil
	}
	d.Workspace = d.Config.ContainerFolder(d.Git.Root)
	d.Service = devcontainer.Service
	if d.Config.Kind == devcontainer.KindCompose {
		d.Service = d.Config.Compose.Service
	}
	return d, nil
}

// readDev reads a devcontainer.json, and the user's own part of it.
func readDev(files stack.Reader, place devcontainer.Place) (*devcontainer.Config, error) {
	text, err := files.Read(place.Path)
	if err != nil {
		return nil, err
	}
	c, err := devcontainer.ReadText(place, text)
	if err != nil {
		return nil, err
	}
	local := devcontainer.LocalPath(place.Path)
	text, err = files.Read(local)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return c.With(local, text)
}

// nearerProject is a folder between the one of the search and the workspace that has a compose file which the dev
// container is not made of, "" if there is none.
func (d *DevContainer) nearerProject(src stack.Source) string {
	var files []string
	if d.Config.Kind == devcontainer.KindCompose {
		files = d.Config.ComposeFiles(nil, nil)
	}
	for dir := src.Dir; dir != d.Place.Workspace && host.IsBelow(dir, d.Place.Workspace); dir = filepath.Dir(dir) {
		if stack.HasComposeFile(dir) {
			if slices.ContainsFunc(files, func(file string) bool { return filepath.Dir(file) == dir }) {
				return ""
			}
			return dir
		}
	}
	return ""
}

// gitOf returns the repository that the workspace is in.
func gitOf(repo *worktree.Repository, workspace string) (mounts.Repository, error) {
	if repo == nil || repo.WorkTree == "" {
		return mounts.Repository{Root: workspace}, nil
	}
	return mounts.Read(repo.WorkTree, repo.CommonDir, repo.GitDir)
}

// findProject finds the Compose project of the folder: the one that the devcontainer.json names, otherwise the one that
// is there, which an image or Dockerfile dev container joins; without one the dev container is a project alone.
func (s *Surveyor) findProject(src stack.Source, d *DevContainer, ours stack.Ours) (*stack.Found, error) {
	if d == nil {
		return stack.Find(src, ours)
	}
	if d.Config.Kind != devcontainer.KindCompose {
		found, err := stack.Find(src, ours)
		if err == nil && found.Dockerfile == "" || err != nil && !errors.Is(err, stack.ErrNoProject) {
			return found, err
		}
		src.Dir, src.Top, src.Alone = d.Place.Workspace, d.Place.Workspace, true
		return stack.Find(src, ours)
	}
	return s.findNamedProject(src, d, ours)
}

// findNamedProject finds the compose files that a devcontainer.json names.
func (s *Surveyor) findNamedProject(src stack.Source, d *DevContainer, ours stack.Ours) (*stack.Found, error) {
	env, err := src.Reader.Read(d.DotEnv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dotenv := devcontainer.Dotenv(overrides.Cut(env))
	process := map[string]string{}
	for _, name := range []string{"COMPOSE_FILE", "COMPOSE_PROJECT_NAME"} {
		if v, ok := s.Process.LookupEnv(name); ok {
			if own, drop := ours.Variable(name, v, true); !drop {
				process[name] = own
			}
		}
	}
	files := d.Config.ComposeFiles(process, dotenv)
	if ours.Override != nil {
		files = slices.DeleteFunc(files, ours.Override)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: dockerComposeFile: no compose file", d.Place.Path)
	}
	// Files that docker compose finds by itself need not be named in COMPOSE_FILE.
	natural := src
	natural.Dir, natural.Top = filepath.Dir(files[0]), filepath.Dir(files[0])
	found, err := stack.Find(natural, ours)
	if err != nil || found.Chosen || !slices.Equal(found.Paths, files) {
		src.Dir, src.Files = d.Place.Workspace, files
		if found, err = stack.Find(src, ours); err != nil {
			return nil, fmt.Errorf("%s: dockerComposeFile: %w", d.Place.Path, err)
		}
	}
	base := found.BaseName()
	name := devcontainer.ComposeName{Name: base, InFile: base != stack.DefaultName(found.Dir)}
	d.DerivedProject = devcontainer.ProjectName(d.Config, process, dotenv, name)
	return found, nil
}

// Compile plans the dev container in a project, by what is known of its images.
func (d *DevContainer) Compile(project *types.Project) (*compile.Compiled, []finding.Finding, error) {
	var notes []finding.Finding
	entries, err := devcontainer.ParseMetadata(d.Base.Info.Labels[devcontainer.LabelMetadata])
	if err != nil {
		notes = append(notes, finding.Finding{
			Level: finding.Warning, Subject: "image of the dev container",
			Message: "has metadata that cannot be read: " + err.Error(),
		})
		entries = nil
	}
	replaced, err := d.Substitute(entries)
	if err != nil {
		return nil, nil, fmt.Errorf("metadata of the dev container's image: %w", err)
	}
	raw, added, err := d.featureMetadata()
	if err != nil {
		return nil, nil, err
	}
	image := d.Base.Info
	if d.Installed.Info.ID != "" {
		image = d.Installed.Info
	}
	in := compile.Input{
		Config:   d.Config,
		Merged:   devcontainer.Merge(replaced, added, d.Config),
		Label:    devcontainer.Label(slices.Concat(entries, raw, d.Read.Entries())),
		Image:    image,
		BaseTag:  project.Name + "-" + d.Service + "-base",
		Project:  project,
		BaseName: d.BaseProject,
		Platform: d.platform,
		Git:      d.Git,
		Host:     d.Host,
		MayRead:  d.mayRead,
	}
	if d.Installed.Info.ID != "" {
		in.Installed = d.Installed.Ref
	}
	compiled, findings, err := compile.Compile(in)
	if err != nil {
		return nil, nil, err
	}
	if d.Base.BuildHash != "" {
		compiled.Service.Labels[LabelBuild] = d.Base.BuildHash
	}
	return compiled, append(notes, findings...), nil
}

func (d *DevContainer) mayRead(path string) error {
	_, err := d.reader.Read(path)
	return err
}

// Substitute replaces the variables in metadata of an image.
func (d *DevContainer) Substitute(entries []devcontainer.Metadata) ([]devcontainer.Metadata, error) {
	var replaced []devcontainer.Metadata
	for _, m := range entries {
		r, err := m.Substitute(d.vars)
		if err != nil {
			return nil, err
		}
		replaced = append(replaced, r)
	}
	return replaced, nil
}

// MergeLabel is what counts for a container that another tool made: its metadata label has all, the file's own part
// last.
func (d *DevContainer) MergeLabel(label string) (*devcontainer.Merged, error) {
	entries, err := devcontainer.ParseMetadata(label)
	if err != nil {
		return nil, err
	}
	before, err := d.Substitute(entries[:max(0, len(entries)-1)])
	if err != nil {
		return nil, err
	}
	return devcontainer.Merge(before, nil, d.Config), nil
}

// featureMetadata is what the features add to the metadata of the dev container, as written and with its variables
// replaced.
func (d *DevContainer) featureMetadata() (raw, replaced []devcontainer.Metadata, err error) {
	for _, f := range d.Features {
		m := f.Metadata()
		raw = append(raw, m)
		r, err := m.Substitute(d.vars)
		if err != nil {
			return nil, nil, fmt.Errorf("feature %s: %w", f.ID.Written, err)
		}
		replaced = append(replaced, r)
	}
	return slices.Clip(raw), replaced, nil
}

// Outline is the service of an image or Dockerfile dev container without what its image says: enough to take it down,
// when the image need not be there any more.
func (d *DevContainer) Outline() overrides.Edit {
	e := overrides.AddService{Service: types.ServiceConfig{Name: d.Service}, Volumes: types.Volumes{}}
	if d.Config.Kind == devcontainer.KindDockerfile {
		e.Service.Build = &types.BuildConfig{Context: d.Config.BuildContext()}
	}
	for _, m := range d.Config.Mounts {
		if m.Type == types.VolumeTypeVolume && m.Source != "" && !m.External {
			volume := types.ServiceVolumeConfig{Type: m.Type, Source: m.Source, Target: m.Target}
			e.Service.Volumes = append(e.Service.Volumes, volume)
			e.Volumes[m.Source] = types.VolumeConfig{Name: m.Source}
		}
	}
	return e
}

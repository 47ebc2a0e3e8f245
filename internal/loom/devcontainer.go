package loom

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/overrides"
)

// dev is the dev container of a loom: what its devcontainer.json says, and what comes of it.
type dev struct {
	place devcontainer.Place
	// read is the file as written, config the same with its variables replaced by vars.
	read, config *devcontainer.Config
	vars         devcontainer.Vars
	// took are the variables of the user's shell that the file, or the metadata of an image or feature, asked for.
	took      map[string]bool
	workspace devcontainer.Workspace
	git       compile.Git
	// service is its service in the project, derived the project's name as the reference CLI has it, of a Compose one.
	service, derived string
	// base is the project's name without a loom.
	base string
	// dotEnv is the .env of the workspace, which the reference CLI reads.
	dotEnv string

	host compile.Host
	// image is the one that the dev container's own is made from.
	image devcontainer.ImageInfo
	// from is the name under which that image is found.
	from string
	// features are those to be installed, in order; installed is the image with them, "" without, and withFeatures what it
	// tells.
	features     []*features.Feature
	installed    string
	withFeatures devcontainer.ImageInfo
	// built is over what the image is built from, "" for one that is pulled; stale says that the container has another.
	built string
	stale bool
	// asked is the name that the files give an image which is built, lent the image that the loom's container has of it.
	asked, lent string
	// is comes from the last compile, planned are its edits.
	is      *compile.Compiled
	planned []overrides.Edit
}

// findDev reads the devcontainer.json of a folder: the one that was chosen, else the one that the settings name, else
// the one that is found. It returns nil where there is none.
func findDev(t *Target, set *settings.Settings, chosen string) (*dev, error) {
	if !isDir(t.Source.Dir) {
		return nil, nil
	}
	if chosen == "" && t.Known != nil && isFile(t.Known.DevContainer) {
		chosen = t.Known.DevContainer
	}
	if chosen == "" && set.Container.ConfigPath != "" {
		chosen = filepath.Join(t.WorkTree, filepath.FromSlash(set.Container.ConfigPath))
	}
	place, err := devcontainer.Find(devcontainer.Search{Dir: t.Source.Dir, Top: t.Source.Top, Chosen: chosen})
	if err != nil || place == nil {
		return nil, err
	}
	d := &dev{place: *place, dotEnv: filepath.Join(place.Workspace, overrides.EnvFile)}
	if d.read, err = devcontainer.Read(*place); err != nil {
		return nil, err
	}
	if d.git, err = gitOf(t.Git, place.Workspace); err != nil {
		return nil, err
	}
	d.took = map[string]bool{}
	lookup := func(name string) (string, bool) {
		value, ok := os.LookupEnv(name)
		if ok && !slices.Contains(everybodys, name) {
			d.took[name] = true
		}
		return value, ok
	}
	d.vars = devcontainer.Vars{
		Env: lookup, LocalFolder: place.Workspace, ContainerFolder: d.read.ContainerFolder(d.git.Root).Folder,
		ID: devcontainer.ID(d.read.IDLabels()),
	}
	if d.config, err = d.read.Substitute(d.vars); err != nil {
		return nil, err
	}
	d.workspace = d.config.ContainerFolder(d.git.Root)
	d.service = devcontainer.Service
	if d.config.Kind == devcontainer.KindCompose {
		d.service = d.config.Compose.Service
	}
	return d, nil
}

// gitOf tells the facts of the work tree that the workspace is in.
func gitOf(repo *worktree.Repository, workspace string) (compile.Git, error) {
	if repo == nil || repo.WorkTree == "" {
		return compile.Git{Root: workspace}, nil
	}
	g := compile.Git{Root: repo.WorkTree}
	if !repo.Linked() {
		return g, nil
	}
	g.Common = repo.CommonDir
	text, err := os.ReadFile(filepath.Join(repo.WorkTree, ".git"))
	if err != nil {
		return g, err
	}
	g.Pointer = strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
	return g, nil
}

// findProject finds the Compose project of the folder: the one that the devcontainer.json names, else the one that there
// is, which an image or Dockerfile dev container joins; where there is none it is a project alone.
func findProject(src stack.Source, d *dev, ours stack.Ours) (*stack.Found, error) {
	if d == nil {
		return stack.Find(src, ours)
	}
	if d.config.Kind != devcontainer.KindCompose {
		found, err := stack.Find(src, ours)
		if err == nil && found.Dockerfile == "" || err != nil && !errors.Is(err, stack.ErrNoProject) {
			return found, err
		}
		src.Dir, src.Top, src.Alone = d.place.Workspace, d.place.Workspace, true
		return stack.Find(src, ours)
	}
	env, err := os.ReadFile(d.dotEnv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dotenv := devcontainer.Dotenv(overrides.Cut(env))
	process := map[string]string{}
	for _, name := range []string{"COMPOSE_FILE", "COMPOSE_PROJECT_NAME"} {
		if v, ok := os.LookupEnv(name); ok {
			if own, drop := ours.Variable(name, v, true); !drop {
				process[name] = own
			}
		}
	}
	files := slices.DeleteFunc(d.config.ComposeFiles(process, dotenv), func(path string) bool { return ours.Override != nil && ours.Override(path) })
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: dockerComposeFile: no compose file", d.place.Path)
	}
	// Files that docker compose finds by itself need not be named in COMPOSE_FILE.
	natural := src
	natural.Dir, natural.Top = filepath.Dir(files[0]), filepath.Dir(files[0])
	found, err := stack.Find(natural, ours)
	if err != nil || found.Chosen || !slices.Equal(found.Paths, files) {
		src.Dir, src.Files = d.place.Workspace, files
		if found, err = stack.Find(src, ours); err != nil {
			return nil, fmt.Errorf("%s: dockerComposeFile: %w", d.place.Path, err)
		}
	}
	base := found.BaseName()
	d.derived = devcontainer.ProjectName(d.config, process, dotenv, devcontainer.ComposeName{
		Name: base, InFile: base != stack.DefaultName(found.Dir),
	})
	return found, nil
}

// develop puts the dev container into the base project. Its image has to be there, because what it says counts too: it
// is pulled or built, but for a dry run.
func (l *Looms) develop(ctx context.Context, f *facts, p *Plan, o Options) error {
	d := f.dev
	if err := l.machine(ctx, d); err != nil {
		return err
	}
	d.base = f.found.BaseName()
	project := p.base.Project
	if s := project.AllServices()[d.service]; s.Build != nil && p.ID != Main {
		d.asked = s.Image
	}
	compiled, _, err := d.compile(project)
	if err != nil {
		return err
	}
	if err := l.baseImage(ctx, f, p, o, compiled); err != nil {
		return err
	}
	if err := l.features(ctx, p, d, o); err != nil {
		return err
	}
	compiled, findings, err := d.compile(project)
	if err != nil {
		return err
	}
	if err := l.install(ctx, p, d, o, compiled); err != nil {
		return err
	}
	if b := compiled.Base; b != nil && b.Build != nil && d.image.ID != "" && !o.looking() {
		// It was built, or found, under the name of the image itself: nothing had told that a step goes on top.
		if id, err := l.Engine.ImageID(ctx, b.Image); err == nil && id != d.image.ID {
			if err := l.Engine.Tag(ctx, d.image.ID, b.Image); err != nil {
				return err
			}
		}
	}
	p.Findings = append(p.Findings, findings...)
	if err := d.extend(project); err != nil {
		return err
	}
	if p.ID == Main {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(d.is.Volumes)) {
		if v := d.is.Volumes[key]; !bool(v.External) && !slices.Contains(f.settings.Container.Share, key) {
			p.Findings = append(p.Findings, finding.Finding{Level: finding.Info, Subject: "volume " + key, Message: "of mounts in " + filepath.Base(d.place.Path) + " is the loom's own", Remedy: "name it in container.share to have one for all looms"})
		}
	}
	return nil
}

// extend brings the dev container into a project as loaded: the base, or the same with its variables moved.
func (d *dev) extend(project *types.Project) error {
	var err error
	if d.is, _, err = d.compile(project); err != nil {
		return err
	}
	d.planned = d.edits(project)
	overrides.Apply(project, d.planned)
	return nil
}

// machine fills in what is known of the machine. The engine is asked only where the file asks for something.
func (l *Looms) machine(ctx context.Context, d *dev) error {
	d.host = compile.Host{UID: os.Getuid(), GID: os.Getgid(), OS: runtime.GOOS}
	if d.config.HostRequirements == nil {
		return nil
	}
	info, err := l.Engine.Info(ctx)
	if err != nil {
		return err
	}
	d.host.CPUs, d.host.Memory, d.host.Storage, d.host.GPU = info.CPUs, info.Memory, int64(info.Free), info.GPU //nolint:gosec // bytes of a disk
	return nil
}

// compile plans the dev container with what is known of its image by now.
func (d *dev) compile(project *types.Project) (*compile.Compiled, []finding.Finding, error) {
	var notes []finding.Finding
	entries, err := devcontainer.ParseMetadata(d.image.Labels[devcontainer.LabelMetadata])
	if err != nil {
		notes = append(notes, finding.Finding{Level: finding.Warning, Subject: "image of the dev container", Message: "has metadata that cannot be read: " + err.Error()})
		entries = nil
	}
	var replaced []devcontainer.Metadata
	for _, m := range entries {
		r, err := m.Substitute(d.vars)
		if err != nil {
			return nil, nil, fmt.Errorf("metadata of the dev container's image: %w", err)
		}
		replaced = append(replaced, r)
	}
	raw, added, err := d.featureMetadata()
	if err != nil {
		return nil, nil, err
	}
	image := d.image
	if d.installed != "" {
		image = d.withFeatures
	}
	compiled, findings, err := compile.Compile(compile.Input{
		Config:    d.config,
		Merged:    devcontainer.Merge(replaced, added, d.config),
		Label:     devcontainer.Label(slices.Concat(entries, raw, []devcontainer.Metadata{d.read.Picked()})),
		Image:     image,
		Installed: d.installed,
		BaseTag:   project.Name + "-" + d.service + "-base",
		Project:   project,
		BaseName:  d.base,
		Git:       d.git,
		Host:      d.host,
	})
	if err != nil {
		return nil, nil, err
	}
	if d.built != "" {
		compiled.Service.Labels[labelBuild] = d.built
	}
	return compiled, append(notes, findings...), nil
}

// edits bring what was compiled into the project.
func (d *dev) edits(project *types.Project) []overrides.Edit {
	var edits []overrides.Edit
	all := project.AllServices()
	volumes := d.is.Volumes
	if was, ok := all[d.service]; ok {
		edits = append(edits, overrides.Extend{Was: was, Is: d.is.Service, Volumes: volumes})
	} else {
		edits = append(edits, overrides.AddService{Service: d.is.Service, Volumes: volumes, Networks: d.is.Networks})
	}
	for _, name := range slices.Sorted(maps.Keys(d.is.Others)) {
		edits = append(edits, overrides.Extend{Was: all[name], Is: d.is.Others[name]})
	}
	return edits
}

// baseImage makes sure that the image is there which the dev container is made from, and reads what it says.
func (l *Looms) baseImage(ctx context.Context, f *facts, p *Plan, o Options, first *compile.Compiled) error {
	d := f.dev
	base := types.ServiceConfig{Name: d.service, Image: first.Service.Image, Build: first.Service.Build, Platform: first.Service.Platform}
	if first.Base != nil {
		base = *first.Base
	}
	refs := []string{base.Image}
	if base.Build != nil {
		switch {
		case len(d.config.Features) > 0:
			base.Image = p.base.Project.Name + "-" + d.service + "-base"
		case first.Base == nil:
			base.Image = l.builtImage(p, first.Service)
		}
		refs = []string{p.base.Project.Name + "-" + d.service + "-base", base.Image}
		var err error
		if d.built, err = buildHash(base.Build); err != nil {
			return fmt.Errorf("%s: %w", d.place.Path, err)
		}
		own, err := l.ownDev(ctx, p, d)
		if err != nil {
			return err
		}
		if own != nil {
			d.lent = own.ImageID
		}
		d.stale = own != nil && own.Labels[labelBuild] != "" && own.Labels[labelBuild] != d.built
	} else if builder, ok := builds(p.base.Project, base.Image); ok && p.ID != Main {
		base = types.ServiceConfig{Name: builder.Name, Image: p.base.Project.Name + "-" + builder.Name, Build: builder.Build, Platform: builder.Platform}
		refs = []string{base.Image}
	}
	have, err := l.firstImage(ctx, refs)
	if err != nil {
		return err
	}
	again := d.stale || base.Build != nil && o.Build || base.Build == nil && o.Pull == "always"
	if have.ID == "" && o.looking() {
		p.Findings = append(p.Findings, finding.Finding{Level: finding.Info, Subject: "image " + base.Image, Message: "is not here yet: the plan does without what it says", Remedy: "docker loom up " + p.ID + " brings it"})
		return nil
	}
	if have.ID == "" || again && !o.looking() {
		one := &types.Project{Name: p.base.Project.Name, WorkingDir: p.base.Project.WorkingDir, Environment: p.base.Project.Environment, Services: types.Services{base.Name: base}}
		// A build can have powers of its own, and comes before the rest of the plan is known.
		if err := l.permit(ctx, &p.Entry, powers(one, followed, grounds{p.WorkTree, f.found.Dir, commonDir(p.Target)}, nil), o.Trust); err != nil {
			return err
		}
		if err := l.Stack.Provide(ctx, one); err != nil {
			return fmt.Errorf("image of the dev container: %w", err)
		}
		if have, err = l.firstImage(ctx, []string{base.Image}); err != nil {
			return err
		}
	}
	d.image, d.from = have, base.Image
	return nil
}

// builtImage is the name that the image of a service gets which is built here.
func (l *Looms) builtImage(p *Plan, s types.ServiceConfig) string {
	if p.ID == Main && s.Image != "" {
		return s.Image
	}
	return p.base.Project.Name + "-" + s.Name
}

// builds finds the service that builds an image which another runs.
func builds(project *types.Project, image string) (types.ServiceConfig, bool) {
	for _, s := range project.AllServices() {
		if s.Build != nil && image != "" && s.Image == image {
			return s, true
		}
	}
	return types.ServiceConfig{}, false
}

// firstImage tells about the first of the images that is there; one without an ID if none is.
func (l *Looms) firstImage(ctx context.Context, refs []string) (devcontainer.ImageInfo, error) {
	for _, ref := range refs {
		c, ok, err := l.Engine.Image(ctx, ref)
		if err != nil {
			return devcontainer.ImageInfo{}, err
		}
		if ok {
			return devcontainer.ImageInfo{ID: c.ID, User: c.User, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, Labels: c.Labels, Architecture: c.Architecture}, nil
		}
	}
	return devcontainer.ImageInfo{}, nil
}

// labelImage names the image that the files call a dev container's own, where the loom's has another name.
const labelImage = "ai.iloom.image"

// lend gives the dev container's image the name too that the files have for it, unless there is an image of that name that is
// not the loom's: before the reference CLI starts a stopped container it inspects the image by the files' name, and would
// try to pull it.
func (l *Looms) lend(ctx context.Context, p *Plan) error {
	if p.dev == nil || p.dev.asked == "" {
		return nil
	}
	have, err := l.Engine.ImageID(ctx, p.dev.asked)
	if err != nil || have != "" && have != p.dev.lent {
		return err
	}
	return l.Engine.Tag(ctx, stack.Image(p.Project.Services[p.dev.service], p.Project.Name), p.dev.asked)
}

// takeBack removes what was lent to these containers.
func (l *Looms) takeBack(ctx context.Context, own []engine.Container) error {
	for _, c := range own {
		name := c.Labels[labelImage]
		if name == "" {
			continue
		}
		id, err := l.Engine.ImageID(ctx, name)
		if err != nil {
			return err
		}
		if id == c.ImageID {
			if err := l.Engine.RemoveImages(ctx, []string{name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// outline is the service of an image or Dockerfile dev container without what its image says: enough to take it down,
// when the image need not be there any more.
func (d *dev) outline() overrides.Edit {
	e := overrides.AddService{Service: types.ServiceConfig{Name: d.service}, Volumes: types.Volumes{}}
	if d.config.Kind == devcontainer.KindDockerfile {
		e.Service.Build = &types.BuildConfig{Context: d.config.BuildContext()}
	}
	for _, m := range d.config.Mounts {
		if m.Type == types.VolumeTypeVolume && m.Source != "" && !m.External {
			e.Service.Volumes = append(e.Service.Volumes, types.ServiceVolumeConfig{Type: m.Type, Source: m.Source, Target: m.Target})
			e.Volumes[m.Source] = types.VolumeConfig{Name: m.Source}
		}
	}
	return e
}

// finish leaves out the services that the devcontainer.json does not want started, and completes the dev container's own.
func (d *dev) finish(p *Plan, o Options) error {
	if len(d.is.RunServices) > 0 {
		var err error
		if p.Project, err = p.Project.WithSelectedServices(append(slices.Clone(d.is.RunServices), p.named...)); err != nil {
			return fmt.Errorf("%s: runServices: %w", d.place.Path, err)
		}
	}
	s, ok := p.Project.Services[d.service]
	if !ok {
		return nil
	}
	s.CustomLabels = maps.Clone(s.CustomLabels)
	s.CustomLabels[engine.LabelDevContainer] = d.told().Label()
	if d.asked != "" {
		s.CustomLabels[labelImage] = d.asked
	}
	if d.is.UID.Needed && (d.stale || o.Build) {
		// The step goes on top of another image now.
		s.PullPolicy = types.PullPolicyBuild
	}
	p.Project.Services[d.service] = s
	return nil
}

// block puts the loom's variables into the .env of the workspace too, where the reference CLI looks for the project's
// name. It returns a finding where that file must not be touched.
func (d *dev) block(p *Plan, f *facts) error {
	if d.dotEnv == f.found.DotEnv() || d.config.Kind != devcontainer.KindCompose {
		return nil
	}
	env, err := os.ReadFile(d.dotEnv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.tracked[d.dotEnv] || isLink(d.dotEnv) {
		return nil
	}
	if len(overrides.Cut(env)) == 0 {
		p.exclude(d.dotEnv)
	}
	vars := slices.DeleteFunc(slices.Clone(p.Env), func(v overrides.Var) bool { return v.Name == "COMPOSE_FILE" })
	p.Files = append(p.Files, overrides.File{Path: d.dotEnv, Content: overrides.Add(env, p.ID, vars)})
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// DevContainer is what a container's label of ours tells of a dev container beside its other labels.
type DevContainer struct {
	RemoteUser      string `json:"remoteUser,omitempty"`
	WorkspaceFolder string `json:"workspaceFolder,omitempty"`
	// Said has a hash of what each key of the devcontainer.json said, so that a change can be named.
	Said map[string]string `json:"said,omitempty"`
}

// Label is the label's value.
func (d DevContainer) Label() string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings
	}
	return string(b)
}

// told is that of this dev container.
func (d *dev) told() DevContainer {
	t := DevContainer{RemoteUser: d.is.RemoteUser, WorkspaceFolder: d.is.WorkspaceFolder, Said: hashes(d.config)}
	if d.built != "" {
		t.Said["Dockerfile"] = short(d.built)
	}
	return t
}

func hashes(c *devcontainer.Config) map[string]string {
	var keys map[string]json.RawMessage
	if json.Unmarshal(c.Raw, &keys) != nil {
		return map[string]string{}
	}
	of := make(map[string]string, len(keys))
	for key, value := range keys {
		of[key] = short(digest(value))
	}
	return of
}

func short(hash string) string { return hash[:min(8, len(hash))] }

// devHooks runs the lifecycle hooks that are due in the dev container that runs.
func (l *Looms) devHooks(ctx context.Context, d *dev, own []engine.Container, req UpRequest) error {
	if d == nil || req.SkipHooks {
		return nil
	}
	for _, c := range own {
		if c.Service != d.service || c.OneOff || c.State != "running" {
			continue
		}
		hooks, err := d.hooks(c)
		if err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
		hooks.NoWait, hooks.Secrets, hooks.Output = req.NoWait, req.HookSecrets, req.HookOutput
		err = l.RunHooks(ctx, hooks)
		if err == nil {
			return nil
		}
		if now, gone := l.Engine.Inspect(ctx, c.ID); gone == nil && now.State == "exited" {
			// It ended while it was asked.
			return l.dead(ctx, c, fmt.Sprintf("exited with code %d", now.ExitCode))
		}
		return err
	}
	return nil
}

// hooks are those of the dev container's container.
func (d *dev) hooks(c engine.Container) (HookRequest, error) {
	hooks := HookRequest{Container: c.ID, WorkspaceFolder: d.workspace.Folder}
	if d.is != nil {
		hooks.Merged, hooks.RemoteUser = d.is.Merged, d.is.RemoteUser
		return hooks, nil
	}
	// One that was adopted has all that counts in its label, the file's own part last.
	entries, err := devcontainer.ParseMetadata(c.Labels[devcontainer.LabelMetadata])
	if err != nil {
		return hooks, err
	}
	var before []devcontainer.Metadata
	for _, m := range entries[:max(0, len(entries)-1)] {
		if m, err = m.Substitute(d.vars); err != nil {
			return hooks, err
		}
		before = append(before, m)
	}
	hooks.Merged = devcontainer.Merge(before, nil, d.config)
	hooks.RemoteUser = cmp.Or(hooks.Merged.RemoteUser, hooks.Merged.ContainerUser)
	return hooks, nil
}

// forwarded tells whether a port is one that the devcontainer.json forwards.
func (d *dev) forwarded(service string, target int) bool {
	return d != nil && d.is != nil && slices.ContainsFunc(d.is.Forwards, func(f compile.Forward) bool {
		return f.Service == service && f.Port == target
	})
}

// quiet tells whether nobody need listen on a port yet: what listens in a dev container its user starts.
func (d *dev) quiet(service string, target int) bool {
	return d != nil && service == d.service || d.forwarded(service, target)
}

// attributes gives a port what portsAttributes say of it.
func (d *dev) attributes(service string, target int) devcontainer.PortAttributes {
	if d == nil || d.is == nil {
		return devcontainer.PortAttributes{}
	}
	host := ""
	for _, f := range d.is.Forwards {
		if f.Service == service && f.Port == target {
			host = f.Host
		}
	}
	if host == "" && service != d.service && !d.forwarded(service, target) {
		host = service
	}
	return d.is.Merged.Attributes(host, target, "")
}

// ReadConfiguration is what the reference CLI's read-configuration prints of the plan's dev container, nil where there is none.
func (p *Plan) ReadConfiguration() *devcontainer.Configuration {
	if p.dev == nil || p.dev.is == nil {
		return nil
	}
	c := devcontainer.ReadConfiguration(p.dev.config, p.dev.workspace, p.dev.is.Merged)
	return &c
}

// derivedName is the name of a loom's project where its .env is not ours to write: the one that the reference CLI derives,
// if nobody else has it.
func (l *Looms) derivedName(f *facts, k *registry.Loom) string {
	d := f.dev
	if d == nil || d.derived == "" || !f.tracked[d.dotEnv] && !isLink(d.dotEnv) {
		return ""
	}
	if other := byProject(f.state, d.derived); other != nil && (other.ID != k.ID || other.Repository != k.Repository) {
		return ""
	}
	return d.derived
}

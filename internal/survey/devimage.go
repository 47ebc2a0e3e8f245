package survey

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/compile"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/identity"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/trust"
)

// dev reads what counts for the dev container beside its file: this machine, its images, its features.
func (s *Surveyor) dev(ctx context.Context, f *Facts) error {
	d := f.Dev
	if err := s.machine(ctx, d); err != nil {
		return err
	}
	d.BaseProject = f.Found.BaseName()
	own := f.Engine.Project(f.Base.Project.Name)
	i := slices.IndexFunc(own, func(c engine.Container) bool { return c.Service == d.Service && !c.OneOff })
	if i >= 0 {
		d.Container = &own[i]
	}
	return s.DevImages(ctx, f)
}

// machine fills in what is known of the machine. The engine is asked only if the file requires something.
func (s *Surveyor) machine(ctx context.Context, d *DevContainer) error {
	d.Host = compile.Host{UID: s.Process.UID, GID: s.Process.GID, OS: s.Process.OS}
	if d.Config.HostRequirements == nil {
		return nil
	}
	info, err := s.Engine.Capabilities(ctx)
	if err != nil {
		return err
	}
	d.Host.CPUs, d.Host.Memory, d.Host.GPU = info.CPUs, info.Memory, info.GPU
	d.Host.Storage = int64(s.Engine.Machine().FreeSpace(info.RootDir)) //nolint:gosec // bytes of a disk
	return nil
}

// DevImages reads what the images of the dev container say, as far as they are there. It is called again after images
// were built or pulled.
func (s *Surveyor) DevImages(ctx context.Context, f *Facts) error {
	d := f.Dev
	d.Base, d.Installed, d.Install = DevImage{Provided: d.Base.Provided}, DevImage{Provided: d.Installed.Provided}, nil
	isMain := f.Target.ID == identity.Main
	project := f.Base.Project
	if built := project.AllServices()[d.Service]; built.Build != nil && !isMain {
		d.Base.NameInFiles = built.Image
	}
	compiled, _, err := d.Compile(project)
	if err != nil {
		return err
	}
	d.Platform = compiled.Service.Platform
	refs, err := d.base(project, compiled, isMain)
	if err != nil {
		return err
	}
	if d.Base.Info, err = s.firstImage(ctx, refs); err != nil {
		return err
	}
	if err := s.features(ctx, d); err != nil {
		return err
	}
	if d.Base.Info.ID == "" || len(d.Features) == 0 && d.Base.Service.Build == nil {
		return nil
	}
	if compiled, _, err = d.Compile(project); err != nil {
		return err
	}
	if b := compiled.Base; b != nil && b.Build != nil && d.platform == "" {
		d.Base.BuiltRef = b.Image
	}
	if len(d.Features) == 0 {
		return nil
	}
	d.Install = d.Build(compiled)
	d.Installed.Ref = FeaturesImage(f.Target.Repository) + ":" + d.Install.Hash()
	d.Installed.Info, err = s.firstImage(ctx, []string{d.Installed.Ref})
	return err
}

// MissingBindError says that a dev container mounts what does not exist on this host.
type MissingBindError struct{ Config, Source string }

// Error names the file and the path.
func (e *MissingBindError) Error() string {
	return fmt.Sprintf("%s: mounts: %s does not exist on this host", e.Config, e.Source)
}

// NextStep says what the user does next.
func (*MissingBindError) NextStep() string {
	return "make it, or take the mount out; initializeCommand can make what every user needs"
}

// Missing are the paths that do not exist on this host; none where containers run on another one.
func (s *Surveyor) Missing(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		_, err := os.Stat(path)
		return !s.Engine.Local() || !errors.Is(err, fs.ErrNotExist)
	})
}

// Build makes the image with features, or with the metadata alone, of what was compiled.
func (d *DevContainer) Build(compiled *compile.Compiled) *features.Build {
	return &features.Build{
		Features: d.Features, BaseID: d.Base.Info.ID, BaseUser: d.Base.Info.User,
		ContainerUser: compiled.ContainerUser, RemoteUser: compiled.RemoteUser,
		ContainerEnv: d.Config.ContainerEnv, Label: compiled.Label,
	}
}

// base says which image the dev container's own is made from, and returns the names under which it may be found.
func (d *DevContainer) base(project *types.Project, first *compile.Compiled, isMain bool) ([]string, error) {
	base := types.ServiceConfig{
		Name: d.Service, Image: first.Service.Image, Build: first.Service.Build, Platform: first.Service.Platform,
	}
	if first.Base != nil {
		base = *first.Base
	}
	refs := []string{base.Image}
	if base.Build != nil {
		onTop := project.Name + "-" + d.Service + "-base"
		switch {
		case len(d.Config.Features) > 0:
			base.Image = onTop
		case first.Base == nil && isMain && first.Service.Image != "":
			base.Image = first.Service.Image
		case first.Base == nil:
			base.Image = project.Name + "-" + first.Service.Name
		}
		refs = []string{onTop, base.Image}
		var err error
		if d.Base.BuildHash, err = buildHash(d.reader, base.Build); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Place.Path, err)
		}
		if d.Container != nil {
			was := d.Container.Labels[LabelBuild]
			d.Base.Outdated = was != "" && was != d.Base.BuildHash
		}
	} else if builder, ok := builds(project, base.Image); ok && !isMain {
		base = types.ServiceConfig{
			Name: builder.Name, Image: project.Name + "-" + builder.Name, Build: builder.Build, Platform: builder.Platform,
		}
		refs = []string{base.Image}
	}
	if base.Build != nil && d.platform != "" {
		// The loom's own image keeps its name.
		base.Image = project.Name + "-" + d.Service + "-base-" + notInTags.ReplaceAllString(d.platform, "-")
		refs = []string{base.Image}
	}
	d.Base.Ref, d.Base.Service = base.Image, base
	if d.Base.Provided {
		// What stands under the other names may be older.
		refs = []string{base.Image}
	}
	return refs, nil
}

// notInTags is what stands in the name of a platform and not in that of an image.
var notInTags = regexp.MustCompile(`[^a-z0-9]+`)

// builds finds the service that builds an image which another runs.
func builds(project *types.Project, image string) (types.ServiceConfig, bool) {
	for _, s := range project.AllServices() {
		if s.Build != nil && image != "" && s.Image == image {
			return s, true
		}
	}
	return types.ServiceConfig{}, false
}

// firstImage returns the first of the images that is there; one without an ID if none is.
func (s *Surveyor) firstImage(ctx context.Context, refs []string) (devcontainer.ImageInfo, error) {
	for _, ref := range refs {
		c, ok, err := s.Engine.Image(ctx, ref)
		if err != nil {
			return devcontainer.ImageInfo{}, err
		}
		if ok {
			return devcontainer.ImageInfo{
				ID: c.ID, User: c.User, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, Labels: c.Labels,
				Architecture: c.Architecture,
			}, nil
		}
	}
	return devcontainer.ImageInfo{}, nil
}

// features resolves what the devcontainer.json asks for. Why that failed is for the plan to say.
func (s *Surveyor) features(ctx context.Context, d *DevContainer) error {
	if len(d.Config.Features) == 0 || d.Features != nil {
		return nil
	}
	lock, err := features.ReadLock(features.LockPath(d.Place.Path))
	if err != nil {
		return err
	}
	d.Features, d.FeaturesErr = s.Features.Resolve(ctx, d.Config, lock)
	return ctx.Err()
}

// FeaturesImage is the name of a repository's images with features.
func FeaturesImage(repository string) string {
	return "iloom-" + identity.Sanitise(filepath.Base(repository), 30) + "-" + identity.ShortHash(repository) + "-features"
}

// buildHash covers a build as the files say it and the text of its Dockerfile. What the context holds is not read, as
// in docker compose.
func buildHash(r stack.Reader, b *types.BuildConfig) (string, error) {
	said, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	var text []byte
	if b.DockerfileInline == "" {
		file := cmp.Or(b.Dockerfile, "Dockerfile")
		if !filepath.IsAbs(file) {
			file = filepath.Join(b.Context, file)
		}
		// A context that is elsewhere has its Dockerfile there.
		if text, err = r.Read(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return trust.Digest(said, text), nil
}

// shortHash cuts a hash to what a label needs.
func shortHash(hash string) string { return hash[:min(8, len(hash))] }

// KeyHashes has a short hash of what each key of the devcontainer.json says, and of the Dockerfile, so that a change
// can be named.
func (d *DevContainer) KeyHashes() map[string]string {
	said := map[string]string{}
	var keys map[string]json.RawMessage
	if json.Unmarshal(d.Config.Raw, &keys) == nil {
		for key, value := range keys {
			said[key] = shortHash(trust.Digest(value))
		}
	}
	if d.Base.BuildHash != "" {
		said["Dockerfile"] = shortHash(d.Base.BuildHash)
	}
	return said
}

// HasLabels reports whether a container has all the labels.
func HasLabels(c engine.Container, labels map[string]string) bool {
	for k, v := range labels {
		if c.Labels[k] != v {
			return false
		}
	}
	return true
}

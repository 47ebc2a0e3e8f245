package loom

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/gofrs/flock"
	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// EgressVariable names an image to use as the sandbox's way out in place of the one that is made of this binary.
const EgressVariable = "ILOOM_EGRESS_IMAGE"

// EgressImageError says why there is no image for the sandbox's way out.
type EgressImageError struct{ Err error }

// Error says why.
func (e *EgressImageError) Error() string { return "image of the sandbox's egress: " + e.Err.Error() }

// NextStep says what the user does next.
func (*EgressImageError) NextStep() string {
	return "set " + EgressVariable + " to an image, for the engine's platform, whose entrypoint is docker-loom egress"
}

// Unwrap gives the reason.
func (e *EgressImageError) Unwrap() error { return e.Err }

// egressImage makes sure that the engine has the image of the sidecar, which is this binary and nothing else, and names it.
func (l *Looms) egressImage(ctx context.Context) (ref string, err error) {
	if ref, err = l.egressRef(); err != nil {
		return "", &EgressImageError{err}
	}
	id, err := l.Engine.ImageID(ctx, ref)
	if err != nil || id != "" {
		return ref, err
	}
	if os.Getenv(EgressVariable) != "" {
		return "", &EgressImageError{fmt.Errorf("there is no %s, which %s names", ref, EgressVariable)}
	}
	err = l.once(ctx, strings.ReplaceAll(ref, ":", "-"), func() error {
		if id, err := l.Engine.ImageID(ctx, ref); err != nil || id != "" {
			return err
		}
		return l.importEgress(ctx, ref)
	})
	if err != nil && ctx.Err() == nil {
		err = &EgressImageError{err}
	}
	return ref, err
}

// egressRef names the sidecar's image without asking the engine.
func (l *Looms) egressRef() (string, error) {
	if ref := os.Getenv(EgressVariable); ref != "" {
		return ref, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	hash, err := l.hashOfFile(path)
	if err != nil {
		return "", err
	}
	return sandbox.EgressTag(hash), nil
}

// importEgress makes the sidecar's image of this binary.
func (l *Looms) importEgress(ctx context.Context, ref string) error {
	info, err := l.Engine.Info(ctx)
	if err != nil {
		return err
	}
	if at := info.Confines; runtime.GOOS != "linux" || at.OS != runtime.GOOS || at.Arch != runtime.GOARCH {
		return fmt.Errorf("this docker-loom is for %s/%s, the engine runs %s/%s", runtime.GOOS, runtime.GOARCH, at.OS, at.Arch)
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := static(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	file, err := f.Stat()
	if err != nil {
		return err
	}
	id, err := l.Engine.ImportProgram(ctx, sandbox.Program, io.NewSectionReader(f, 0, file.Size()), file.Size(), sandbox.EgressChanges())
	if err != nil {
		return err
	}
	// Another user may have been faster, and its containers shall not be left with an image without a name.
	if there, err := l.Engine.ImageID(ctx, ref); err != nil || there != "" {
		return errors.Join(err, l.Engine.RemoveImages(ctx, []string{id}))
	}
	if err := l.Engine.Tag(ctx, id, ref); err != nil {
		return err
	}
	l.Teller.Debugf("image %s: imported", ref)
	l.removeEgress(ctx, ref)
	return nil
}

// static tells whether a Linux program runs without anything else in its image.
func static(r io.ReaderAt) error {
	program, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("no Linux program: %w", err)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("it is dynamically linked and would not run in an image of its own: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// removeEgress removes the images of earlier binaries, except those that containers use.
func (l *Looms) removeEgress(ctx context.Context, ref string) {
	images, err := l.Engine.Images(ctx, sandbox.EgressRepository, nil)
	if err != nil {
		l.Teller.Debugf("images of earlier binaries: %v", err)
		return
	}
	if err := l.Engine.RemoveImages(ctx, earlier(images, ref, time.Now())); err != nil {
		l.Teller.Debugf("another sandbox uses it: %v", err)
	}
}

// earlier are the tags of images made of earlier binaries. A young one may be another docker loom's, which has not made its
// container yet.
func earlier(images []engine.Image, ref string, now time.Time) []string {
	var tags []string
	for _, i := range images {
		if now.Sub(i.Created) > time.Hour {
			tags = append(tags, slices.DeleteFunc(slices.Clone(i.Tags), func(t string) bool { return t == ref })...)
		}
	}
	return tags
}

// hashed is what the cache remembers of a file.
type hashed struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Hash     string    `json:"hash"`
}

// hashOfFile is a file's SHA-256; it is computed again only where size or time of the file are new.
func (l *Looms) hashOfFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	want := hashed{Path: path, Size: info.Size(), Modified: info.ModTime().UTC()}
	name := filepath.Join(l.Cache, "binary.json")
	if l.Cache != "" {
		var have hashed
		if text, err := os.ReadFile(name); err == nil && json.Unmarshal(text, &have) == nil && len(have.Hash) == 2*sha256.Size {
			if want.Hash = have.Hash; want == have {
				return have.Hash, nil
			}
		}
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	want.Hash = hex.EncodeToString(h.Sum(nil))
	if l.Cache != "" {
		text, err := json.Marshal(want)
		if err == nil {
			if err = os.MkdirAll(l.Cache, 0o755); err == nil {
				err = atomicwriter.WriteFile(name, text, 0o644)
			}
		}
		if err != nil {
			l.Teller.Debugf("hash of %s: %v", path, err)
		}
	}
	return want.Hash, nil
}

// once does f while no other process of the user does the same; the others wait.
func (l *Looms) once(ctx context.Context, what string, f func() error) error {
	dir := l.Cache
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("docker-loom-%d", os.Getuid()))
	}
	dir = filepath.Join(dir, "locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(dir, what))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return err
	}
	defer lock.Close()
	return f()
}

// AgentImages are the images that are set for a sandbox, "" where none is.
type AgentImages struct {
	// Flag is --image's, Agent the agent's own, Project the project's.
	Flag, Agent, Project string
	// Looking builds nothing: an image that is not there yet has no ID then.
	Looking bool
}

// agentVariables name the user's image for sandboxes; the first that is set counts.
var agentVariables = []string{"ILOOM_AGENT_IMAGE", "AGENT_DEFAULT_IMAGE"}

// choose is the first that is set, and what set it. dev is the image of the loom's dev container, "" where it has none; both are
// empty where the built-in base is meant.
func (c AgentImages) choose(env func(string) string, dev string) (ref, source string) {
	set := [][2]string{{c.Flag, "--image"}, {c.Agent, "container.agents"}, {c.Project, "container.agent.image"}}
	for _, name := range agentVariables {
		set = append(set, [2]string{env(name), name})
	}
	set = append(set, [2]string{dev, devSource})
	for _, s := range set {
		if s[0] != "" {
			return s[0], s[1]
		}
	}
	return "", ""
}

const devSource = "the dev container"

// NoImageError says that the image which is set for a sandbox is not on the engine.
type NoImageError struct {
	Ref string
	// Source is what names it.
	Source string
	// There are the images that could be used instead.
	There []string
}

// Error lists what there is.
func (e *NoImageError) Error() string {
	s := fmt.Sprintf("there is no image %s", e.Ref)
	if e.Source != "" {
		s += ", which " + e.Source + " names"
	}
	return s + "; there are: " + strings.Join(e.There, ", ")
}

// NextStep says what the user does next.
func (e *NoImageError) NextStep() string {
	return fmt.Sprintf("docker pull %s brings it; docker loom image build NAME makes one", e.Ref)
}

// agentImage is the image of a sandbox, which is on the engine then. own are the loom's containers. Only the built-in base is
// built where it is missing; nothing is pulled for a name.
func (l *Looms) agentImage(ctx context.Context, c AgentImages, own []engine.Container) (ref, id string, err error) {
	image := ""
	if dev := devContainer(own); dev != nil {
		image = dev.Image
	}
	named, source := c.choose(os.Getenv, image)
	if named == "" || named == sandbox.BaseName {
		return l.builtIn(ctx, c.Looking)
	}
	for _, ref := range candidates(named) {
		if id, err := l.Engine.ImageID(ctx, ref); err != nil || id != "" {
			return ref, id, err
		}
	}
	there, err := l.imageNames(ctx, own)
	if err != nil {
		return "", "", err
	}
	return "", "", &NoImageError{Ref: named, Source: source, There: there}
}

// candidates are the references that a name can mean, in order: one of the user's own images, or any.
func candidates(name string) []string {
	if sandbox.IsImageName(name) {
		return []string{sandbox.NamedTag(name), name}
	}
	return []string{name}
}

// devContainer is the loom's dev container, a running one first; nil without.
func devContainer(own []engine.Container) *engine.Container {
	var dev *engine.Container
	for i, c := range own {
		if !isDevContainer(c) || c.OneOff {
			continue
		}
		if c.State == "running" {
			return &own[i]
		}
		if dev == nil {
			dev = &own[i]
		}
	}
	return dev
}

// imageNames lists what can be given as an image: the built-in one, the user's own, the loom's dev container's.
func (l *Looms) imageNames(ctx context.Context, own []engine.Container) ([]string, error) {
	list, err := l.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{sandbox.BaseName}
	for _, i := range list {
		if !slices.Contains(names, i.Name) && sandbox.IsImageName(i.Name) {
			names = append(names, i.Name)
		}
	}
	if dev := devContainer(own); dev != nil {
		names = append(names, dev.Image)
	}
	return names, nil
}

// builtIn is the built-in image, built on its first use.
func (l *Looms) builtIn(ctx context.Context, looking bool) (ref, id string, err error) {
	b := sandbox.Base()
	id, err = l.Engine.ImageID(ctx, b.Tag)
	if err != nil || id != "" || looking {
		return b.Tag, id, err
	}
	l.Teller.Sayf("building the built-in image %s, once", b.Tag)
	id, err = l.buildOnce(ctx, b, BuildOptions{})
	return b.Tag, id, err
}

// BuildOptions are the choices of building an image for agents.
type BuildOptions struct {
	// NoCache builds all steps anew, Pull asks for a newer image to begin with.
	NoCache, Pull bool
	// Again builds an image that is there already.
	Again bool
}

// BuildStepError says which step of a build failed. The builder has shown its last lines.
type BuildStepError struct {
	Image, Step string
	Err         error
}

// Error names the step, and what the builder says of how it ended.
func (e *BuildStepError) Error() string {
	return fmt.Sprintf("image %s: %s %s", e.Image, e.Step, howItEnded(e.Err))
}

// NextStep says what the user does next.
func (*BuildStepError) NextStep() string {
	return "the builder's last lines say why; with --progress plain it shows all that was printed"
}

// Unwrap gives the builder's error.
func (e *BuildStepError) Unwrap() error { return e.Err }

var commandEnd = regexp.MustCompile(`(?s:did not complete successfully|executor failed running \[.*\]): ([^\n]+)`)

// howItEnded is what a builder says of how a command ended.
func howItEnded(err error) string {
	if how := commandEnd.FindStringSubmatch(err.Error()); how != nil {
		return "ended with " + strings.TrimSpace(how[1])
	}
	return "failed"
}

// buildOnce builds an image, alone among all processes that want the same one: the others wait and find it there.
func (l *Looms) buildOnce(ctx context.Context, b *sandbox.Build, o BuildOptions) (id string, err error) {
	err = l.once(ctx, strings.NewReplacer(":", "-", "/", "-").Replace(b.Tag), func() error {
		if id, err = l.Engine.ImageID(ctx, b.Tag); err != nil || id != "" && !o.Again {
			return err
		}
		if err := l.build(ctx, b, o); err != nil {
			return err
		}
		id, err = l.Engine.ImageID(ctx, b.Tag)
		return err
	})
	return id, err
}

// build builds an image with the engine's builder.
func (l *Looms) build(ctx context.Context, b *sandbox.Build, o BuildOptions) error {
	dir, err := os.MkdirTemp("", "docker-loom-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range b.Sorted() {
		if err := os.WriteFile(filepath.Join(dir, name), b.Files[name], 0o644); err != nil {
			return err
		}
	}
	if _, ours := sandbox.ImageName(b.From); ours {
		// No registry has it.
		o.Pull = false
	}
	args := types.MappingWithEquals{}
	for name, value := range b.Args {
		args[name] = &value
	}
	one := &types.Project{Name: sandbox.AgentRepository, WorkingDir: dir, Environment: types.Mapping{}, Services: types.Services{
		"image": {Name: "image", Image: b.Tag, Build: &types.BuildConfig{
			Context: dir, DockerfileInline: b.Dockerfile, Args: args, Labels: b.Labels, NoCache: o.NoCache, Pull: o.Pull,
		}},
	}}
	err = l.Stack.Provide(ctx, one)
	if err == nil || ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	if step, ok := b.Blame(err.Error()); ok {
		return &BuildStepError{Image: b.Name(), Step: step, Err: err}
	}
	return fmt.Errorf("image %s: %w", b.Name(), err)
}

// AgentImage is an image for sandboxes that docker loom made.
type AgentImage struct {
	// Name is what can be given as an image.
	Name string `json:"name"`
	// Image is its reference.
	Image   string    `json:"image"`
	ID      string    `json:"id"`
	From    string    `json:"from"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size"`
}

// ListImages lists the images that docker loom made for sandboxes.
func (l *Looms) ListImages(ctx context.Context) ([]AgentImage, error) {
	list := []AgentImage{}
	for _, repository := range []string{sandbox.AgentRepository, sandbox.AgentRepository + "/*"} {
		images, err := l.Engine.Images(ctx, repository, nil)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			for _, tag := range i.Tags {
				if name, ok := sandbox.ImageName(tag); ok {
					list = append(list, AgentImage{Name: name, Image: tag, ID: i.ID, From: i.Labels[sandbox.LabelFrom], Created: i.Created.UTC(), Size: i.Size})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b AgentImage) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// BuildImageRequest asks for an image for sandboxes.
type BuildImageRequest struct {
	sandbox.ImageRequest
	BuildOptions
}

// PlanImage says how an image would be built.
func (l *Looms) PlanImage(ctx context.Context, req BuildImageRequest) (*sandbox.Build, error) {
	r := req.ImageRequest
	if own := candidates(r.From); len(own) > 1 && r.From != sandbox.BaseName {
		id, err := l.Engine.ImageID(ctx, own[0])
		if err != nil {
			return nil, err
		}
		if id != "" {
			r.From = own[0]
		}
	}
	return sandbox.Named(r)
}

// BuildImage builds an image for sandboxes under a name of the user's, or the built-in one anew.
func (l *Looms) BuildImage(ctx context.Context, req BuildImageRequest) (*AgentImage, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	b, err := l.PlanImage(ctx, req)
	if err != nil {
		return nil, err
	}
	if b.From == sandbox.Base().Tag {
		if _, _, err := l.builtIn(ctx, false); err != nil {
			return nil, err
		}
	}
	was, err := l.Engine.ImageID(ctx, b.Tag)
	if err != nil {
		return nil, err
	}
	req.Again = true
	id, err := l.buildOnce(ctx, b, req.BuildOptions)
	if err != nil {
		return nil, err
	}
	if was != "" && was != id {
		// It has no name any more. Where a container or another image has it, it stays.
		if err := l.Engine.RemoveImages(ctx, []string{was}); err != nil {
			l.Teller.Debugf("%v", err)
		}
	}
	list, err := l.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.Image == b.Tag {
			return &i, nil
		}
	}
	return nil, fmt.Errorf("image %s: it was built and is gone", b.Tag)
}

// UnknownImageError says that docker loom made no image of this name.
type UnknownImageError struct {
	Name  string
	There []string
}

// Error lists what there is.
func (e *UnknownImageError) Error() string {
	s := "docker loom has made no image " + e.Name
	if len(e.There) > 0 {
		s += "; there are: " + strings.Join(e.There, ", ")
	}
	return s
}

// NextStep says what the user does next.
func (*UnknownImageError) NextStep() string {
	return "docker loom image ls lists them; docker image rm removes others"
}

// ImageInUseError says that containers were made from an image.
type ImageInUseError struct {
	Name       string
	Containers []string
}

// Error names the containers.
func (e *ImageInUseError) Error() string {
	return fmt.Sprintf("image %s is used by %s", e.Name, strings.Join(e.Containers, ", "))
}

// NextStep says what the user does next.
func (*ImageInUseError) NextStep() string {
	return "docker rm removes a container, docker loom down ID those of a loom"
}

// RemoveImages removes images that docker loom made for sandboxes, and says which. Where one is not there or is used,
// none is removed.
func (l *Looms) RemoveImages(ctx context.Context, names []string, dry bool) ([]AgentImage, error) {
	if err := l.Engine.Check(ctx); err != nil {
		return nil, err
	}
	list, err := l.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	chosen := []AgentImage{}
	var tags []string
	for _, name := range names {
		at := slices.IndexFunc(list, func(i AgentImage) bool { return i.Name == name || i.Image == name || i.Image == name+":latest" })
		if at < 0 {
			e := &UnknownImageError{Name: name}
			for _, i := range list {
				e.There = append(e.There, i.Name)
			}
			return nil, e
		}
		users, err := l.Engine.MadeFrom(ctx, list[at].ID)
		if err != nil {
			return nil, err
		}
		if len(users) > 0 {
			return nil, &ImageInUseError{Name: name, Containers: users}
		}
		if !slices.Contains(tags, list[at].Image) {
			chosen, tags = append(chosen, list[at]), append(tags, list[at].Image)
		}
	}
	if dry {
		return chosen, nil
	}
	return chosen, l.Engine.RemoveImages(ctx, tags)
}

// toolchain is what decides on a sandbox's image with the tools of its work tree.
type toolchain struct {
	// ref and id are the sandbox's own image.
	ref, id  string
	workTree string
	// inside is the sandbox's container, nil where there is none.
	inside *engine.Container
	// trusted says that the work tree's files are the user's.
	trusted bool
	// looking builds nothing.
	looking bool
}

// toolchainImage is the image with the tools that the work tree's toolchain file asks for on top of the sandbox's own, and that one
// where there is no such file, or where its build fails: a finding says so then. What the file asks for is data: it is run while the
// image is built, with no more of the host than any build has. But a build has the whole network, so that a file which an agent may
// have written is not built: it would be the agent's way out. A sandbox that runs keeps what it has, or an agent that edits the file
// would end what runs beside it.
func (l *Looms) toolchainImage(ctx context.Context, c toolchain) (ref, id string, findings []finding.Finding, err error) {
	without := func(err error) (string, string, []finding.Finding, error) {
		return c.ref, c.id, []finding.Finding{withoutTools(c.ref, err)}, nil
	}
	files, err := readToolchain(c.workTree)
	if err != nil {
		return without(err)
	}
	if len(files) == 0 || c.id == "" {
		return c.ref, c.id, nil, nil
	}
	base, ok, err := l.Engine.Image(ctx, c.id)
	if err != nil || !ok {
		return c.ref, c.id, nil, err
	}
	b := sandbox.Toolchain(c.ref, base.ID, base.User, files)
	if c.inside != nil && isRunning(*c.inside) {
		if has, hasID, err := l.runsOn(ctx, c.ref, c.id, *c.inside); err != nil || hasID != "" {
			if has != b.Tag {
				findings = append(findings, finding.Finding{Level: finding.Info, Subject: "toolchain", Message: "the sandbox was made without what " + strings.Join(b.Sorted(), " and ") + " asks for now", Remedy: "stop the sandbox: it is then made anew"})
			}
			return has, hasID, findings, err
		}
	}
	have, err := l.Engine.ImageID(ctx, b.Tag)
	switch {
	case err != nil || have != "":
		return b.Tag, have, nil, err
	case !c.trusted:
		f := withoutTools(c.ref, fmt.Errorf("an agent may have written %s, and a build has the whole network", strings.Join(b.Sorted(), " and ")))
		f.Remedy = "look at what changed; --trust builds it when the sandbox is made"
		return c.ref, c.id, []finding.Finding{f}, nil
	case c.looking:
		return b.Tag, "", []finding.Finding{{Level: finding.Info, Subject: "image " + b.Tag, Message: "is not built yet"}}, nil
	}
	if isImageID(c.ref, c.id) {
		// A builder takes it for a name.
		from := sandbox.AgentRepository + ":of-" + shortID(c.id)
		if err := l.Engine.Tag(ctx, c.id, from); err != nil {
			return "", "", nil, err
		}
		b.Args["BASE_IMAGE"] = from
	}
	l.Teller.Sayf("building image %s with what %s asks for, once", b.Tag, strings.Join(b.Sorted(), " and "))
	if have, err = l.buildOnce(ctx, b, BuildOptions{}); err != nil {
		if ctx.Err() != nil {
			return "", "", nil, ctx.Err()
		}
		return without(err)
	}
	return b.Tag, have, nil, nil
}

// isImageID tells whether an image was named by its ID, or the beginning of it.
func isImageID(ref, id string) bool {
	return strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), strings.TrimPrefix(ref, "sha256:"))
}

func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// runsOn is the image of a container where it is the one with this ID, or one with tools on top of that; the ID is empty for another.
func (l *Looms) runsOn(ctx context.Context, ref, id string, c engine.Container) (string, string, error) {
	if c.ImageID == id {
		return ref, id, nil
	}
	has, _, err := l.Engine.Image(ctx, c.ImageID)
	if err != nil || has.Labels[sandbox.LabelBase] != id || has.Labels[sandbox.LabelImage] == "" {
		return "", "", err
	}
	return has.Labels[sandbox.LabelImage], c.ImageID, nil
}

func withoutTools(ref string, err error) finding.Finding {
	return finding.Finding{
		Level: finding.Warning, Subject: "toolchain",
		Message: fmt.Sprintf("image %s is used without the tools that the repository asks for: %v", ref, err),
		Remedy:  "correct the file and make the sandbox anew, or bake the tools into an image: docker loom image build NAME --run ...",
	}
}

// maxToolchain bounds a toolchain file, which is read into memory.
const maxToolchain = 1 << 20

// readToolchain reads the toolchain files of a work tree. An agent may have written them: what is no plain file of the work tree
// itself is an error, or a link would bring a file of the host's into the image.
func readToolchain(workTree string) (map[string][]byte, error) {
	root, err := os.OpenRoot(workTree)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	files := map[string][]byte{}
	for _, name := range sandbox.ToolchainFiles {
		text, err := readPlain(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = text
	}
	return files, nil
}

func readPlain(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no plain file")
	}
	// It may have become a pipe meanwhile, which nobody may ever write to.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(info, opened) {
		return nil, errors.New("it changes while it is read")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToolchain+1))
	if err == nil && len(text) > maxToolchain {
		err = fmt.Errorf("it has more than %d bytes", maxToolchain)
	}
	return text, err
}

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// Toolchain decides on a sandbox's image with the tools of its work tree.
type Toolchain struct {
	// Ref and ID are the sandbox's own image.
	Ref, ID  string
	WorkTree string
	// Sandbox is the sandbox's container, nil if none runs.
	Sandbox *engine.Container
	// Trusted says that nobody but the user wrote the work tree's files.
	Trusted bool
	// LookOnly builds nothing.
	LookOnly bool
}

// WithTools returns the image with the tools that the work tree's toolchain file asks for, on top of the sandbox's own
// image. Without such a file, or if the build fails, it is the sandbox's own image; a finding tells of the failure.
//
// The file is data: it is read while the image is built, with no more of the host than any build has. But a build has
// the whole network. A file that an agent may have written is not built: it would be the agent's way out. A sandbox
// that runs keeps its image; an agent that edits the file would otherwise end what runs beside it.
func (s *Store) WithTools(ctx context.Context, t Toolchain) (ref, id string, findings []finding.Finding, err error) {
	files, err := readToolchain(t.WorkTree)
	if err != nil {
		return t.Ref, t.ID, []finding.Finding{withoutTools(t.Ref, err)}, nil
	}
	if len(files) == 0 || t.ID == "" {
		return t.Ref, t.ID, nil, nil
	}
	base, ok, err := s.Engine.Image(ctx, t.ID)
	if err != nil || !ok {
		return t.Ref, t.ID, nil, err
	}
	b := sandbox.Toolchain(t.Ref, base.ID, base.User, files)
	if t.Sandbox != nil {
		if has, hasID, err := s.runsOn(ctx, t); err != nil || hasID != "" {
			if has != b.Tag {
				findings = append(findings, finding.Finding{
					Level: finding.Info, Subject: "toolchain",
					Message: "the sandbox was made without what " + strings.Join(b.FileNames(), " and ") + " asks for now",
					Remedy:  "stop the sandbox: it is then recreated",
				})
			}
			return has, hasID, findings, err
		}
	}
	have, err := s.Engine.ImageID(ctx, b.Tag)
	switch {
	case err != nil || have != "":
		return b.Tag, have, nil, err
	case !t.Trusted:
		names := strings.Join(b.FileNames(), " and ")
		f := withoutTools(t.Ref, fmt.Errorf("an agent may have written %s, and a build has the whole network", names))
		f.Remedy = "look at what changed; --trust builds it when the sandbox is made"
		return t.Ref, t.ID, []finding.Finding{f}, nil
	case t.LookOnly:
		f := finding.Finding{Level: finding.Info, Subject: "image " + b.Tag, Message: "is not built yet"}
		return b.Tag, "", []finding.Finding{f}, nil
	}
	return s.buildTools(ctx, t, b)
}

// buildTools builds the image with the tools.
func (s *Store) buildTools(
	ctx context.Context, t Toolchain, b *sandbox.Build,
) (ref, id string, findings []finding.Finding, err error) {
	if isImageID(t.Ref, t.ID) {
		// A builder takes it for a name.
		from := sandbox.AgentRepository + ":of-" + shortID(t.ID)
		if err := s.Engine.Tag(ctx, t.ID, from); err != nil {
			return "", "", nil, err
		}
		b.Args["BASE_IMAGE"] = from
	}
	s.Teller.Sayf("building image %s with what %s asks for, once", b.Tag, strings.Join(b.FileNames(), " and "))
	id, err = s.Ensure(ctx, recipeOf(b), Options{})
	if ctx.Err() != nil {
		return "", "", nil, ctx.Err()
	}
	if err != nil {
		return t.Ref, t.ID, []finding.Finding{withoutTools(t.Ref, err)}, nil
	}
	return b.Tag, id, nil, nil
}

// isImageID reports whether an image was named by its ID, or the beginning of it.
func isImageID(ref, id string) bool {
	return strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), strings.TrimPrefix(ref, "sha256:"))
}

func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// runsOn returns the image of the sandbox's container if that is its own image, or one with tools on top of it.
// Otherwise the ID is empty.
func (s *Store) runsOn(ctx context.Context, t Toolchain) (ref, id string, err error) {
	if t.Sandbox.ImageID == t.ID {
		return t.Ref, t.ID, nil
	}
	has, _, err := s.Engine.Image(ctx, t.Sandbox.ImageID)
	if err != nil || has.Labels[sandbox.LabelBase] != t.ID || has.Labels[sandbox.LabelImage] == "" {
		return "", "", err
	}
	return has.Labels[sandbox.LabelImage], t.Sandbox.ImageID, nil
}

func withoutTools(ref string, err error) finding.Finding {
	return finding.Finding{
		Level: finding.Warning, Subject: "toolchain",
		Message: fmt.Sprintf("image %s is used without the tools that the repository asks for: %v", ref, err),
		Remedy: "correct the file and recreate the sandbox, or bake the tools into an image of your own: " +
			"docker loom image build --help",
	}
}

// maxToolchain bounds a toolchain file, which is read into memory.
const maxToolchain = 1 << 20

// readToolchain reads the toolchain files of a work tree. An agent may have written them. Anything but a plain file of
// the work tree is an error: a link would bring a file of the host into the image.
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
		return nil, errors.New("it is not a regular file")
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

package image

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/moby/sys/atomicwriter"

	"github.com/docker-loom/docker-loom/internal/engine"
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

// EnsureEgress makes sure that the engine has the image of the sidecar, which is this binary and nothing else, and
// names it.
func (s *Store) EnsureEgress(ctx context.Context) (ref string, err error) {
	if ref, err = s.EgressRef(); err != nil {
		return "", &EgressImageError{err}
	}
	id, err := s.Engine.ImageID(ctx, ref)
	if err != nil || id != "" {
		return ref, err
	}
	if s.Process.Getenv(EgressVariable) != "" {
		return "", &EgressImageError{fmt.Errorf("there is no %s, which %s names", ref, EgressVariable)}
	}
	err = s.lockedByTag(ctx, ref, func() error {
		if id, err := s.Engine.ImageID(ctx, ref); err != nil || id != "" {
			return err
		}
		return s.loadEgress(ctx, ref)
	})
	if err != nil && ctx.Err() == nil {
		err = &EgressImageError{err}
	}
	return ref, err
}

// EgressRef names the sidecar's image without asking the engine.
func (s *Store) EgressRef() (string, error) {
	if ref := s.Process.Getenv(EgressVariable); ref != "" {
		return ref, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	hash, err := s.hashOfFile(path)
	if err != nil {
		return "", err
	}
	return sandbox.EgressTag(hash), nil
}

// loadEgress makes the sidecar's image of this binary.
func (s *Store) loadEgress(ctx context.Context, ref string) error {
	info, err := s.Engine.Capabilities(ctx)
	if err != nil {
		return err
	}
	if at := info.Confines; runtime.GOOS != "linux" || at.OS != runtime.GOOS || at.Arch != runtime.GOARCH {
		return fmt.Errorf("this docker-loom is for %s/%s, the engine runs %s/%s",
			runtime.GOOS, runtime.GOARCH, at.OS, at.Arch)
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
	if err := checkStatic(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	file, err := f.Stat()
	if err != nil {
		return err
	}
	err = s.Engine.LoadProgram(ctx, ref, engine.Program{
		Path: sandbox.Program, Content: io.NewSectionReader(f, 0, file.Size()), Entrypoint: sandbox.EgressEntrypoint(),
		User: sandbox.EgressUser, OS: runtime.GOOS, Arch: runtime.GOARCH,
	})
	if err != nil {
		return err
	}
	s.Teller.Debugf("image %s: loaded", ref)
	s.removeEarlierEgress(ctx, ref)
	return nil
}

// checkStatic returns an error if a Linux program needs other files in its image.
func checkStatic(r io.ReaderAt) error {
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

// removeEarlierEgress removes the images of earlier binaries, except those that containers use.
func (s *Store) removeEarlierEgress(ctx context.Context, ref string) {
	images, err := s.Engine.Images(ctx, sandbox.EgressRepository, nil)
	if err != nil {
		s.Teller.Debugf("images of earlier binaries: %v", err)
		return
	}
	for i := range images {
		// Such an image has no time of its own.
		if images[i].Created, err = s.Engine.LastTagged(ctx, images[i]); err != nil {
			s.Teller.Debugf("images of earlier binaries: %v", err)
			return
		}
	}
	if err := s.Engine.RemoveImages(ctx, earlier(images, ref, time.Now())); err != nil {
		s.Teller.Debugf("another sandbox uses it: %v", err)
	}
}

// earlier are the tags of images made of earlier binaries. A young one may be another docker loom's, which has not
// made its container yet.
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
func (s *Store) hashOfFile(path string) (string, error) {
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
	name := filepath.Join(s.Cache, "binary.json")
	if s.Cache != "" {
		var have hashed
		text, err := os.ReadFile(name)
		if err == nil && json.Unmarshal(text, &have) == nil && len(have.Hash) == 2*sha256.Size {
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
	if s.Cache != "" {
		text, err := json.Marshal(want)
		if err == nil {
			if err = os.MkdirAll(s.Cache, 0o755); err == nil {
				err = atomicwriter.WriteFile(name, text, 0o644)
			}
		}
		if err != nil {
			s.Teller.Debugf("hash of %s: %v", path, err)
		}
	}
	return want.Hash, nil
}

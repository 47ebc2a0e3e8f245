// Package image builds and keeps images: those that agents' sandboxes are made from, and the one of their sidecar.
package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/gofrs/flock"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/stack/buildx"
	"github.com/docker-loom/docker-loom/internal/tell"
)

// Store builds images on an engine and keeps them there.
type Store struct {
	Engine *engine.Engine
	Stack  *stack.Stack
	// Cache is the folder for what can be learnt again; "" for none.
	Cache string
	// Teller speaks with the user.
	Teller tell.Teller
	// Process is what the command takes from its process.
	Process host.Process
}

// Recipe is an image to be built.
type Recipe struct {
	// Tag is the image's name and tag.
	Tag string
	// Project and Service are what the builder calls the build.
	Project, Service string
	Dockerfile       string
	// WriteContext fills the folder that the builder gets.
	WriteContext func(dir string) error
	Args, Labels map[string]string
	// IsLocal says that what it is built from is on the engine, and may be nowhere else: nothing is pulled for it.
	IsLocal bool
	// Platform is the image's, "" for the engine's own.
	Platform string
	// Environment has the variables that the builder may use.
	Environment types.Mapping
	// Explain makes an error of the builder's one that names the step.
	Explain func(error) error
}

// Options are the choices of a build.
type Options struct {
	buildx.Target
	// Rebuild builds an image that is there already.
	Rebuild bool
}

// Ensure builds an image that is not there yet, and returns its ID. Of several processes that want the same image one
// builds it; the others wait.
func (s *Store) Ensure(ctx context.Context, r Recipe, o Options) (id string, err error) {
	err = s.lockedByTag(ctx, r.Tag, func() error {
		if id, err = s.Engine.ImageID(ctx, r.Tag); err != nil || id != "" && !o.Rebuild {
			return err
		}
		if err := s.Build(ctx, r, o); err != nil {
			return err
		}
		id, err = s.Engine.ImageID(ctx, r.Tag)
		return err
	})
	return id, err
}

// Build builds an image with the engine's builder.
func (s *Store) Build(ctx context.Context, r Recipe, o Options) error {
	dir, err := os.MkdirTemp("", "docker-loom-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := r.WriteContext(dir); err != nil {
		return err
	}
	o.Pull = o.Pull && !r.IsLocal
	args := types.MappingWithEquals{}
	for name, value := range r.Args {
		args[name] = &value
	}
	project := &types.Project{
		Name: r.Project, WorkingDir: dir, Environment: r.Environment,
		Services: types.Services{r.Service: {
			Name: r.Service, Image: r.Tag, Platform: r.Platform,
			Build: o.On(types.BuildConfig{
				Context: dir, DockerfileInline: r.Dockerfile, Args: args, Labels: r.Labels,
			}, ""),
		}},
	}
	err = s.Stack.Provide(ctx, project)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return r.Explain(err)
	}
	return nil
}

// lockedByTag runs f while no other process of the user does the same for this tag; the others wait.
func (s *Store) lockedByTag(ctx context.Context, tag string, f func() error) error {
	dir := s.Cache
	if dir == "" {
		dir = filepath.Join(s.Process.Temp, fmt.Sprintf("docker-loom-%d", s.Process.UID))
	}
	dir = filepath.Join(dir, "locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(dir, strings.NewReplacer(":", "-", "/", "-").Replace(tag)))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return err
	}
	defer lock.Close()
	return f()
}

var commandEnd = regexp.MustCompile(`(?s:did not complete successfully|executor failed running \[.*\]): ([^\n]+)`)

// HowItEnded is what a builder's error says of how a command ended.
func HowItEnded(err error) string {
	if how := commandEnd.FindStringSubmatch(err.Error()); how != nil {
		return "ended with " + strings.TrimSpace(how[1])
	}
	return "failed"
}

// BuildStepError says which step of a build failed. The builder has shown its last lines.
type BuildStepError struct {
	Image, Step string
	Err         error
}

// Error names the step, and what the builder says of how it ended.
func (e *BuildStepError) Error() string {
	return fmt.Sprintf("image %s: %s %s", e.Image, e.Step, HowItEnded(e.Err))
}

// NextStep says what the user does next.
func (*BuildStepError) NextStep() string {
	return "the builder's last lines say why; with --progress plain it shows all that was printed"
}

// Unwrap gives the builder's error.
func (e *BuildStepError) Unwrap() error { return e.Err }

// RemoveFeatures removes the images with features, which have this name and any tag, that no container uses any more.
func (s *Store) RemoveFeatures(ctx context.Context, name string) {
	images, err := s.Engine.Images(ctx, name, nil)
	if err != nil {
		s.Teller.Debugf("images with features: %v", err)
		return
	}
	for _, i := range images {
		if err := s.Engine.RemoveImages(ctx, i.Tags); err != nil {
			s.Teller.Debugf("another loom uses it: %v", err)
		}
	}
}
